"""What an engine is, which ones there are, and the public `simulate` functions that check and call one."""

from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Literal, Protocol, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from compressor.checks import as_floats
from compressor.packed import PackedLayer, PackedModel
from eie_sim.arch import ArchConfig
from eie_sim.capacity import check_capacity
from eie_sim.presets import preset
from eie_sim.result import BatchResult, ModelResult, SimResult

EngineName = Literal["fast", "reference"]

_HOMES = {"fast": "eie_sim.engines.fast", "reference": "eie_sim.engines.reference"}

ENGINES = tuple(_HOMES)
"""Names of the engines."""

_FLOAT32 = np.dtype(np.float32)

DEFAULT_MACHINE = "eie-64pe-45nm"
"""The preset that runs where none is given."""


class Engine(Protocol):
    """One answer to the cycle contract. The module of an engine has these two functions; its inputs are checked."""

    def run(
        self, layer: PackedLayer, acts: NDArray[np.float32], arch: ArchConfig, output: bool, schedule: bool
    ) -> SimResult:
        """Run one input vector, float32 (n_cols,); a ValueError when an input is not finite."""
        ...

    def run_batch(self, layer: PackedLayer, acts: NDArray[np.float32], arch: ArchConfig, output: bool) -> BatchResult:
        """Run many input vectors, float32 (B, n_cols); a ValueError when an input is not finite."""
        ...


@cache
def engine_named(name: str) -> Engine:
    """The engine called `name`, imported now.

    Raises
    ------
    ValueError
        When there is none of that name.
    """
    if name not in _HOMES:
        raise ValueError(f"engine: {name!r}, but it must be one of {', '.join(ENGINES)}")
    return cast(Engine, import_module(_HOMES[name]))


def simulate(
    layer: PackedLayer,
    acts: ArrayLike,
    arch: ArchConfig | None = None,
    engine: str = "fast",
    output: bool = True,
    schedule: bool = False,
) -> SimResult:
    """Simulate one layer with one input vector, cycle for cycle.

    Parameters
    ----------
    layer : PackedLayer
    acts : array_like of float32, shape (n_cols,)
        Inputs; those that are not zero are broadcast.
    arch : ArchConfig or None
        The machine; None: the preset ``eie-64pe-45nm``.
    engine : str
        ``"fast"`` (numba) or ``"reference"`` (SimPy, every unit of the machine modelled); same result in every field.
    output : bool
        Whether to compute the outputs and the saturations of fixed point; timing and all other counts do not need them.
    schedule : bool
        Whether to keep the full `Schedule`.

    Returns
    -------
    SimResult

    Raises
    ------
    ValueError
        When the inputs do not fit the layer or are not finite, the layer was packed for another machine, or (under
        ``strict_capacity``) it does not fit the SRAMs.

    Warns
    -----
    CapacityWarning
        When the layer does not fit the SRAMs of the machine.
    """
    machine = preset(DEFAULT_MACHINE) if arch is None else arch
    check_machine(layer, machine)
    return engine_named(engine).run(layer, _inputs(layer, acts, (layer.n_cols,)), machine, output, schedule)


def simulate_batch(
    layer: PackedLayer, acts: ArrayLike, arch: ArchConfig | None = None, engine: str = "fast", output: bool = True
) -> BatchResult:
    """Simulate one layer with many input vectors, each alone on an empty machine, on all cores.

    Parameters
    ----------
    layer : PackedLayer
    acts : array_like of float32, shape (B, n_cols)
    arch, engine, output
        As for `simulate`.

    Returns
    -------
    BatchResult
        The same numbers as B calls of `simulate`.

    Raises
    ------
    ValueError
        As for `simulate`.
    """
    machine = preset(DEFAULT_MACHINE) if arch is None else arch
    check_machine(layer, machine)
    vectors = np.asarray(acts)
    inputs = _inputs(layer, vectors, (vectors.shape[0] if vectors.ndim == 2 else -1, layer.n_cols))
    return engine_named(engine).run_batch(layer, inputs, machine, output)


def simulate_model(
    model: PackedModel, acts: ArrayLike, arch: ArchConfig | None = None, engine: str = "fast", schedule: bool = False
) -> ModelResult:
    """Simulate the layers of a model one after another: each one's activated output is the next one's input.

    Parameters
    ----------
    model : PackedModel
    acts : array_like of float32, shape (n_cols of the first layer,)
    arch, engine, schedule
        As for `simulate`.

    Returns
    -------
    ModelResult

    Raises
    ------
    ValueError
        When a layer's outputs are not the next one's inputs in number, or as for `simulate`.
    """
    for before, after in zip(model.layers, model.layers[1:], strict=False):
        if before.n_rows != after.n_cols:
            given = f"{before.name!r} before it has {before.n_rows} outputs"
            raise ValueError(f"layer {after.name!r} has {after.n_cols} inputs, but {given}")
    values = acts
    results = []
    for layer, function in zip(model.layers, model.activations, strict=True):
        result = simulate(layer, values, arch, engine, output=True, schedule=schedule)
        assert result.output is not None
        values = activate(function, result.output)
        results.append(result)
    return ModelResult(tuple(results), cast("NDArray[np.floating]", values))


_FUNCTIONS: dict[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    "none": lambda x: x,
    "relu": lambda x: np.maximum(x, 0),
    "sigmoid": lambda x: 0.5 * (1 + np.tanh(0.5 * x)),
    "tanh": np.tanh,
}


def activate(function: str, values: NDArray[np.floating]) -> NDArray[np.floating]:
    """`values` through one of `compressor.packed.ACTIVATION_FUNCTIONS`; dtype and shape kept."""
    return _FUNCTIONS[function](values.astype(np.float64)).astype(values.dtype)


def check_machine(layer: PackedLayer, arch: ArchConfig) -> None:
    """Check that `layer` was packed for `arch`, and its capacity.

    Raises
    ------
    ValueError
        When n_pe, weight_bits or index_bits differ, or it does not fit and ``strict_capacity`` is set.
    """
    if layer.packing != arch.packing:
        for field, packed, has in zip(("n_pe", "weight_bits", "index_bits"), layer.packing, arch.packing, strict=True):
            if packed != has:
                hint = "" if field == "weight_bits" else f" (layer.repack({field}={has}) packs it anew)"
                raise ValueError(
                    f"{field}: layer {layer.name!r} is packed for {packed}, but the machine has {has}{hint}"
                )
    check_capacity(layer, arch)


def _inputs(layer: PackedLayer, acts: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.float32]:
    if type(acts) is np.ndarray and acts.dtype is _FLOAT32 and acts.shape == shape and acts.flags.c_contiguous:
        return acts  # the engine looks at the numbers
    inputs = as_floats("acts", acts)
    if inputs.shape != shape:
        wanted = f"({layer.n_cols},)" if len(shape) == 1 else f"(B, {layer.n_cols})"
        raise ValueError(f"acts: shape {inputs.shape}, but layer {layer.name!r} takes {wanted}")
    return inputs
