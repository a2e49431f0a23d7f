"""`Prune`: the step that sets masks by magnitude, layer by layer (NIPS 2015, section 3)."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from compressor.prune import find_cut, prune_mask
from compressor.training.layers import find_layers
from compressor.training.masks import set_masks

PerLayer = float | Mapping[str, float] | None
"""One value for every layer, or values for those that are named."""


@dataclass(frozen=True)
class Prune:
    """Keep the large weights of each layer; give one way for a layer.

    Parameters
    ----------
    density : float, mapping of layer name to float, or None
        Fraction of the layer's weights to keep, 0 .. 1, counted over all of them: a second round at a lower density
        prunes further. One value is for all layers, a mapping for those it names; the others stay as they are.
    threshold : float, mapping of layer name to float, or None
        Prune what is smaller in magnitude.
    quality : float, mapping of layer name to float, or None
        Prune what is smaller than `quality` times the standard deviation of the layer's weights, those pruned before
        among them.

    Raises
    ------
    ValueError
        When nothing is given; on `apply`, when a layer is not there, is given two ways, or a value is out of its
        limits.
    """

    density: PerLayer = None
    threshold: PerLayer = None
    quality: PerLayer = None

    def __post_init__(self) -> None:
        if self.density is None and self.threshold is None and self.quality is None:
            raise ValueError("prune: a density, a threshold or a quality must be given")

    def apply(self, model: nn.Module) -> None:
        """Set the masks of `model`, in place."""
        set_masks(model, self.masks(model))

    def masks(self, model: nn.Module) -> dict[str, Tensor]:
        """The masks this step would set; bool."""
        layers = find_layers(model)
        ways = {"density": self.density, "threshold": self.threshold, "quality": self.quality}
        for what, values in ways.items():
            unknown = [name for name in values if name not in layers] if isinstance(values, Mapping) else []
            if unknown:
                raise ValueError(f"{what}: there is no layer {unknown[0]!r}, only {', '.join(layers)}")
        masks = {}
        for name, layer in layers.items():
            own = {way: values.get(name) if isinstance(values, Mapping) else values for way, values in ways.items()}
            given = {way: value for way, value in own.items() if value is not None}
            if len(given) > 1:
                raise ValueError(f"prune: {name!r} is given {' and '.join(given)}, but one of them decides")
            if given:
                weights = layer.weight.detach().numpy()
                masks[name] = torch.from_numpy(prune_mask(weights, find_cut(weights, name=name, **given)))
        return masks
