"""Checkpoints: the whole state of a run in one file, written atomically and read without running code from it.

A file is a line that names it, the SHA-256 of the rest, and what `torch.save` makes of tensors, numbers and texts. It
is read with ``weights_only=True``, after the digest was found right: a damaged file is refused, never half believed.
"""

import hashlib
import io
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from torch import nn

from compressor.storage.files import FormatError, replacing
from compressor.training.layers import find_layers
from compressor.training.masks import Mask, make_plain, mask_layer
from compressor.training.sharing import SharedWeights, share_layer

MAGIC = b"eie-sim training checkpoint 1\n"
"""How a file begins; the number is its version, and another one is refused."""

_DIGEST_BYTES = 32

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
    layers, forms, tensors = find_layers(model), state["forms"], state["tensors"]
    if list(layers) != list(forms):
        raise ValueError(f"checkpoint: its layers are {', '.join(forms)}, but the model's are {', '.join(layers)}")
    try:
        for name, layer in layers.items():
            # The form comes first: the tensors fit only the parametrization that they were saved from.
            make_plain(layer)
            held = layer.key(f"parametrizations.{layer.parameter}")
            if forms[name] == "masked":  # the values of the mask are among the tensors
                mask_layer(layer, torch.ones_like(layer.weight))
            elif forms[name] == "shared":
                share_layer(layer, tensors[f"{held}.original"].numpy(), tensors[f"{held}.0.codes"].numpy())
        # Another layout is another order of sums, and other last bits: each tensor gets the strides it was saved with.
        for name, tensor in chain(model.named_parameters(), model.named_buffers()):
            saved = tensors.get(name)
            if saved is not None and saved.shape == tensor.shape and saved.stride() != tensor.stride():
                tensor.data = torch.empty_strided(saved.shape, saved.stride(), dtype=tensor.dtype)
        model.load_state_dict(tensors)
    except (RuntimeError, KeyError) as error:
        raise ValueError(f"checkpoint: it is not of this model: {str(error).splitlines()[-1].strip()}") from None


def save_checkpoint(path: Path, content: Mapping[str, Any]) -> None:
    """Write `content` (tensors, numbers, texts, and lists and dicts of them) in place of what was in `path`.

    Raises
    ------
    OSError
        When it cannot be written.
    """
    buffer = io.BytesIO()
    torch.save(dict(content), buffer)
    payload = buffer.getbuffer()
    with replacing(path) as file:
        file.write(MAGIC + hashlib.sha256(payload).digest())
        file.write(payload)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """What `save_checkpoint` wrote.

    Raises
    ------
    FormatError
        When the file is no checkpoint, one of another version, or damaged.
    OSError
        When it cannot be read.
    """
    file = path.read_bytes()
    if not file.startswith(MAGIC):
        raise FormatError(f"{path}: it begins with {file[: len(MAGIC)]!r}, but a checkpoint with {MAGIC!r}")
    digest, payload = file[len(MAGIC) :][:_DIGEST_BYTES], file[len(MAGIC) + _DIGEST_BYTES :]
    if hashlib.sha256(payload).digest() != digest:
        raise FormatError(f"{path}: its digest is not that of its {len(payload)} bytes: the file is damaged")
    try:
        content = torch.load(io.BytesIO(payload), map_location="cpu", weights_only=True)
    except Exception as error:  # with a right digest only a forged file gets here, and torch may raise anything then
        raise FormatError(f"{path}: no checkpoint: {str(error)[:200].partition(chr(10))[0]}") from None
    if not isinstance(content, dict):
        raise FormatError(f"{path}: it holds a {type(content).__name__}, but a checkpoint is a dict")
    return content
