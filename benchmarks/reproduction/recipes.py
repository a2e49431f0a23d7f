"""How the two LeNets are trained, pruned, shared and tuned.

Everything here was chosen on 10,000 of the training images, held out (``--held-out``); no test image took part. The
rate stays high while weights are pruned in rounds, and is cut twice when the last of them are gone, so that the whole
is one training with weights taken away on its way. The control is the same without the taking away: the same first
weights, epochs, rates and orders of examples.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from compressor.training import Phase, Prune, Share, TrainSettings
from compressor.training.dsd import dense_control

LATER = 1_000_000
"""Added to the seed after the dense phase, so that the phases that follow draw other orders of examples."""


@dataclass(frozen=True)
class Recipe:
    """The schedule of one network.

    Attributes
    ----------
    rate, batch_size
        As in `compressor.training.TrainSettings`, of every phase but the last.
    dense_epochs, dense_l2, dense_cuts
        Of the dense phase.
    rounds : tuple of (densities, epochs)
        Share of the weights kept in each layer.
    l2
        While weights are pruned.
    cuts : tuple of (epoch, factor)
        Of the rate, in the last round.
    weight_bits : mapping of str to int
    tune_epochs, tune_rate
        Of the centroids, the rate cut to a tenth halfway; without decay.
    """

    rate: float
    batch_size: int
    dense_epochs: int
    dense_l2: float
    dense_cuts: tuple[tuple[int, float], ...]
    rounds: tuple[tuple[Mapping[str, float], int], ...]
    l2: float
    cuts: tuple[tuple[int, float], ...]
    weight_bits: Mapping[str, int]
    tune_epochs: int
    tune_rate: float

    @property
    def epochs(self) -> int:
        """Of the compressed run in all, and of the control."""
        return self.dense_epochs + sum(epochs for _, epochs in self.rounds) + self.tune_epochs

    def dense(self, seed: int) -> list[Phase]:
        """What both runs begin with."""
        settings = replace(self._settings(self.dense_epochs, seed, self.dense_cuts), l2=self.dense_l2)
        return [Phase("dense", settings)]

    def compression(self, seed: int) -> list[Phase]:
        """From the dense network to the compressed one."""
        later, last = seed + LATER, len(self.rounds)
        phases = [
            Phase(
                f"prune {at} of {last}",
                self._settings(epochs, later, self.cuts if at == last else ()),
                Prune(densities),
            )
            for at, (densities, epochs) in enumerate(self.rounds, start=1)
        ]
        halfway = ((max(1, self.tune_epochs // 2), 0.1),)
        tune = replace(self._settings(self.tune_epochs, later, halfway), rate=self.tune_rate, l2=0.0)
        return [*phases, Phase("share and tune", tune, Share(self.weight_bits))]

    def control(self, seed: int) -> list[Phase]:
        """From the dense network to one trained as long as the compressed one."""
        return dense_control(self.compression(seed))

    def quick(self) -> "Recipe":
        """An epoch for each phase."""
        rounds = tuple((densities, 1) for densities, _ in self.rounds)
        return replace(self, dense_epochs=1, dense_cuts=(), rounds=rounds, cuts=(), tune_epochs=1)

    def _settings(self, epochs: int, seed: int, cuts: tuple[tuple[int, float], ...] = ()) -> TrainSettings:
        return TrainSettings(epochs, self.rate, l2=self.l2, batch_size=self.batch_size, cuts=cuts, seed=seed)


RECIPES = {
    "lenet-300-100": Recipe(
        rate=0.1,
        batch_size=128,
        dense_epochs=20,
        dense_l2=5e-4,
        dense_cuts=((12, 0.1), (17, 0.1)),
        rounds=(
            ({"ip1": 0.40, "ip2": 0.40, "ip3": 0.80}, 2),
            ({"ip1": 0.22, "ip2": 0.25, "ip3": 0.65}, 3),
            ({"ip1": 0.15, "ip2": 0.18, "ip3": 0.50}, 4),
            ({"ip1": 0.10, "ip2": 0.13, "ip3": 0.40}, 6),
            ({"ip1": 0.077, "ip2": 0.11, "ip3": 0.40}, 22),
        ),
        l2=1e-4,
        cuts=((16, 0.2), (20, 0.2)),
        weight_bits={"ip1": 5, "ip2": 5, "ip3": 5},
        tune_epochs=5,
        tune_rate=0.0003,
    ),
    "lenet-5": Recipe(
        rate=0.03,
        batch_size=64,
        dense_epochs=8,
        dense_l2=5e-4,
        dense_cuts=((5, 0.2), (7, 0.2)),
        rounds=(
            ({"conv1": 1.0, "conv2": 0.70, "ip1": 0.40, "ip2": 0.80}, 1),
            ({"conv1": 1.0, "conv2": 0.50, "ip1": 0.20, "ip2": 0.60}, 1),
            ({"conv1": 1.0, "conv2": 0.40, "ip1": 0.11, "ip2": 0.50}, 2),
            ({"conv1": 1.0, "conv2": 0.30, "ip1": 0.065, "ip2": 0.40}, 10),
        ),
        l2=2e-4,
        cuts=((6, 0.2), (8, 0.2)),
        weight_bits={"conv1": 5, "conv2": 5, "ip1": 4, "ip2": 4},
        tune_epochs=2,
        tune_rate=0.00005,
    ),
}
"""By the names of `compressor.networks.NETWORKS`."""
