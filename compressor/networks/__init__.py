"""The networks of the papers as PyTorch modules (extra ``train``), and what is known of them without PyTorch.

`network` makes one by its name and `NETWORKS` lists the names. Weights are drawn with a seed, never downloaded: these
are networks to train, or, where they are too large for that, to take sizes from. `compressor.networks.shapes` holds the
shapes of their weights as plain tables.

PyTorch is imported when a network is asked for, not before.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from compressor.networks.alexnet import AlexNet
    from compressor.networks.lenet import LeNet5, LeNet300_100
    from compressor.networks.recurrent import CharLSTM, LSTMClassifier
    from compressor.networks.registry import NETWORKS, activations_of, network, paper_names
    from compressor.networks.squeezenet import SqueezeNet1_0, SqueezeNet1_1
    from compressor.networks.vgg import VGG16

_HOMES = {
    "AlexNet": "alexnet",
    "CharLSTM": "recurrent",
    "LSTMClassifier": "recurrent",
    "LeNet300_100": "lenet",
    "LeNet5": "lenet",
    "NETWORKS": "registry",
    "SqueezeNet1_0": "squeezenet",
    "SqueezeNet1_1": "squeezenet",
    "VGG16": "vgg",
    "activations_of": "registry",
    "network": "registry",
    "paper_names": "registry",
}

__all__ = [
    "NETWORKS",
    "VGG16",
    "AlexNet",
    "CharLSTM",
    "LSTMClassifier",
    "LeNet5",
    "LeNet300_100",
    "SqueezeNet1_0",
    "SqueezeNet1_1",
    "activations_of",
    "network",
    "paper_names",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'compressor.networks' has no attribute {name!r}")
    if _HOMES[name] == "registry":
        return getattr(import_module("compressor.networks.registry"), name)
    from compressor.networks.registry import load_class

    return load_class(_HOMES[name], name)


def __dir__() -> list[str]:
    return __all__
