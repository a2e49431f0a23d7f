"""`Mask`: weights that are pruned stay zero, whatever the optimizer does.

The weight in effect is ``original * mask`` (`torch.nn.utils.parametrize`), so that the gradient of a pruned weight is
zero. What lies below a mask is set to zero with it; then momentum and decay of a pruned weight stay zero too, and the
optimizer moves nothing that nobody sees.

A loop that keeps the zeros itself (`masks_kept`) spares the two products: the weight in effect is then the original.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from compressor.training.layers import Layer, find_layers


class Mask(nn.Module):
    """Parametrization that keeps weights at zero.

    Parameters
    ----------
    mask : Tensor of bool, the shape of the weight
        Which weights are kept.
    """

    mask: Tensor

    def __init__(self, mask: Tensor) -> None:
        super().__init__()
        # As float32: a product of equal types takes a third of the time of one with a bool.
        self.register_buffer("mask", mask.to(torch.float32))
        self.kept = False

    def forward(self, original: Tensor) -> Tensor:
        """The weight in effect."""
        return original if self.kept else _laid_out(original * self.mask, original)

    def right_inverse(self, weight: Tensor) -> Tensor:
        """What to keep below the mask for `weight` to be in effect."""
        return _laid_out(weight * self.mask, weight)


def _laid_out(result: Tensor, weight: Tensor) -> Tensor:
    """`result` with the strides of `weight`.

    Those of a size of 1, as the channels of a first convolution, are lost in a product. They say nothing about where
    the values are, but torch takes them for what the layer is to be computed in: channels_last or not.
    """
    return result if result.stride() == weight.stride() else result.as_strided(weight.shape, weight.stride())


def set_masks(model: nn.Module, masks: Mapping[str, Tensor]) -> None:
    """Prune the named layers to their masks; a mask that a layer has already is replaced.

    Parameters
    ----------
    model : torch.nn.Module
        Changed in place.
    masks : mapping of layer name to Tensor of bool, the shape of its weight

    Raises
    ------
    ValueError
        When a layer is not there or has shared weights, or a mask has another shape.
    """
    layers = find_layers(model)
    for name, mask in masks.items():
        if name not in layers:
            raise ValueError(f"masks: there is no layer {name!r}, only {', '.join(layers)}")
        mask_layer(layers[name], mask)


def mask_layer(layer: Layer, mask: Tensor) -> None:
    """Prune one layer to `mask`, as `set_masks` does."""
    if tuple(mask.shape) != tuple(layer.weight.shape):
        raise ValueError(f"masks: shape {tuple(mask.shape)} for {layer.name!r}, which is {tuple(layer.weight.shape)}")
    present = layer.parametrization
    if present is None:
        like = torch.empty_like(layer.weight).copy_(mask)
        parametrize.register_parametrization(layer.module, layer.parameter, Mask(like))
    elif isinstance(present, Mask):
        with torch.no_grad():
            present.mask.copy_(mask)
            layer.trained.mul_(present.mask)
    else:
        raise ValueError(f"masks: {layer.name!r} is under {type(present).__name__}, but a mask needs plain weights")


def masks_of(model: nn.Module) -> dict[str, Tensor]:
    """The masks by layer; bool, True where a weight is kept. Layers without a mask are left out."""
    masks = {name: layer.parametrization for name, layer in find_layers(model).items()}
    return {name: mask.mask != 0 for name, mask in masks.items() if isinstance(mask, Mask)}


def remove_masks(model: nn.Module) -> None:
    """Make every pruned weight a plain one again, that begins at zero (the re-dense step of DSD)."""
    for layer in find_layers(model).values():
        if isinstance(layer.parametrization, Mask):
            make_plain(layer)


@contextmanager
def masks_kept(model: nn.Module, optimizer: torch.optim.Optimizer) -> Iterator[tuple[list[Tensor], list[Tensor]]]:
    """A block whose steps of `optimizer` keep what is pruned at zero, so that forward passes need not see to it.

    Yields the masked parameters that need a gradient, and their masks: the block multiplies the gradients by the masks
    before each step. What the optimizer remembers of pruned weights from before is forgotten.
    """
    held = [(layer.trained, layer.parametrization) for layer in find_layers(model).values()]
    masked = [(trained, mask) for trained, mask in held if isinstance(mask, Mask)]
    try:
        with torch.no_grad():
            for trained, mask in masked:
                trained.mul_(mask.mask)
                for memory in optimizer.state.get(trained, {}).values():
                    if isinstance(memory, Tensor) and memory.shape == trained.shape:
                        memory.mul_(mask.mask)
                mask.kept = True
        moved = [(trained, mask.mask) for trained, mask in masked if trained.requires_grad]
        yield [trained for trained, _ in moved], [mask for _, mask in moved]
    finally:
        for _, mask in masked:
            mask.kept = False


def make_plain(layer: Layer) -> None:
    """Leave the weight in effect as a plain parameter."""
    if layer.parametrization is not None:
        needs_gradient = layer.trained.requires_grad
        parametrize.remove_parametrizations(layer.module, layer.parameter, leave_parametrized=True)
        cast(Tensor, getattr(layer.module, layer.parameter)).requires_grad_(needs_gradient)


def densities(model: nn.Module) -> dict[str, float]:
    """Fraction of the weights in effect that are not zero, by layer."""
    with torch.no_grad():
        return {
            name: int(torch.count_nonzero(layer.weight)) / layer.weight.numel()
            for name, layer in find_layers(model).items()
        }


@dataclass(frozen=True)
class Release:
    """The step that removes every mask: pruned weights come back at zero (DSD, section 3)."""

    def apply(self, model: nn.Module) -> None:
        """Change `model` in place."""
        remove_masks(model)
