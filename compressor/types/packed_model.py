"""`PackedModel`: the packed layers of a network, in the order in which a machine runs them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from compressor.types.model_checks import check_sequence, sequence_of_names
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

    Raises
    ------
    ValueError
        When a name is there twice, an activation function is unknown, or the numbers of the two differ.
    """

    layers: tuple[PackedLayer, ...]
    activations: tuple[str, ...]
    provenance: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        layers: object = self.layers
        if not isinstance(layers, (list, tuple)) or not all(isinstance(layer, PackedLayer) for layer in layers):
            raise ValueError("layers: must be a sequence of PackedLayer")
        object.__setattr__(self, "layers", tuple(self.layers))
        object.__setattr__(self, "activations", sequence_of_names(self.activations))
        object.__setattr__(self, "provenance", MappingProxyType(dict(self.provenance)))
        check_sequence("layers", [layer.name for layer in self.layers], self.activations, self.provenance)

    def __getitem__(self, name: str) -> PackedLayer:
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise KeyError(f"no layer {name!r}; there are {', '.join(layer.name for layer in self.layers)}")

    def __reduce__(self) -> tuple[type["PackedModel"], tuple[object, ...]]:
        return PackedModel, (self.layers, self.activations, dict(self.provenance))

    def repack(self, n_pe: int | None = None, index_bits: int | None = None) -> "PackedModel":
        """Every layer repacked, as `PackedLayer.repack`."""
        layers = tuple(layer.repack(n_pe, index_bits) for layer in self.layers)
        return PackedModel(layers, self.activations, self.provenance)
