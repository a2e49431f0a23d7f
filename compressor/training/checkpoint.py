"""Checkpoints: the whole state of a run in one file, written atomically and read without running code from it.

A file holds tensors, numbers and texts only, and is read with ``weights_only=True``.
"""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from compressor.files import FormatError, replacing
from compressor.training.layers import Layer, find_layers
from compressor.training.masks import Mask, make_plain, mask_layer
from compressor.training.sharing import SharedWeights, share_layer

VERSION = 1
"""Of the file; another one is refused."""

_FORMS = {Mask: "masked", SharedWeights: "shared"}


def model_state(model: nn.Module) -> dict[str, Any]:
    """The form of each layer (plain, masked, shared) and every tensor, copied: later training leaves them alone."""
    forms = {name: _FORMS.get(type(layer.parametrization), "plain") for name, layer in find_layers(model).items()}
    return {"forms": forms, "tensors": {name: t.detach().clone() for name, t in model.state_dict().items()}}


def load_model_state(model: nn.Module, state: Mapping[str, Any]) -> None:
    """Give `model`, of the same architecture, the forms and tensors that `model_state` returned.

    Raises
    ------
    ValueError
        When the state is of another architecture.
    """
    layers, forms = find_layers(model), state["forms"]
    if list(layers) != list(forms):
        raise ValueError(f"checkpoint: its layers are {', '.join(forms)}, but the model's are {', '.join(layers)}")
    try:
        for name, layer in layers.items():
            _take_form(layer, forms[name], state["tensors"])
        model.load_state_dict(state["tensors"])
    except (RuntimeError, KeyError) as error:
        raise ValueError(f"checkpoint: it is not of this model: {str(error).splitlines()[-1].strip()}") from None


def _take_form(layer: Layer, form: str, tensors: Mapping[str, Tensor]) -> None:
    """Put `layer` under the parametrization that the tensors are for; the values of a mask follow later."""
    make_plain(layer)
    held = layer.key(f"parametrizations.{layer.parameter}")
    if form == "masked":
        mask_layer(layer, torch.ones_like(layer.weight))
    elif form == "shared":
        codebook, codes = tensors[f"{held}.original"], tensors[f"{held}.0.codes"]
        share_layer(layer, codebook.numpy(), codes.numpy())


def save_checkpoint(path: Path, content: Mapping[str, Any]) -> None:
    """Write `content` (tensors, numbers, texts, and lists and dicts of them) in place of what was in `path`.

    Raises
    ------
    OSError
        When it cannot be written.
    """
    with replacing(path) as file:
        torch.save({"version": VERSION, **content}, file)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """What `save_checkpoint` wrote.

    Raises
    ------
    FormatError
        When the file is no checkpoint, or one of another version.
    OSError
        When it cannot be read.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, ValueError, EOFError, KeyError, pickle.UnpicklingError) as error:
        raise FormatError(f"{path}: no checkpoint, or a damaged one: {str(error).splitlines()[0]:.200}") from None
    if not isinstance(content, dict) or content.get("version") != VERSION:
        found = content.get("version") if isinstance(content, dict) else None
        raise FormatError(f"{path}: version {found!r}, but this package reads version {VERSION}")
    return content
