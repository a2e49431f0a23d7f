"""The weights of a network in training as a file that PyTorch reads."""

from os import PathLike
from pathlib import Path

import torch
from torch import nn

from compressor.storage.files import replacing
from compressor.training.export import plain_state


def save_state_dict(model: nn.Module, path: str | PathLike[str]) -> None:
    """Write the state dict of the plain network, weights as they are in effect: pruned, shared. Whole or not at all.

    Raises
    ------
    OSError
        When it cannot be written.
    """
    with replacing(Path(path)) as file:
        torch.save(plain_state(model), file)
