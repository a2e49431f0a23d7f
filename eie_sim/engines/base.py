"""What an engine is, which ones there are, and the public `simulate` functions that check and call one."""

from importlib import import_module
from typing import cast

import numpy as np
from numpy.typing import ArrayLike

from compressor.checks import as_floats
from compressor.types.packed import PackedLayer
from eie_sim.arch import ArchConfig, preset
from eie_sim.capacity import check_capacity
from eie_sim.engines.layer_cache import LayerCache
from eie_sim.engines.protocol import Engine, Inputs
from eie_sim.result import KEPT_COUNTS, BatchResult, SimResult

_HOMES = {"fast": "eie_sim.engines.fast", "reference": "eie_sim.engines.reference", "rtl": "eie_sim.rtl.engine"}
_LOADED: "dict[str, Engine]" = {}

ENGINES = ("fast", "reference")
"""Names of the engines that run any machine; "rtl", the hardware description, runs those in fixed point."""

DEFAULT_MACHINE = "eie-64pe-45nm"
"""The preset that runs where none is given."""

DEFAULT_ARCH = preset(DEFAULT_MACHINE)

_CHECKED: LayerCache[ArchConfig] = LayerCache()
"""The last machine that each layer was checked against and fits."""


def engine_named(name: str) -> Engine:
    """The engine called `name`, imported now.

    Raises
    ------
    ValueError
        When there is none of that name.
    """
    engine = _LOADED.get(name) if isinstance(name, str) else None
    if engine is None:
        if not isinstance(name, str) or name not in _HOMES:
            raise ValueError(f"engine: {name!r}, but it must be one of {', '.join(_HOMES)}")
        engine = _LOADED[name] = cast(Engine, import_module(_HOMES[name]))
    return engine


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
    acts : array_like of float, shape (n_cols,)
        Inputs; those that are not zero are broadcast. Taken as float32; in fixed point as float64, rounded once.
    arch : ArchConfig or None
        The machine; None: the preset ``eie-64pe-45nm``.
    engine : str
        ``"fast"`` (numba), ``"reference"`` (SimPy, every unit of the machine modelled), or ``"rtl"`` (the hardware in
        SystemVerilog, by Verilator; fixed point only); same result in every field.
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
    machine = DEFAULT_ARCH if arch is None else arch
    if _CHECKED.get(layer) is not machine:
        check_machine(layer, machine)
    inputs = _inputs(layer, acts, (layer.n_cols,), machine)
    return engine_named(engine).run(layer, inputs, machine, output, schedule)


def simulate_batch(
    layer: PackedLayer,
    acts: ArrayLike,
    arch: ArchConfig | None = None,
    engine: str = "fast",
    output: bool = True,
    counts: str = "each",
) -> BatchResult:
    """Simulate one layer with many input vectors, each alone on an empty machine; the fast engine uses all cores.

    Parameters
    ----------
    layer : PackedLayer
    acts : array_like of float, shape (B, n_cols)
    arch, engine, output
        As for `simulate`.
    counts : str
        What is kept of the counters of the PEs: ``"each"``, those of every vector, 14 numbers a PE; ``"sum"``, summed
        over the vectors, so that a million of them take bounded memory; ``"none"``. Cycles and the counters of the
        whole machine are always those of every vector.

    Returns
    -------
    BatchResult
        The same numbers as B calls of `simulate`.

    Raises
    ------
    ValueError
        As for `simulate`, or when `counts` is another word.
    """
    if counts not in KEPT_COUNTS:
        raise ValueError(f"counts: {counts!r}, but it must be one of {', '.join(KEPT_COUNTS)}")
    machine = DEFAULT_ARCH if arch is None else arch
    check_machine(layer, machine)
    vectors = as_floats("acts", acts, _number_type(machine))
    inputs = _inputs(layer, vectors, (vectors.shape[0] if vectors.ndim == 2 else -1, layer.n_cols), machine)
    return engine_named(engine).run_batch(layer, inputs, machine, output, counts)


def check_machine(layer: PackedLayer, arch: ArchConfig) -> None:
    """Check that `layer` was packed for `arch`, and its capacity.

    Raises
    ------
    ValueError
        When one is of another type, n_pe, weight_bits or index_bits differ, the layer's bias is not in the form that
        the machine takes, or it does not fit and ``strict_capacity`` is set.
    """
    if not isinstance(layer, PackedLayer):
        raise ValueError(f"layer: {layer!r} is no PackedLayer")
    if not isinstance(arch, ArchConfig):
        raise ValueError(f"arch: {arch!r} is no ArchConfig; preset({DEFAULT_MACHINE!r}) gives one")
    if layer.packing != arch.packing:
        for field, packed, has in zip(("n_pe", "weight_bits", "index_bits"), layer.packing, arch.packing, strict=True):
            if packed != has:
                bits = f" (set weight_bits = {packed})"
                hint = bits if field == "weight_bits" else f" (layer.repack({field}={has}) packs it anew)"
                raise ValueError(
                    f"{field}: layer {layer.name!r} is packed for {packed}, but the machine has {has}{hint}"
                )
    if layer.bias is not None and not (layer.has_bias or arch.preloads_bias):
        raise ValueError(
            f"bias: layer {layer.name!r} has a bias but no column of it; a machine with bias='preload' takes it"
        )
    if check_capacity(layer, arch):
        # Neither can change, so the next call need not look again; the last machine is enough for a loop over inputs.
        _CHECKED.keep(layer, arch)


def _number_type(arch: ArchConfig) -> type[np.floating]:
    """In fixed point, inputs are rounded once, from float64: float32 would round those of more than 24 bits before."""
    return np.float32 if arch.number_bits is None else np.float64


def _inputs(layer: PackedLayer, acts: ArrayLike, shape: tuple[int, ...], arch: ArchConfig) -> Inputs:
    dtype = _number_type(arch)
    if (
        type(acts) is np.ndarray
        and acts.dtype.type is dtype
        and acts.dtype.isnative
        and acts.shape == shape
        # One vector is contiguous by its only stride, which is told sooner than `flags` when nothing is in a cache.
        and (acts.strides == (acts.itemsize,) or acts.flags.c_contiguous)
    ):
        return acts  # the engine looks at the numbers
    inputs = as_floats("acts", acts, dtype)
    if inputs.shape != shape:
        wanted = f"({layer.n_cols},)" if len(shape) == 1 else f"(B, {layer.n_cols})"
        raise ValueError(f"acts: shape {inputs.shape}, but layer {layer.name!r} takes {wanted}")
    return inputs
