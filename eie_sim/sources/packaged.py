"""A trained network of this package on one of its digits: the layers that the machine runs, as a chain."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from compressor.models import packaged_digits, packaged_model
from eie_sim.arch import ArchConfig
from eie_sim.origin import Origin
from eie_sim.sources.job import Job
from eie_sim.sources.options import LoadOptions, OptionError
from eie_sim.sources.packing import chain_job


@dataclass(frozen=True)
class PackagedNetwork:
    """The seed is the number of the digit."""

    name: str
    options: LoadOptions
    takes: ClassVar[frozenset[str]] = frozenset()
    follows_weight_bits: ClassVar[bool] = False
    where: ClassVar[str] = "with a packaged network"

    def job(self, arch: ArchConfig | None) -> Job:
        """See `eie_sim.sources.job.Source`."""
        from eie_sim.inference import on_the_host

        model, digits, number = packaged_model(self.name), packaged_digits(), self.options.seed
        if number >= len(digits.labels):
            raise OptionError("seed", f"{number}, but {self.name} has {len(digits.labels)} digits")
        image = digits.inputs()[number : number + 1]
        # In float32 also for a machine of fixed point: the convolutions are the host's.
        matrices, inputs = on_the_host(model, image, ArchConfig())
        packed = matrices.pack()
        origin = Origin("packaged", f"{self.name}, digit {number}", seed=number)
        return chain_job(packed.layers, packed.activations, origin, self.options, arch, inputs[0].astype(np.float32))

    def content(self) -> Mapping[str, object]:
        """See `eie_sim.sources.job.Source`."""
        return {"packaged": self.name, "digit": self.options.seed}
