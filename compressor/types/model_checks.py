"""What every model promises, before packing and after it: names, an activation function for each, provenance."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from compressor.checks import as_floats, frozen

OTHER_FUNCTION = "host"
"""Stands after a layer that something else follows than one of the machine's functions; the model's graph has it."""

ACTIVATION_FUNCTIONS = ("none", "relu", "sigmoid", "tanh", OTHER_FUNCTION)
"""What a model may name after a layer."""


def sequence_of_names(activations: object) -> tuple[str, ...]:
    """`activations` as a tuple.

    Raises
    ------
    ValueError
        When it is no list or tuple; a lone text would fall into letters.
    """
    if not isinstance(activations, (list, tuple)):
        raise ValueError(f"activations: {activations!r}, but it must be a list or tuple of names")
    return tuple(activations)


def check_sequence(what: str, names: Sequence[str], activations: Sequence[str], provenance: Mapping[str, str]) -> None:
    """Check what every model promises: distinct names, a known activation function for each, texts as provenance.

    Raises
    ------
    ValueError
        When one does not hold.
    """
    if not names:
        raise ValueError(f"{what}: a model has at least one")
    if len(activations) != len(names):
        raise ValueError(f"activations: {len(activations)} of them, but there are {len(names)} {what}")
    for function in activations:
        if function not in ACTIVATION_FUNCTIONS:
            raise ValueError(f"activations: {function!r}, but it must be one of {', '.join(ACTIVATION_FUNCTIONS)}")
    seen: set[str] = set()
    for name in names:  # a forged file may have thousands
        if name in seen:
            raise ValueError(f"{what}: the name {name!r} is there twice")
        seen.add(name)
    for key, value in provenance.items():
        if not isinstance(key, str) or not isinstance(value, str):
            raise ValueError(f"provenance: {key!r}: {value!r}, but both must be texts")


def settle_model(model: Any) -> None:
    """Check and freeze what `DenseModel` and `CompressedModel` have in common: all of their fields.

    Raises
    ------
    ValueError
        As for `PackedModel`; when a name stands for a tensor and for one of the others, or one of these is not an array
        of finite numbers.
    """
    activations = sequence_of_names(model.activations)
    for name in model.others:
        if not isinstance(name, str) or not name:
            raise ValueError(f"others: name {name!r}, but it must be a text that is not empty")
    others = {name: frozen(as_floats(f"others {name!r}", array)) for name, array in model.others.items()}
    for name, value in {
        "tensors": tuple(model.tensors),
        "activations": activations,
        "provenance": MappingProxyType(dict(model.provenance)),
        "others": MappingProxyType(others),
    }.items():
        object.__setattr__(model, name, value)
    names = [tensor.name for tensor in model.tensors]
    check_sequence("tensors", names, model.activations, model.provenance)
    if both := sorted(set(names) & set(model.others)):
        raise ValueError(f"others: {both[0]!r} is the name of a tensor too")
