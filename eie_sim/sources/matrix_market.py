"""A sparse weight matrix as MatrixMarket text, ``.mtx``."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from eie_sim.arch import ArchConfig
from eie_sim.origin import Origin
from eie_sim.sources.contents import content_of_file
from eie_sim.sources.job import Job
from eie_sim.sources.options import LoadOptions
from eie_sim.sources.packing import one_layer_job


@dataclass(frozen=True)
class MatrixMarketFile:
    """One matrix; its shared weights follow from the seed and the machine's weight bits."""

    path: Path
    options: LoadOptions
    takes: ClassVar[frozenset[str]] = frozenset({"name", "acts", "act_density", "n_vectors"})
    follows_weight_bits: ClassVar[bool] = True
    where: ClassVar[str] = "with an .mtx file"

    def job(self, arch: ArchConfig | None) -> Job:
        """See `eie_sim.sources.job.Source`."""
        from compressor.importers.matrix_market import read_matrix_market

        n_pe, weight_bits, index_bits = ArchConfig().packing if arch is None else arch.packing
        seed, name = self.options.seed, self.options.name
        layer = read_matrix_market(self.path, n_pe, index_bits, weight_bits, seed=seed, name=name)
        # Sampled by a name of its own: inputs of a file must not change with the file's name.
        return one_layer_job(layer, Origin("file", self.path.name), self.options, arch, sampled_as="matrix")

    def content(self) -> Mapping[str, object]:
        """See `eie_sim.sources.job.Source`."""
        return {**content_of_file(self.path, self.options), "seed": self.options.seed}
