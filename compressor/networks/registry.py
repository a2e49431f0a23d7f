"""Networks by name, and what is known of each without making it; imports no PyTorch by itself."""

import inspect
from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from compressor.networks.shapes import (
    ALEXNET,
    LENET_5,
    LENET_300_100,
    SQUEEZENET_1_0,
    SQUEEZENET_1_1,
    VGG_16,
    Shapes,
)

if TYPE_CHECKING:
    from torch.nn import Module


class _Entry(NamedTuple):
    """Where a network is, and how its layers end."""

    module: str
    class_name: str
    shapes: Shapes | None  # its layers in order; None of a recurrent network, whose sizes are settings
    linear_ends: tuple[str, ...]  # layers with no ReLU after them
    layers: tuple[str, ...] = ()  # for a network without a table


_RECURRENT = ("lstm.weight_ih_l0", "lstm.weight_hh_l0", "fc")  # an LSTM has two matrices, and one name for each

_ENTRIES = {
    "lenet-300-100": _Entry("lenet", "LeNet300_100", LENET_300_100, ("ip3",)),
    "lenet-5": _Entry("lenet", "LeNet5", LENET_5, ("conv1", "conv2", "ip2")),
    "alexnet": _Entry("alexnet", "AlexNet", ALEXNET, ("fc8",)),
    "vgg-16": _Entry("vgg", "VGG16", VGG_16, ("fc8",)),
    "squeezenet-1.0": _Entry("squeezenet", "SqueezeNet1_0", SQUEEZENET_1_0, ()),
    "squeezenet-1.1": _Entry("squeezenet", "SqueezeNet1_1", SQUEEZENET_1_1, ()),
    "lstm-classifier": _Entry("recurrent", "LSTMClassifier", None, _RECURRENT, _RECURRENT),
    "char-lstm": _Entry("recurrent", "CharLSTM", None, _RECURRENT, _RECURRENT),
}

NETWORKS = tuple(_ENTRIES)
"""Names that `network` knows."""

SHAPES: Mapping[str, Shapes] = {name: entry.shapes for name, entry in _ENTRIES.items() if entry.shapes is not None}
"""Shapes of the layers of those networks that have them from a paper."""


def network(name: str, **settings: Any) -> "Module":
    """The network called `name`, its weights drawn with a seed.

    Parameters
    ----------
    name : str
        One of `NETWORKS`.
    **settings
        Arguments of its class: ``seed`` of every network, ``dropout`` and ``n_classes`` of most, ``hidden`` of the
        recurrent ones.

    Returns
    -------
    torch.nn.Module

    Raises
    ------
    ValueError
        When there is no such network, no such setting of it, or a setting is out of its limits.
    ImportError
        When PyTorch is not installed.
    """
    entry = _entry(name)
    make = load_class(entry.module, entry.class_name)
    known = inspect.signature(make).parameters
    for setting in settings:
        if setting not in known:
            raise ValueError(f"{setting}: no setting of the network {name!r}, which has {', '.join(known)}")
    module: Module = make(**settings)
    return module


def paper_names(name: str) -> dict[str, str]:
    """What the tables of Deep Compression and the authors' files call each layer, by its name in the network.

    Names in a network are those of its modules, as `compressor.training.find_layers` gives them. The two differ where a
    layer is part of a group: ``fire2.conv1x1_1`` is ``fire2/conv1x1_1``, for an attribute cannot have a ``/``. In the
    order of the tables, which is the order of computation.

    Raises
    ------
    ValueError
        When there is no such network.
    """
    entry = _entry(name)
    names = entry.layers if entry.shapes is None else tuple(entry.shapes)
    return {paper.replace("/", "."): paper for paper in names}


def activations_of(name: str) -> dict[str, str]:
    """The function after each layer of a network, by the layer's name in it, in the order of computation.

    One of `compressor.types.model_checks.ACTIVATION_FUNCTIONS`; the values are what `DenseModel` takes. A convolution
    followed by pooling alone has "none", as in LeNet-5, and so has a recurrent matrix: its product is one part of a
    gate's sum.

    Raises
    ------
    ValueError
        When there is no such network.
    """
    linear = _entry(name).linear_ends
    return {layer: "none" if layer in linear else "relu" for layer in paper_names(name)}


def load_class(module: str, class_name: str) -> Any:
    """A class of a module in this folder that needs PyTorch.

    Raises
    ------
    ImportError
        When PyTorch is not installed; the message names the extra.
    """
    try:
        import_module("torch")
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise ImportError("the networks need PyTorch: pip install 'eie-sim[train]'") from None
    return getattr(import_module(f"compressor.networks.{module}"), class_name)


def _entry(name: str) -> _Entry:
    if name not in NETWORKS:
        raise ValueError(f"network: {name!r}, but it must be one of {', '.join(NETWORKS)}")
    return _ENTRIES[name]
