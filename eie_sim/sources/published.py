"""The nine published layers, sampled with the statistics that reproduce the paper's figures."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar

from eie_sim import networks
from eie_sim.arch import ArchConfig
from eie_sim.networks.statistics import LayerStatistics
from eie_sim.sources.job import Job, Note, check_n_pe
from eie_sim.sources.options import LoadOptions, OptionError
from eie_sim.workload import calibrated_layer


@dataclass(frozen=True)
class PublishedLayers:
    """One published layer by its name, or all nine."""

    name: str | None
    options: LoadOptions
    takes: ClassVar[frozenset[str]] = frozenset({"layers", "fit", "n_vectors"})
    follows_weight_bits: ClassVar[bool] = False

    @property
    def where(self) -> str:
        """See `eie_sim.sources.job.Source`."""
        return "without a file" if self.name is None else "with a published layer"

    def job(self, arch: ArchConfig | None) -> Job:
        """See `eie_sim.sources.job.Source`."""
        published = networks.published_layers()
        names = self.options.picked(list(published) if self.name is None else [self.name])
        fit, seed = self.options.known_fit, self.options.seed
        if fit not in networks.FITS:
            raise OptionError("fit", f"{fit!r}, but it must be one of {', '.join(networks.FITS)}")
        n_pe, _, index_bits = ArchConfig().packing if arch is None else arch.packing
        for name in names:
            check_n_pe(name, published[name].inputs, n_pe)
        made = partial(calibrated_layer, n_pe=n_pe, index_bits=index_bits, seed=seed, fit=fit)
        remark = (
            f"Layers drawn with the statistics of the published ones (fit {fit}, seed {seed}); the authors' networks "
            "are not public. The cycles of one draw vary by 0.2 to 1.9 %."
        )
        makers = tuple(partial(made, name, n_vectors=self.options.n_vectors) for name in names)
        notes: tuple[Note, ...] = ()
        if self.name is not None and Path(self.name).exists():
            notes = (Note(f"{self.name}: the published layer; what is here under that name is ./{self.name}"),)
        return Job(tuple(names), makers, notes=notes, remarks=(remark,))

    def content(self) -> Mapping[str, object]:
        """See `eie_sim.sources.job.Source`."""
        if self.name is None:
            raise ValueError("the nine layers together are no workload of a sweep; name one of them")
        layer = networks.published_layer(self.name)
        statistics = layer.statistics(self.options.known_fit)
        return {
            "drawn": self.name,
            "size": [layer.outputs, layer.inputs],
            "statistics": {name: getattr(statistics, name) for name in LayerStatistics.__annotations__},
            "seed": self.options.seed,
        }
