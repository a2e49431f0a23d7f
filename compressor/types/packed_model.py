"""`PackedModel`: the packed layers of a network, in the order in which a machine runs them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from compressor.checks import as_floats, frozen
from compressor.types.model_checks import check_sequence, sequence_of_names
from compressor.types.network import Network
from compressor.types.packed import PackedLayer


@dataclass(frozen=True)
class PackedModel:
    """Named packed layers in order, the activation function after each, and where they come from.

    Parameters
    ----------
    layers : sequence of PackedLayer
        At least one; every name once.
    activations : sequence of str
        One of `ACTIVATION_FUNCTIONS` for each layer, applied to its output.
    provenance : mapping of str to str
        Free text on the origin: source file, tool, settings.
    network : Network or None
        The graph that the layers are from, where one is known.
    others : mapping of str to array_like of float32
        Parameters of the network that no layer holds.
    chained : bool
        Whether each layer takes the activated output of the one before. False: the layers are a set of matrices.

    Raises
    ------
    ValueError
        When a name is there twice, an activation function is unknown, or the numbers of the two differ.
    """

    layers: tuple[PackedLayer, ...]
    activations: tuple[str, ...]
    provenance: Mapping[str, str] = field(default_factory=dict)
    network: Network | None = None
    others: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    chained: bool = True

    def __post_init__(self) -> None:
        layers: object = self.layers
        if not isinstance(layers, (list, tuple)) or not all(isinstance(layer, PackedLayer) for layer in layers):
            raise ValueError("layers: must be a sequence of PackedLayer")
        object.__setattr__(self, "layers", tuple(self.layers))
        object.__setattr__(self, "activations", sequence_of_names(self.activations))
        object.__setattr__(self, "provenance", MappingProxyType(dict(self.provenance)))
        others = {name: frozen(as_floats(f"others {name!r}", array)) for name, array in self.others.items()}
        object.__setattr__(self, "others", MappingProxyType(others))
        check_sequence("layers", [layer.name for layer in self.layers], self.activations, self.provenance)

    def __getitem__(self, name: str) -> PackedLayer:
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise KeyError(f"no layer {name!r}; there are {', '.join(layer.name for layer in self.layers)}")

    def __reduce__(self) -> tuple[type["PackedModel"], tuple[object, ...]]:
        parts = (self.layers, self.activations, dict(self.provenance), self.network, dict(self.others), self.chained)
        return PackedModel, parts

    def chain(self, *names: str) -> "PackedModel":
        """The model of these layers, each of which takes the activated output of the one before, because you say so.

        Raises
        ------
        ValueError
            If a name is unknown or there twice, or a layer has other than as many inputs as the one before has outputs.
        """
        unknown = [name for name in names if name not in [layer.name for layer in self.layers]]
        if unknown:
            raise ValueError(
                f"chain: {unknown[0]!r}, but the layers are {', '.join(layer.name for layer in self.layers)}"
            )
        functions = {layer.name: function for layer, function in zip(self.layers, self.activations, strict=True)}
        layers = tuple(self[name] for name in names)
        for before, after in pairwise(layers):
            if before.n_rows != after.n_cols:
                given = f"{before.name!r} before it {before.n_rows} outputs"
                raise ValueError(f"chain: {after.name!r} has {after.n_cols} inputs, {given}")
        return replace(self, layers=layers, activations=tuple(functions[name] for name in names), chained=True)

    def repack(self, n_pe: int | None = None, index_bits: int | None = None) -> "PackedModel":
        """Every layer repacked, as `PackedLayer.repack`."""
        layers = tuple(layer.repack(n_pe, index_bits) for layer in self.layers)
        return replace(self, layers=layers)
