"""The weight tensors of a network that can be pruned and shared, by name and in order."""

from dataclasses import dataclass
from typing import cast

from torch import Tensor, nn
from torch.nn import Parameter
from torch.nn.utils import parametrize

from compressor.types.dense import TORCH_GATES

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


@dataclass(frozen=True, eq=False)
class Layer:
    """One weight tensor of a network.

    Attributes
    ----------
    name : str
        Of the module, as "features.0"; a recurrent module holds several tensors, so that their names follow, as
        "lstm.weight_ih_l0".
    path : str
        Of the module in the network, "" where it is the network.
    module : torch.nn.Module
        Which holds the tensor.
    parameter : str
        Its attribute in `module`.
    bias_name : str or None
        Attribute of the bias that is added to its products.
    kind : str
        One of `compressor.types.dense.KINDS`.
    gates : tuple of str
        Names of the gates of a recurrent layer, in the order of their rows.
    """

    name: str
    path: str
    module: nn.Module
    parameter: str
    bias_name: str | None
    kind: str
    gates: tuple[str, ...] = ()

    @property
    def weight(self) -> Tensor:
        """The weights in effect: pruned, shared."""
        return cast(Tensor, getattr(self.module, self.parameter))

    @property
    def bias(self) -> Parameter | None:
        """The bias, or None."""
        return None if self.bias_name is None else cast(Parameter, getattr(self.module, self.bias_name))

    @property
    def parametrization(self) -> nn.Module | None:
        """What makes the weight from `trained`, or None for a plain parameter."""
        if not parametrize.is_parametrized(self.module, self.parameter):
            return None
        return cast(nn.ModuleList, cast(nn.ModuleDict, self.module.parametrizations)[self.parameter])[0]

    @property
    def trained(self) -> Parameter:
        """What an optimizer moves: the parameter itself, that below its mask, or the codebook of shared weights."""
        if self.parametrization is None:
            return cast(Parameter, getattr(self.module, self.parameter))
        held = cast(nn.ModuleDict, self.module.parametrizations)[self.parameter]
        if not hasattr(held, "original"):  # as of a weight normalisation, which makes a weight of two parameters
            raise ValueError(f"model: {self.name!r} is under {type(self.parametrization).__name__}; remove it first")
        return cast(Parameter, held.original)

    def key(self, attribute: str) -> str:
        """Name of an attribute of the module, as the weight or the bias, in a state dict of the plain network."""
        return _joined(self.path, attribute)


def find_layers(model: nn.Module) -> dict[str, Layer]:
    """The layers of `model` by name: Linear, Conv1d to Conv3d, LSTM, GRU, RNN and their cells.

    Transposed convolutions, embeddings and normalisations are left as they are.

    Raises
    ------
    ValueError
        When there is none, or a layer shares its parameter with another module, as an embedding that is tied to the
        output matrix: what is pruned or shared in one would change the other.
    """
    # A parametrization, as a mask, is a module too, but no part of the network.
    modules = [(path, module) for path, module in model.named_modules() if "parametrizations" not in path.split(".")]
    layers = {layer.name: layer for path, module in modules for layer in _layers_of(path, module)}
    if not layers:
        raise ValueError(f"model: {type(model).__name__} has no Linear, Conv, LSTM or GRU layer")
    owners: dict[int, list[str]] = {}
    for path, module in model.named_modules():
        for attribute, parameter in module.named_parameters(recurse=False):
            owners.setdefault(id(parameter), []).append(_joined(path, attribute))
    for layer in layers.values():
        names = owners[id(layer.trained)]
        if len(names) > 1:
            tied = " and ".join(repr(name) for name in names)
            raise ValueError(f"model: {tied} are one parameter, which cannot be compressed; give each its own copy")
    return layers


def _layers_of(path: str, module: nn.Module) -> list[Layer]:
    if isinstance(module, nn.Linear):
        return [Layer(path or "weight", path, module, "weight", _present(module, "bias"), "linear")]
    if isinstance(module, _CONVOLUTIONS):
        return [Layer(path or "weight", path, module, "weight", _present(module, "bias"), "conv")]
    if isinstance(module, nn.RNNBase):  # in the order of its layers and directions
        names = [name for name in module._flat_weights_names if name.startswith("weight_")]
    else:
        names = ["weight_ih", "weight_hh"] if isinstance(module, nn.RNNCellBase) else []
    own_kind = "lstm" if isinstance(module, nn.LSTM | nn.LSTMCell) else "linear"
    own_kind = "gru" if isinstance(module, nn.GRU | nn.GRUCell) else own_kind
    layers = []
    for name in names:
        # The projection of an LSTM's output ("hr") is one matrix, without gates or bias.
        kind = "linear" if name.startswith("weight_hr") else own_kind
        bias = _present(module, name.replace("weight", "bias", 1))
        layers.append(Layer(_joined(path, name), path, module, name, bias, kind, TORCH_GATES.get(kind, ())))
    return layers


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _present(module: nn.Module, name: str) -> str | None:
    return name if getattr(module, name, None) is not None else None


def chosen_layers(model: nn.Module, wanted: tuple[str, ...]) -> list[Layer]:
    """The layers that `wanted` names, each by its name or by its kind.

    Raises
    ------
    ValueError
        When a name is neither a layer nor a kind.
    """
    layers = find_layers(model)
    kinds = ("linear", "conv", "lstm", "gru")
    for name in wanted:
        if name not in layers and name not in kinds:
            raise ValueError(f"layers: {name!r} is no layer ({', '.join(layers)}) and no kind ({', '.join(kinds)})")
    return [layer for name, layer in layers.items() if name in wanted or layer.kind in wanted]
