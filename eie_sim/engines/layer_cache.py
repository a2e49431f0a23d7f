"""What engines derive from a layer and keep for its next run.

A `PackedLayer` holds no engine's data: it is frozen, compares by contents and has no hash. So what is kept is keyed by
identity, and goes when the layer goes.
"""

from collections.abc import Callable
from typing import Generic, TypeVar
from weakref import ref

from compressor.types.packed import PackedLayer

Value = TypeVar("Value")


class LayerCache(Generic[Value]):
    """One value for each living layer.

    Safe with threads: each step is one operation on a dictionary. A dying layer's entry is removed before its memory
    is freed, so a later object with the same ``id`` never finds it.
    """

    def __init__(self) -> None:
        self._kept: dict[int, tuple[ref[PackedLayer], Value]] = {}

    def get(self, layer: PackedLayer) -> Value | None:
        """What is kept for `layer`, or None."""
        kept = self._kept.get(id(layer))
        return None if kept is None else kept[1]

    def keep(self, layer: PackedLayer, value: Value) -> None:
        """Keep `value` while `layer` lives, in place of what was kept before."""
        self._kept[id(layer)] = (ref(layer, self._forgetter(id(layer))), value)

    def __len__(self) -> int:
        return len(self._kept)

    def _forgetter(self, key: int) -> Callable[[object], object]:
        kept = self._kept
        return lambda _: kept.pop(key, None)
