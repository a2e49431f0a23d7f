"""How the two LeNets are trained, pruned, shared and tuned, and what they are compared with.

Everything here was chosen on 10,000 of the training images, held out (``--held-out``); no test image took part. A
network is trained to the end. Then the rate goes up again, higher than before, and stays there while weights are taken
away in rounds and for most of the last one: what is kept finds a new place, which a low rate does not let it. The
control is the dense network, trained for as many epochs as all of this takes, its cuts of the rate as late in
proportion.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from compressor.training import Phase, Prune, Share, TrainSettings

LATER = 1_000_000
"""Added to the seed after the dense phase: what follows draws its own orders of examples."""


@dataclass(frozen=True)
class Recipe:
    """The schedule of one network.

    Attributes
    ----------
    batch_size : int
    dense_epochs, dense_rate, dense_l2, dense_cuts
        As in `compressor.training.TrainSettings`: how the network is trained that is to be pruned.
    rounds : tuple of (densities, epochs)
        Share of the weights kept in each layer.
    rate, l2, dropout
        While weights are pruned; what is dropped are outputs of hidden matrices, by the rule of pruning while centroids
        are tuned. The dense phase and the control drop none.
    cuts : tuple of (epoch, factor)
        Of this rate, in the last round.
    weight_bits : mapping of str to int
    tune_epochs, tune_rate
        Of the centroids, the rate cut to a tenth halfway; without decay.
    """

    batch_size: int
    dense_epochs: int
    dense_rate: float
    dense_l2: float
    dense_cuts: tuple[tuple[int, float], ...]
    rounds: tuple[tuple[Mapping[str, float], int], ...]
    rate: float
    l2: float
    dropout: float
    cuts: tuple[tuple[int, float], ...]
    weight_bits: Mapping[str, int]
    tune_epochs: int
    tune_rate: float

    @property
    def epochs(self) -> int:
        """Of the compressed run in all, and of the control."""
        return self.dense_epochs + sum(epochs for _, epochs in self.rounds) + self.tune_epochs

    def dense(self, seed: int) -> list[Phase]:
        """To the dense network that is to be pruned."""
        return [self._dense("dense", self.dense_epochs, seed)]

    def compression(self, seed: int) -> list[Phase]:
        """From the dense network to the compressed one."""
        later, last = seed + LATER, len(self.rounds)
        phases = [
            Phase(
                f"prune {at} of {last}",
                self._settings(epochs, later, self.cuts if at == last else ()),
                Prune(densities),
                dropout_rule=False,
            )
            for at, (densities, epochs) in enumerate(self.rounds, start=1)
        ]
        halfway = ((max(1, self.tune_epochs // 2), 0.1),)
        tune = replace(self._settings(self.tune_epochs, later, halfway), rate=self.tune_rate, l2=0.0)
        return [*phases, Phase("share and tune", tune, Share(self.weight_bits))]

    def control(self, seed: int) -> list[Phase]:
        """To the dense network that the compressed one is compared with."""
        return [self._dense("dense control", self.epochs, seed)]

    def quick(self) -> "Recipe":
        """An epoch for each phase."""
        rounds = tuple((densities, 1) for densities, _ in self.rounds)
        return replace(self, dense_epochs=1, dense_cuts=(), rounds=rounds, cuts=(), tune_epochs=1)

    def _dense(self, name: str, epochs: int, seed: int) -> Phase:
        cuts = tuple((round(first * epochs / self.dense_epochs), factor) for first, factor in self.dense_cuts)
        settings = self._settings(epochs, seed, cuts)
        return Phase(name, replace(settings, rate=self.dense_rate, l2=self.dense_l2))

    def _settings(self, epochs: int, seed: int, cuts: tuple[tuple[int, float], ...] = ()) -> TrainSettings:
        return TrainSettings(epochs, self.rate, l2=self.l2, batch_size=self.batch_size, cuts=cuts, seed=seed)


RECIPES = {
    "lenet-300-100": Recipe(
        batch_size=128,
        dense_epochs=60,
        dense_rate=0.1,
        dense_l2=5e-4,
        dense_cuts=((46, 0.1), (55, 0.1)),
        rounds=(
            ({"ip1": 0.22, "ip2": 0.25, "ip3": 0.65}, 3),
            ({"ip1": 0.15, "ip2": 0.18, "ip3": 0.50}, 4),
            ({"ip1": 0.10, "ip2": 0.13, "ip3": 0.45}, 6),
            ({"ip1": 0.076, "ip2": 0.11, "ip3": 0.40}, 22),
        ),
        rate=0.2,
        l2=1e-4,
        dropout=0.15,
        cuts=((16, 0.2), (20, 0.2)),
        weight_bits={"ip1": 5, "ip2": 5, "ip3": 5},
        tune_epochs=5,
        tune_rate=0.0003,
    ),
    "lenet-5": Recipe(
        batch_size=64,
        dense_epochs=6,
        dense_rate=0.01,
        dense_l2=5e-4,
        dense_cuts=((4, 0.2), (5, 0.2)),
        rounds=(
            ({"conv1": 1.0, "conv2": 0.70, "ip1": 0.40, "ip2": 0.80}, 1),
            ({"conv1": 1.0, "conv2": 0.50, "ip1": 0.20, "ip2": 0.60}, 1),
            ({"conv1": 1.0, "conv2": 0.40, "ip1": 0.11, "ip2": 0.50}, 2),
            ({"conv1": 1.0, "conv2": 0.32, "ip1": 0.067, "ip2": 0.40}, 13),
        ),
        rate=0.03,
        l2=2e-4,
        dropout=0.5,
        cuts=((9, 0.2), (11, 0.2)),
        weight_bits={"conv1": 5, "conv2": 5, "ip1": 4, "ip2": 4},
        tune_epochs=2,
        tune_rate=0.00005,
    ),
}
"""By the names of `compressor.networks.NETWORKS`."""
