"""What a layer needs of the SRAMs of a PE, and what there is."""

import sys
import warnings
from dataclasses import dataclass, replace
from operator import le

import numpy as np
from numpy.typing import NDArray

from compressor.types.packed import PackedLayer
from compressor.types.packed_model import PackedModel
from eie_sim.arch import ArchConfig


class CapacityWarning(UserWarning):
    """A layer does not fit the machine's SRAMs; the simulation goes on as if it did."""


class CapacityError(ValueError):
    """A layer does not fit the machine's SRAMs, and ``strict_capacity`` is set."""


@dataclass(frozen=True)
class Need:
    """One memory of a PE: what the fullest PE needs and what the machine has.

    Attributes
    ----------
    memory : str
        Name of the memory, as in `ArchConfig`.
    unit : str
        What `used` and `available` count.
    used, available : int
    """

    memory: str
    unit: str
    used: int
    available: int

    @property
    def fits(self) -> bool:
        """Whether there is enough."""
        return self.used <= self.available

    def __str__(self) -> str:
        return f"{self.memory}: {self.used:,} {self.unit} a PE, where there are {self.available:,}"


def stored_pointers(layer: PackedLayer, arch: ArchConfig) -> NDArray[np.uint32]:
    """The pointers that are in the SRAMs of `arch`: without a bias column where the bias is preloaded."""
    return layer.pointers[: layer.n_cols + 1] if arch.preloads_bias else layer.pointers


def _largest_needs(layer: PackedLayer, arch: ArchConfig) -> tuple[int, int, int, int]:
    needs = layer.largest_needs
    if not arch.preloads_bias:
        return needs
    pointers = stored_pointers(layer, arch)
    return int(pointers[-1].max()), len(pointers), needs[2], needs[3]


def capacity_report(layer: PackedLayer, arch: ArchConfig) -> tuple[Need, ...]:
    """What `layer` needs of each memory of the fullest PE of `arch`.

    Returns
    -------
    tuple of Need
        Sparse-matrix SRAM, in whole rows; pointers; input activations; accumulators. Inputs and outputs may each fill
        a register file and the activation SRAM (EIE section IV streams longer vectors through the register files in
        batches and says nothing on how they share the SRAM, so each is held against all of it).
    """
    entries, pointers, inputs, outputs = _largest_needs(layer, arch)
    # Whole rows: what does not fill the last one is lost to any other layer.
    spmat_rows = -(-entries // arch.entries_per_spmat_row)
    _, most_pointers, most_inputs, most_outputs = arch.sram_limits
    return (
        Need("spmat_bytes", "bytes", -(-spmat_rows * arch.spmat_width_bits // 8), arch.spmat_bytes),
        Need("ptr_bytes", "pointers", pointers, most_pointers),
        Need("activations", "inputs", inputs, most_inputs),
        Need("accumulators", "outputs", outputs, most_outputs),
    )


def model_capacity_report(model: PackedModel, arch: ArchConfig) -> tuple[Need, ...]:
    """What all layers of `model` together need of each memory of `arch`, as `capacity_report`.

    Entries and pointers of all layers lie in the SRAMs at once (EIE section V), so they add up over the layers, the
    fullest PE of each; activations are those of the largest layer.
    """
    entries, pointers, inputs, outputs = zip(*(capacity_report(layer, arch) for layer in model.layers), strict=True)
    return (
        replace(entries[0], used=sum(need.used for need in entries)),
        replace(pointers[0], used=sum(need.used for need in pointers)),
        replace(inputs[0], used=max(need.used for need in inputs)),
        replace(outputs[0], used=max(need.used for need in outputs)),
    )


def check_capacity(layer: PackedLayer, arch: ArchConfig) -> bool:
    """Whether `layer` fits `arch`; warn when it does not, raise where ``arch.strict_capacity`` is set.

    Raises
    ------
    CapacityError
        Under ``strict_capacity``, naming every memory that is too small.
    """
    fits = all(map(le, _largest_needs(layer, arch), arch.sram_limits))
    if not fits:
        _complain(f"layer {layer.name!r} does not fit the SRAM", capacity_report(layer, arch), arch)
    return fits


def check_model_capacity(model: PackedModel, arch: ArchConfig) -> None:
    """As `check_capacity`, for layers that fit alone but not together.

    Raises
    ------
    CapacityError
        Under ``strict_capacity``, naming every memory that is too small.
    """
    alone = all(need.fits for layer in model.layers for need in capacity_report(layer, arch))
    needs = model_capacity_report(model, arch)
    if alone and not all(need.fits for need in needs):
        _complain("layer by layer it does, but the model does not fit the SRAM", needs, arch)


def _complain(what: str, needs: tuple[Need, ...], arch: ArchConfig) -> None:
    message = f"{what}: " + "; ".join(str(need) for need in needs if not need.fits)
    if arch.strict_capacity:
        raise CapacityError(message)
    # The warning names the line of the first caller outside of this package, however deep inside it was found.
    level = 1
    while sys._getframe(level - 1).f_globals.get("__name__", "").partition(".")[0] == __package__:
        level += 1
    warnings.warn(message, CapacityWarning, stacklevel=level)
