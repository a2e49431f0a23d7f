"""Layers one after another: the one walk over a chain, and what is simulated on it."""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Protocol, TypeVar, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from compressor.types.model_checks import OTHER_FUNCTION
from compressor.types.packed import PackedLayer
from compressor.types.packed_model import PackedModel
from eie_sim.arch import ArchConfig
from eie_sim.capacity import check_model_capacity
from eie_sim.engines.base import DEFAULT_ARCH, simulate
from eie_sim.result import ModelResult, SimResult


class HasOutput(Protocol):
    """A result of one layer, of one input vector or of many."""

    @property
    def output(self) -> NDArray[np.floating] | None:
        """Sums before the activation function."""
        ...


Ran = TypeVar("Ran", bound=HasOutput)


def walk(
    layers: Sequence[PackedLayer],
    activations: Sequence[str],
    acts: NDArray[np.floating],
    run: Callable[[PackedLayer, NDArray[np.floating]], Ran],
) -> Iterator[Ran]:
    """Run layers one after another: each one's activated output is the next one's input.

    Parameters
    ----------
    layers : sequence of PackedLayer
    activations : sequence of str
        The function after each.
    acts : ndarray of float, shape (n_cols of the first layer,) or (B, n_cols)
    run : function of a layer and its inputs
        Its result must hold outputs.

    Yields
    ------
    What `run` returns for each layer, when it is done.

    Raises
    ------
    ValueError
        If a function between two layers is not one of the machine's; if `run` refuses a layer; from the second one on,
        the message names the layer.
    """
    for before, after, function in zip(layers, layers[1:], activations, strict=False):
        if function == OTHER_FUNCTION:
            raise ValueError(
                f"layer {after.name!r}: what follows {before.name!r} in its graph is not one of the machine's functions"
            )
    values = acts
    for number, (layer, function) in enumerate(zip(layers, activations, strict=True)):
        try:
            result = run(layer, values)
        except ValueError as error:
            if number == 0:
                raise
            # From the second layer on, what is wrong with the inputs is wrong with the outputs before.
            raise ValueError(f"layer {layer.name!r}: {error}") from None
        yield result
        assert result.output is not None
        if number + 1 < len(layers):
            values = activate(function, result.output)


def simulate_model(
    model: PackedModel, acts: ArrayLike, arch: ArchConfig | None = None, engine: str = "fast", schedule: bool = False
) -> ModelResult:
    """Simulate the layers of a model one after another: each one's activated output is the next one's input.

    Parameters
    ----------
    model : PackedModel
    acts : array_like of float, shape (n_cols of the first layer,)
    arch, engine, schedule
        As for `simulate`.

    Returns
    -------
    ModelResult

    Raises
    ------
    ValueError
        If a layer's outputs are not the next one's inputs in number, or as for `simulate`.
    """
    check_chain(model)
    check_model_capacity(model, DEFAULT_ARCH if arch is None else arch)

    def run(layer: PackedLayer, values: ArrayLike) -> SimResult:
        return simulate(layer, values, arch, engine, output=True, schedule=schedule)

    # What is not an array yet is checked and converted by the first layer's run.
    results = tuple(walk(model.layers, model.activations, cast("NDArray[np.floating]", acts), run))
    assert results[-1].output is not None
    return ModelResult(results, activate(model.activations[-1], results[-1].output))


def break_in_chain(layers: Sequence[PackedLayer]) -> tuple[PackedLayer, PackedLayer] | None:
    """The first two neighbours of which the second does not take the outputs of the first; None in a chain."""
    return next((pair for pair in pairwise(layers) if pair[0].n_rows != pair[1].n_cols), None)


def check_chain(model: PackedModel) -> None:
    """Check that every layer takes the outputs of the one before it.

    Raises
    ------
    ValueError
        If `model` is not a PackedModel, its graph is not a chain of these layers, or two sizes differ.
    """
    if not isinstance(model, PackedModel):
        raise ValueError(f"model: {model!r} is not a PackedModel")
    if not model.chained:
        if model.network is None:
            names = ", ".join(repr(layer.name) for layer in model.layers[:2])
            why = f"nothing says in which order they run; PackedModel.chain({names}, ...) does"
        else:
            why = model.network.between or "they are not neighbours in its graph"
        raise ValueError(f"model: its layers are not a chain: {why}")
    broken = break_in_chain(model.layers)
    if broken is not None:
        before, after = broken
        given = f"{before.name!r} before it has {before.n_rows} outputs"
        raise ValueError(f"layer {after.name!r} has {after.n_cols} inputs, but {given}")


_FUNCTIONS: dict[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    "none": lambda x: x,
    OTHER_FUNCTION: lambda x: x,
    "relu": lambda x: np.maximum(x, 0),
    "sigmoid": lambda x: 0.5 * (1 + np.tanh(0.5 * x)),  # exp(-x) would overflow
    "tanh": np.tanh,
}


def activate(function: str, values: NDArray[np.floating]) -> NDArray[np.floating]:
    """`values` through one of `compressor.types.model_checks.ACTIVATION_FUNCTIONS`; dtype and shape kept.

    Values that the graph sends through another function ("host") come as they are: the sums before it.
    """
    return cast("NDArray[np.floating]", _FUNCTIONS[function](values.astype(np.float64)).astype(values.dtype))
