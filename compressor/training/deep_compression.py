"""Deep Compression from end to end: train, prune and retrain, share, tune the centroids, export (ICLR 2016)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from torch import nn

from compressor.training.export import compressed_model_of
from compressor.training.phases import Phase, PhaseRecord, run_phases
from compressor.training.prune import Prune
from compressor.training.schedules import alternating, dense, prune_retrain
from compressor.training.sharing import Share
from compressor.training.trainer import TrainSettings
from compressor.types.coded import CompressedModel


@dataclass(frozen=True)
class DeepCompression:
    """The settings of every stage.

    Parameters
    ----------
    rounds : Prune, or sequence of Prune
        One: one-shot; several: iterative pruning.
    retrain : TrainSettings
        After each round.
    share : Share
    tune : TrainSettings
        Of the centroids and the biases. A centroid's gradient is the sum over its cluster, so that the rate is to be
        much lower than that of `retrain`.
    train : TrainSettings or None
        Of the dense network; None: it is trained already.
    alternate : bool
        Prune and retrain the convolutions and the other layers in turn.
    """

    rounds: Prune | Sequence[Prune]
    retrain: TrainSettings
    share: Share
    tune: TrainSettings
    train: TrainSettings | None = None
    alternate: bool = False

    def phases(self, model: nn.Module) -> list[Phase]:
        """The schedule, for `run_phases`; the layers are read from `model`, which is not changed."""
        rounds = [self.rounds] if isinstance(self.rounds, Prune) else list(self.rounds)
        pruning = alternating(model, rounds, self.retrain) if self.alternate else prune_retrain(rounds, self.retrain)
        before = [] if self.train is None else dense(self.train)
        return [*before, *pruning, Phase("share", self.tune, self.share)]


class Compression(NamedTuple):
    """A compressed network and how it came about.

    Attributes
    ----------
    model : CompressedModel
    records : list of PhaseRecord
        Losses and errors of each phase.
    """

    model: CompressedModel
    records: list[PhaseRecord]


def deep_compress(
    model: nn.Module,
    data: object,
    settings: DeepCompression,
    *,
    activations: Sequence[str] | None = None,
    **options: Any,
) -> Compression:
    """Run every stage on `model`, in place.

    Parameters
    ----------
    model : torch.nn.Module
        Left under its shared weights.
    data : TensorData, pair of tensors, or iterable of (inputs, labels)
    settings : DeepCompression
    activations : sequence of str, or None
        As for `compressed_model_of`.
    **options
        `held_out`, `checkpoint`, `progress`, `loss`, `keep_every`, as for `run_phases`.

    Raises
    ------
    ValueError
        As for `run_phases`.
    """
    records = run_phases(model, data, settings.phases(model), **options)
    return Compression(compressed_model_of(model, activations=activations), records)
