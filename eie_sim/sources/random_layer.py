"""A layer of any size with weights at random places: ``random:ROWSxCOLS``."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from eie_sim.arch import ArchConfig
from eie_sim.sources.job import Job, check_n_pe
from eie_sim.sources.options import LoadOptions
from eie_sim.workload import MAX_CELLS, Workload, random_layer

PREFIX = "random:"

WEIGHT_DENSITY = 0.1
"""Where none is given: about what pruning leaves of a fully connected layer (EIE Table III: 4 to 25 %)."""

_SIZES = re.compile(r"(\d{1,10})x(\d{1,10})", re.ASCII)


@dataclass(frozen=True)
class RandomLayer:
    """Weights and inputs sampled from the seed."""

    text: str
    options: LoadOptions
    takes: ClassVar[frozenset[str]] = frozenset({"name", "act_density", "weight_density", "n_vectors"})
    follows_weight_bits: ClassVar[bool] = True
    where: ClassVar[str] = "with a random layer"

    @property
    def _sizes(self) -> tuple[int, int]:
        found = _SIZES.fullmatch(self.text.removeprefix(PREFIX))
        sizes = (0, 0) if found is None else (int(found[1]), int(found[2]))
        if not all(sizes):
            raise ValueError(f"{self.text}: expected random:ROWSxCOLS, such as random:4096x1024, both at least 1")
        if sizes[0] * sizes[1] > MAX_CELLS:
            raise ValueError(f"{self.text}: {sizes[0] * sizes[1]} weights, but at most {MAX_CELLS} can be drawn")
        return sizes

    @property
    def _weight_density(self) -> float:
        return WEIGHT_DENSITY if self.options.weight_density is None else self.options.weight_density

    def job(self, arch: ArchConfig | None) -> Job:
        """See `eie_sim.sources.job.Source`."""
        n_rows, n_cols = self._sizes
        # Sampled by its size: neither what it is called nor how the size is written changes a number.
        sampled_as = f"{n_rows}x{n_cols}"
        name, options = self.options.name or sampled_as, self.options
        n_pe, weight_bits, index_bits = ArchConfig().packing if arch is None else arch.packing
        check_n_pe(name, n_cols, n_pe)

        def make() -> Workload:
            sampled = random_layer(
                n_rows, n_cols, self._weight_density, options.density_of_inputs, options.seed, n_pe, index_bits,
                weight_bits, n_vectors=options.n_vectors, name=sampled_as,
            )  # fmt: skip
            return replace(sampled, layer=replace(sampled.layer, name=name))

        return Job((name,), (make,))

    def content(self) -> Mapping[str, object]:
        """See `eie_sim.sources.job.Source`."""
        options = self.options
        densities = [self._weight_density, options.density_of_inputs]
        return {"random": list(self._sizes), "densities": densities, "seed": options.seed}
