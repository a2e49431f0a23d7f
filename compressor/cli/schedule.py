"""The phases of ``eie-compress train``: dense or dense-sparse-dense, pruned in rounds, shared and tuned."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from compressor.cli.per_layer import density, initialisation, of_layers, pairs_of, weight_width
from compressor.networks import paper_names
from compressor.published import NETWORKS
from compressor.training import (
    DeepCompression,
    Phase,
    Share,
    TrainSettings,
    dense,
    dsd_phases,
    find_layers,
    iterative_rounds,
)

PUBLISHED = "published"
"""What ``--density`` takes for the densities of the Deep Compression tables."""

_CUTS = ((0.6, 0.2), (0.8, 0.2))
"""From this part of a phase on, its rate is multiplied by the factor."""

_SPARSE_CUT = 10
"""The sparse step of DSD runs at the rate of the dense one divided by this (DSD, Tables 1 to 5)."""


@dataclass(frozen=True)
class TrainingPlan:
    """What was asked for; the options of ``eie-compress train`` of these names."""

    epochs: int
    rate: float
    l2: float
    batch_size: int
    seed: int
    dsd: float | None
    dsd_epochs: int | None
    density: str | None
    rounds: int
    retrain_epochs: int
    retrain_rate: float
    weight_bits: str | None
    init: str | None
    tune_epochs: int
    tune_rate: float

    def phases(self, name: str, model: Any) -> list[Phase]:
        """The schedule of `model`, the torch module called `name`; without a density it ends with the dense network.

        Raises
        ------
        ValueError
            When a setting is out of its limits, or names no layer.
        """
        settings = self._settings(self.epochs, self.rate)
        begin = dense(settings)
        if self.dsd is not None:
            epochs = max(1, self.epochs // 2) if self.dsd_epochs is None else self.dsd_epochs
            sparse = replace(settings, epochs=epochs, rate=self.rate / _SPARSE_CUT, cuts=())
            begin = dsd_phases(model, settings, sparse, epochs, self.dsd)
        if self.density is None:
            return begin
        kinds = kinds_of(model)
        inits = set(_of_all("--init", self.init or Share.init, initialisation, kinds).values())
        if len(inits) > 1:
            raise ValueError("--init: must be the same for all layers here")
        compression = DeepCompression(
            rounds=iterative_rounds(self._densities(name, kinds), self.rounds),
            retrain=self._settings(self.retrain_epochs, self.retrain_rate),
            share=Share(
                _of_all("--weight-bits", self.weight_bits or str(Share.weight_bits), weight_width, kinds),
                inits.pop(),
                self.seed,
            ),
            tune=replace(self._settings(self.tune_epochs, self.tune_rate), l2=0.0),
        )
        return begin + compression.phases(model)

    def _settings(self, epochs: int, rate: float) -> TrainSettings:
        cuts = [(int(epochs * part), factor) for part, factor in _CUTS if int(epochs * part)]
        return TrainSettings(epochs, rate, l2=self.l2, batch_size=self.batch_size, cuts=cuts, seed=self.seed)

    def _densities(self, name: str, kinds: Mapping[str, str]) -> dict[str, float]:
        if self.density != PUBLISHED:
            return _of_all("--density", self.density or "", density, kinds)
        if name not in NETWORKS:
            raise ValueError(f"--density: there are no published ones of {name}, only of {', '.join(NETWORKS)}")
        layers = NETWORKS[name].layers
        return {own: layers[paper].kept_pct / 100 for own, paper in paper_names(name).items()}


def kinds_of(model: Any) -> dict[str, str]:
    """Kind of each layer of a torch module by its name."""
    return {name: layer.kind for name, layer in find_layers(model).items()}


def _of_all(option: str, text: str, read: Any, kinds: Mapping[str, str]) -> dict[str, Any]:
    """A value of every layer, from an option."""
    values = of_layers(option, pairs_of(option, text, read), kinds)
    if missing := [name for name in kinds if name not in values]:
        raise ValueError(f"{option}: there is none for layer {missing[0]!r}")
    return {name: values[name] for name in kinds}
