"""Schedules of pruning: one shot, iterative, convolutions and the rest in turn (NIPS 2015, sections 3.1 to 3.4).

A schedule is a list of `Phase` for `run_phases`; lists are joined with ``+``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from torch import nn

from compressor.checks import whole_number
from compressor.training.layers import find_layers
from compressor.training.phases import Phase
from compressor.training.prune import Prune
from compressor.training.trainer import TrainSettings

RETRAIN_CUT = 10
"""Retraining of the LeNets runs at the first rate divided by this (NIPS 2015, section 4.1; AlexNet: by 100)."""


def retraining(dense: TrainSettings, epochs: int, cut: float = RETRAIN_CUT) -> TrainSettings:
    """The settings of `dense` for retraining: so many epochs, the rate divided by `cut`, no cuts on the way."""
    return replace(dense, epochs=epochs, rate=dense.rate / cut, cuts=())


def dense(settings: TrainSettings) -> list[Phase]:
    """Train without pruning."""
    return [Phase("dense", settings)]


def prune_retrain(rounds: Sequence[Prune] | Prune, retrain: TrainSettings, dropout_rule: bool = True) -> list[Phase]:
    """Prune and retrain: one round is one-shot pruning, several are iterative.

    Parameters
    ----------
    rounds : Prune, or sequence of Prune
        Each prunes what the one before has left.
    retrain : TrainSettings
        After every round. Survivors keep their values.
    dropout_rule : bool
        Lower the dropout rates with the density.
    """
    steps = [rounds] if isinstance(rounds, Prune) else list(rounds)
    names = ["prune"] if len(steps) == 1 else [f"prune {at} of {len(steps)}" for at in range(1, len(steps) + 1)]
    return [Phase(name, retrain, step, dropout_rule) for name, step in zip(names, steps, strict=True)]


def iterative_rounds(densities: Mapping[str, float], n_rounds: int) -> list[Prune]:
    """Rounds down to `densities` that each keep the same share of a layer's weights: ``density ** (round / n_rounds)``.

    Parameters
    ----------
    densities : mapping of layer name to float
        Fraction of the weights to keep in the end, above 0.
    n_rounds : int

    Examples
    --------
    >>> [round(step.density["fc"], 3) for step in iterative_rounds({"fc": 0.08}, 3)]
    [0.431, 0.186, 0.08]
    """
    n_rounds = whole_number("n_rounds", n_rounds, 1)
    return [Prune({name: d ** (at / n_rounds) for name, d in densities.items()}) for at in range(1, n_rounds + 1)]


def alternating(model: nn.Module, rounds: Sequence[Prune], retrain: TrainSettings) -> list[Phase]:
    """Each round in two: all but the convolutions are pruned and retrained while these are fixed, then the other way.

    NIPS 2015, section 3.3: gradients would vanish in a deep network when both were retrained at once.

    Parameters
    ----------
    model : torch.nn.Module
        Its layers are read, to find the convolutions; it is not changed.
    rounds : sequence of Prune
        Densities, thresholds or qualities by layer, or for all.
    retrain : TrainSettings
        For each half of a round.

    Raises
    ------
    ValueError
        When the model has no convolution, or nothing else.
    """
    layers = find_layers(model)
    convolutions = [name for name, layer in layers.items() if layer.kind == "conv"]
    others = [name for name in layers if name not in convolutions]
    if not convolutions or not others:
        raise ValueError(
            f"model: its layers {', '.join(layers)} are of one sort, so that there is nothing to alternate"
        )
    phases = []
    for at, step in enumerate(rounds, start=1):
        for sort, pruned, fixed in (("fc", others, convolutions), ("conv", convolutions, others)):
            part = only(step, pruned)
            if part is not None:
                settings = replace(retrain, fixed=(*retrain.fixed, *fixed))
                phases.append(Phase(f"prune {sort} {at} of {len(rounds)}", settings, part))
    return phases


def only(step: Prune, names: Sequence[str]) -> Prune | None:
    """`step` for the named layers alone; None when it prunes none of them."""

    def part(values: float | Mapping[str, float] | None) -> Mapping[str, float] | None:
        if not isinstance(values, Mapping):
            return None if values is None else dict.fromkeys(names, values)
        return {name: value for name, value in values.items() if name in names} or None

    ways = {what: part(getattr(step, what)) for what in ("density", "threshold", "quality")}
    return Prune(**ways) if any(ways.values()) else None
