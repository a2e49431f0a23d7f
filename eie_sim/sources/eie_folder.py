"""A data folder of the EIE authors' own simulator: one layer and its inputs."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from eie_sim.arch import ArchConfig
from eie_sim.origin import Origin
from eie_sim.sources.contents import content_of_inputs, sha256_of
from eie_sim.sources.job import Job
from eie_sim.sources.options import LoadOptions
from eie_sim.sources.packing import check_packing, one_layer_job

ROWS = 1000
"""Outputs of the layer where nothing is said: those of the authors' AlexNet fc8. The folder does not say."""

_NAME = "eie-simulator"


@dataclass(frozen=True)
class EieSimulatorFolder:
    """``act.dat``, ``arithm.dat``, ``ptr/`` and ``spm/``; its inputs run unless others are asked for."""

    path: Path
    options: LoadOptions
    takes: ClassVar[frozenset[str]] = frozenset({"rows", "name", "acts", "act_density", "n_vectors"})
    follows_weight_bits: ClassVar[bool] = False
    where: ClassVar[str] = "with a data folder"

    def job(self, arch: ArchConfig | None) -> Job:
        """See `eie_sim.sources.job.Source`."""
        from compressor.importers.eie_simulator import read_eie_simulator

        name = self.options.name or self.path.resolve().name or _NAME
        rows = ROWS if self.options.rows is None else self.options.rows
        layer, acts = read_eie_simulator(self.path, rows, self._n_pe(), name)
        check_packing([layer], arch)
        options = self.options
        comes_along = options.acts is None and options.act_density is None and options.n_vectors is None
        origin = Origin("eie-simulator", self.path.name)
        return one_layer_job(layer, origin, options, arch, sampled_as=_NAME, acts=acts if comes_along else None)

    def _n_pe(self) -> int:
        """PEs the folder was written for."""
        if not (self.path / "act.dat").is_file():
            raise ValueError(f"{self.path}: is a folder, but not a data folder of the EIE simulator: it has no act.dat")
        n_pe = 0
        while (self.path / "ptr" / f"ptr{n_pe}.dat").is_file():
            n_pe += 1
        return max(n_pe, 1)

    def content(self) -> Mapping[str, object]:
        """See `eie_sim.sources.job.Source`."""
        n_pe, rows = self._n_pe(), ROWS if self.options.rows is None else self.options.rows
        names = ["arithm.dat", *(f"{kind}/{kind}{k}.dat" for kind in ("ptr", "spm") for k in range(n_pe))]
        given = self.options.acts is not None or self.options.act_density is not None
        inputs = content_of_inputs(self.options) if given else {"acts": sha256_of(self.path / "act.dat")}
        return {"eie-simulator": [sha256_of(self.path / name) for name in names], "rows": rows, **inputs}
