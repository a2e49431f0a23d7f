"""A trained network of this package on one of its digits: the layers that the machine runs, as a chain."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from compressor.checks import whole_number
from compressor.models import packaged_digits, packaged_model
from compressor.types.packed import PackedLayer
from eie_sim.arch import ArchConfig
from eie_sim.engines.base import simulate_batch
from eie_sim.engines.chain import walk
from eie_sim.origin import Origin
from eie_sim.result import BatchResult
from eie_sim.sources.job import Job
from eie_sim.sources.options import LoadOptions, OptionError
from eie_sim.sources.packing import chain_job, check_packing, fitted
from eie_sim.workload import Workload


@dataclass(frozen=True)
class PackagedNetwork:
    """The seed is the number of the first digit; `n_vectors` takes those that follow it."""

    name: str
    options: LoadOptions
    takes: ClassVar[frozenset[str]] = frozenset({"layers", "n_vectors"})
    follows_weight_bits: ClassVar[bool] = False
    where: ClassVar[str] = "with a packaged network"

    def job(self, arch: ArchConfig | None) -> Job:
        """See `eie_sim.sources.job.Source`."""
        from eie_sim.network import plan_network, record_products

        model, digits, number = packaged_model(self.name), packaged_digits(), self.options.seed
        wanted = self.options.n_vectors
        n_vectors = 1 if wanted is None else whole_number("n_vectors", wanted, 1)
        if number + n_vectors > len(digits.labels):
            option = "seed" if wanted is None else "n_vectors"
            asked = number if wanted is None else f"{n_vectors} from digit {number} on"
            raise OptionError(option, f"{asked}, but {self.name} has {len(digits.labels)} digits")
        matrices = model.select(*(tensor.name for tensor in model.tensors if tensor.kind == "linear"))
        packed = matrices.pack()
        first_name = packed.layers[0].name
        # In float32 also for a machine of fixed point: only the inputs of the first matrix are asked for.
        plan = plan_network(model)
        images = digits.inputs()[number : number + n_vectors]
        images = images.reshape(
            n_vectors, *(size for size in (plan.inputs[0].sizes or ())[1:] if isinstance(size, int))
        )
        calls = [record_products(plan, images, [first_name], sample=at)[first_name] for at in range(n_vectors)]
        inputs = np.concatenate([call.vectors.block() for of_one in calls for call in of_one])
        which = f"digit {number}" if n_vectors == 1 else f"digits {number} to {number + n_vectors - 1}"
        origin = Origin("packaged", f"{self.name}, {which}", seed=number)
        first = inputs.astype(np.float32)
        acts = first[0] if wanted is None else first
        names = [layer.name for layer in packed.layers]
        picked = self.options.picked(names)
        check_packing(packed.layers, arch)
        if picked == names and self.options.chain is None:
            return chain_job(packed.layers, packed.activations, origin, self.options, arch, acts)
        # Alone, each layer has the inputs that it gets in the whole network.
        of_layers: dict[str, NDArray[np.floating]] = {}

        def run(layer: PackedLayer, values: NDArray[np.floating]) -> BatchResult:
            of_layers[layer.name] = values
            return simulate_batch(layer, values, ArchConfig())

        for _ in walk(packed.layers, packed.activations, first, run):
            pass
        alone = []
        for layer in packed.layers:
            if layer.name in picked:
                values, (fit, of_layer) = of_layers[layer.name], fitted(layer, arch, origin)
                alone.append(Workload(fit, values[0] if wanted is None else values, of_layer))
        return Job(tuple(picked), tuple(partial(replace, workload) for workload in alone))

    def content(self) -> Mapping[str, object]:
        """See `eie_sim.sources.job.Source`."""
        content: dict[str, object] = {"packaged": self.name, "digit": self.options.seed}
        layers = self.options.layers
        return content if layers is None else content | {"layer": layers if isinstance(layers, str) else list(layers)}
