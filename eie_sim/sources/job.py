"""`Job`: what will run; and what a kind of source must be able to do."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from compressor.types.packed import PackedLayer
from compressor.types.packed_model import PackedModel
from eie_sim.arch import ArchConfig
from eie_sim.origin import Origin
from eie_sim.sources.options import Cure
from eie_sim.workload import Workload


class Note(NamedTuple):
    """What a user should know, and the option that changes it."""

    text: str
    cure: Cure | None = None


@dataclass(frozen=True, eq=False, repr=False)
class Job:
    """What runs: layers, each with inputs of its own, or a chain of them.

    Iterating makes one `Workload` after another and keeps none, so that nine large layers need the memory of one; a
    chain is one workload, its first layer with the inputs of all. `layers`, `acts` and `origins` make all and keep
    them.

    Attributes
    ----------
    names : tuple of str
        Of the layers.
    makers : tuple of functions
        Each makes one workload.
    chain : PackedModel or None
        The layers, where each one's activated output is the next one's input.
    chain_origins : tuple of Origin
        Of the layers of a chain; of the inputs, the first one's says where they come from.
    notes : tuple of Note
        What a user should know before anything runs, such as that a layer was packed anew. Of layers that are made
        later, `notes_of` gives the rest.
    remarks : tuple of str
        What a reader of the results should know.
    """

    names: tuple[str, ...]
    makers: tuple[Callable[[], Workload], ...]
    chain: PackedModel | None = None
    chain_origins: tuple[Origin, ...] = ()
    notes: tuple[Note, ...] = ()
    remarks: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[Workload]:
        return (make() for make in self.makers)

    def __repr__(self) -> str:
        kind = "a chain" if self.chain is not None else f"{len(self.names)} layer{'s' * (len(self.names) > 1)}"
        return f"Job({kind}: {', '.join(self.names)})"

    @cached_property
    def _workloads(self) -> tuple[Workload, ...]:
        return tuple(self)

    @property
    def layers(self) -> tuple[PackedLayer, ...]:
        """The layers, packed for the machine."""
        return tuple(one.layer for one in self._workloads) if self.chain is None else self.chain.layers

    @property
    def acts(self) -> tuple[NDArray[np.float32], ...]:
        """The inputs of each layer, float32 (n_cols,) or (B, n_cols); of a chain, those of its first layer alone."""
        return tuple(one.acts for one in self._workloads)

    @property
    def origins(self) -> tuple[Origin, ...]:
        """Where each layer and its inputs come from."""
        return self.chain_origins or tuple(one.origin for one in self._workloads)


def notes_of(layer: PackedLayer, origin: Origin) -> list[Note]:
    """What a user should know of a layer of a file: that its inputs were drawn, that it was packed anew."""
    notes = []
    if origin.inputs and origin.kind == "eie-simulator":
        notes.append(Note(f"layer {layer.name!r}: {origin.inputs_text}, in place of those in the folder"))
    elif origin.inputs == "drawn":
        notes.append(Note(f"layer {layer.name!r}: {origin.inputs_text}", Cure("acts", "gives real ones")))
    if origin.repacked_from is not None:
        had, has = packing_text(*origin.repacked_from), packing_text(layer.n_pe, layer.index_bits)
        notes.append(Note(f"layer {layer.name!r} was packed for {had}: repacked for {has}"))
    return notes


def packing_text(n_pe: int, index_bits: int) -> str:
    """A packing in words."""
    return f"{n_pe} PE{'s' if n_pe > 1 else ''} and {index_bits}-bit runs"


class Source(Protocol):
    """One kind of what a user can name."""

    takes: ClassVar[frozenset[str]]
    """Options that mean something for it; the seed always does."""

    follows_weight_bits: ClassVar[bool]
    """Whether its weights are drawn or shared anew for the bits of the machine."""

    @property
    def where(self) -> str:
        """How a message names it, as in ``"means nothing with an .eie file"``."""
        ...

    def job(self, arch: ArchConfig | None) -> Job:
        """What runs on `arch`; for None, layers packed as they are stored, or for the default machine.

        Raises
        ------
        ValueError
            If options do not go together, or a file is malformed.
        OSError
            If a file cannot be read.
        """
        ...

    def content(self) -> Mapping[str, object]:
        """All that decides what runs, for a digest: contents, not names of files."""
        ...


MAX_POINTERS = 2**28
"""Most pointers of a layer that is drawn or repacked: 1 GiB of them, 64,000 PEs for a layer of 4,096 inputs."""

_COUNTERS = 64  # what a PE takes beside its pointers, in pointers


def check_n_pe(name: str, n_cols: int, n_pe: int) -> None:
    """Refuse so many PEs that the pointers of a layer alone would fill the memory.

    Raises
    ------
    ValueError
        If there are more than `MAX_POINTERS` pointers.
    """
    most = MAX_POINTERS // (n_cols + _COUNTERS)
    if n_pe > most:
        raise ValueError(f"n_pe: {n_pe}, but layer {name!r} with n_cols {n_cols} can have at most {most}")
