"""Dense-sparse-dense training (DSD, ICLR 2017) and the control that any gain must be measured against."""

from collections.abc import Sequence
from dataclasses import replace

from torch import nn

from compressor.checks import real_number
from compressor.training.layers import chosen_layers, find_layers
from compressor.training.masks import Release
from compressor.training.phases import Phase
from compressor.training.prune import Prune
from compressor.training.trainer import TrainSettings

REDENSE_CUT = 10
"""The re-dense step runs at the rate of the sparse step divided by this (DSD, section 3 and its tables)."""


def dsd_phases(
    model: nn.Module,
    dense: TrainSettings,
    sparse: TrainSettings,
    redense: TrainSettings | int,
    sparsity: float | Sequence[float] = 0.3,
    spared: Sequence[str] | None = None,
) -> list[Phase]:
    """Dense, sparse, dense again.

    Parameters
    ----------
    model : torch.nn.Module
        Its layers are read; it is not changed.
    dense, sparse : TrainSettings
        Of the first two steps.
    redense : TrainSettings, or int
        Of the last step; a number of epochs: the settings of `sparse` at a tenth of its rate.
    sparsity : float, or sequence of float
        Fraction of the weights of every layer that the sparse step prunes, 0 .. 1 (25 to 50 % in the paper). A sequence
        repeats the sparse and the re-dense step, as the paper does with DeepSpeech.
    spared : sequence of str, or None
        Layers, by name or kind, that are not pruned; None: the first convolution.

    Returns
    -------
    list of Phase
        The sparse step sets masks; the re-dense step removes them, and pruned weights come back at zero. Dropout rates
        stay as they are, as all other settings in the paper.

    Raises
    ------
    ValueError
        When a sparsity is out of its limits, or a layer is not there.
    """
    sparsities = [sparsity] if isinstance(sparsity, int | float) else list(sparsity)
    if isinstance(redense, int):
        redense = replace(sparse, epochs=redense, rate=sparse.rate / REDENSE_CUT, cuts=())
    layers = find_layers(model)
    if spared is None:
        spared = [name for name, layer in layers.items() if layer.kind == "conv"][:1]
    kept = {layer.name for layer in chosen_layers(model, tuple(spared))}
    pruned = [name for name in layers if name not in kept]
    if not pruned:
        raise ValueError(f"spared: {', '.join(spared)} leaves no layer to prune")
    phases = [Phase("dense", dense, dropout_rule=False)]
    for at, share in enumerate(sparsities, start=1):
        if not 0 <= real_number("sparsity", share) <= 1:
            raise ValueError(f"sparsity: {share}, but it must be 0 to 1")
        turn = "" if len(sparsities) == 1 else f" {at} of {len(sparsities)}"
        prune = Prune(dict.fromkeys(pruned, 1 - share))
        phases.append(Phase(f"sparse{turn}", sparse, prune, dropout_rule=False))
        phases.append(Phase(f"re-dense{turn}", redense, Release(), dropout_rule=False))
    return phases


def dense_control(phases: Sequence[Phase]) -> list[Phase]:
    """The same schedule without its steps: as many epochs, at the same rates, of a network that stays dense."""
    return [replace(phase, name=f"control: {phase.name}", step=None) for phase in phases]
