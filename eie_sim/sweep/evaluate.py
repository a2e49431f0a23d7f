"""Computes points: what a worker does. Points that differ in nothing that timing depends on share a simulation."""

import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from compressor.jit import threads_at_most
from compressor.types.packed import PackedLayer
from compressor.types.packed_model import PackedModel
from eie_sim.arch import ArchConfig
from eie_sim.baselines.devices import Device, device, read_device
from eie_sim.baselines.roofline import dense_work, frame_time, sparse_work
from eie_sim.capacity import CapacityWarning, capacity_report, model_capacity_report
from eie_sim.columns import MEASURED, Cell, plain
from eie_sim.cost import area, missing_bytes
from eie_sim.cost.energy import ModelEnergyReport, energy
from eie_sim.engines.base import simulate
from eie_sim.networks import published_as
from eie_sim.result import SimResult
from eie_sim.sweep.columns import METRICS, NO_BASELINE
from eie_sim.sweep.workloads import LoadedWorkload, WorkloadName

_MEASURED = tuple(column for column in MEASURED if column.name in METRICS)

_SUMMED = frozenset(c.name for c in _MEASURED if c.unit not in ("ratio", "GOP/s")) - {"n_rows", "n_cols"}
"""Metrics of several layers that are those of the layers added up."""

Baseline = tuple[Device, str]
"""A device, and dense or sparse."""

Priced = tuple[str, str, str, int]
"""Calibration, scaling rule, baseline and batch of a point."""


@dataclass(frozen=True)
class Task:
    """Points of one workload, for one worker.

    Attributes
    ----------
    request : WorkloadName
    order : str
    points : tuple of (int, ArchConfig, Priced)
        A number that comes back with the answer, and what to compute.
    attempt : int
        How often it was given to a worker that died.
    baselines : mapping of str to Baseline
        What the names of baselines stand for.
    """

    request: WorkloadName
    order: str
    points: tuple[tuple[int, ArchConfig, Priced], ...]
    attempt: int = 0
    baselines: Mapping[str, Baseline] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """What became of one point.

    Attributes
    ----------
    number : int
    metrics : tuple or None
        In the order of `METRICS`; None where it failed.
    error : str
    seconds : float
        Of the worker, for this point.
    """

    number: int
    metrics: tuple[Cell, ...] | None
    error: str
    seconds: float


def compute(task: Task) -> list[Answer]:
    """Compute the points of a task, on one core; one that fails is an answer with an error, and stops nothing."""
    with warnings.catch_warnings(), threads_at_most(1):
        warnings.simplefilter("ignore", CapacityWarning)  # fits_sram tells
        return _compute(task)


def _compute(task: Task) -> list[Answer]:
    began = time.perf_counter()
    try:
        work = task.request.work()
    except Exception as error:
        return [Answer(number, None, _told(error), 0.0) for number, _, _ in task.points]
    simulated: dict[object, tuple[SimResult, ...] | Exception] = {}
    answers = []
    for number, arch, priced in task.points:
        try:
            metrics = _metrics(work, task.order, arch, priced, simulated, task.baselines)
            answers.append(Answer(number, metrics, "", 0.0))
        except Exception as error:
            answers.append(Answer(number, None, _told(error), 0.0))
    each = (time.perf_counter() - began) / len(answers)
    return [Answer(one.number, one.metrics, one.error, each) for one in answers]


def _told(error: Exception) -> str:
    """One line of an error; of one that nobody foresaw with its type."""
    text = " ".join(str(error).split())[:500]
    foreseen = isinstance(error, (ValueError, OSError, MemoryError))
    return text if text and foreseen else f"{type(error).__name__}: {text}".removesuffix(": ")


def _metrics(
    work: LoadedWorkload,
    order: str,
    arch: ArchConfig,
    priced: Priced,
    simulated: dict[object, tuple[SimResult, ...] | Exception],
    baselines: Mapping[str, Baseline],
) -> tuple[Cell, ...]:
    calibration, rule, baseline, batch = priced
    layers = work.packed(arch.n_pe, arch.index_bits, order)
    shared = simulated.get(arch.timed_by)
    if shared is None:
        try:
            shared = _simulated(work, layers, arch)
        except (ValueError, OSError) as error:  # the others of this simulation fail in the same way
            shared = error
        simulated[arch.timed_by] = shared
    if isinstance(shared, Exception):
        raise shared
    results = tuple(result.on(arch) for result in shared)
    found = _measured(results)
    spent = ModelEnergyReport(tuple(energy(result, calibration, rule) for result in results))
    time_us = spent.time_us
    found |= {
        "layers": len(layers),
        "energy_nj": spent.total_nj,
        "power_w": spent.power_w,
        "pj_per_mac": spent.pj_per_mac,
        "edp_nj_us": spent.edp_nj_us,
        "area_mm2": _area(arch, rule),
        "fits_sram": int(_fits(layers, arch)),
        "missing_bytes": sum(missing_bytes(_model(layers), arch)),
    }
    against = None if baseline == NO_BASELINE else beside(layers, *baselines[baseline], batch)
    if against is not None:
        device_us, power_w = against
        found |= {
            "baseline_us": device_us,
            "speedup": device_us / time_us,
            "baseline_uj": device_us * power_w,
            "energy_ratio": device_us * power_w / (spent.total_nj * 1e-3),
        }
    return tuple(found.get(name) for name in METRICS)


def _simulated(work: LoadedWorkload, layers: Sequence[PackedLayer], arch: ArchConfig) -> tuple[SimResult, ...]:
    output = arch.number_bits is not None  # saturations are counted with the outputs
    inputs = work.inputs(arch)
    return tuple(simulate(layer, acts, arch, output=output) for layer, acts in zip(layers, inputs, strict=True))


def _measured(results: Sequence[SimResult]) -> dict[str, Cell]:
    """The columns of `eie_sim.columns.MEASURED`, of several layers together."""
    if len(results) == 1:
        return {column.name: plain(column.value(results[0])) for column in _MEASURED}
    rows = [{column.name: plain(column.value(result)) for column in _MEASURED} for result in results]

    def total(name: str) -> float:
        return sum(value for row in rows if isinstance(value := row[name], (int, float)))

    found: dict[str, Cell] = {name: total(name) for name in rows[0] if name in _SUMMED}
    entries, time_us = total("entries"), total("time_us")
    return {
        **found,
        "n_rows": rows[-1]["n_rows"],
        "n_cols": rows[0]["n_cols"],
        "load_balance": total("theoretical_us") / time_us,
        "real_work": 1 - total("fillers") / entries if entries else 1.0,
        "gops": sum(result.gops * result.time_us for result in results) / time_us,
        "dense_gops": sum(result.dense_gops * result.time_us for result in results) / time_us,
    }


@lru_cache(maxsize=4096)
def _area(arch: ArchConfig, rule: str) -> float | None:
    try:
        return area(arch, rule).total_mm2
    except ValueError as error:
        if "does not say how areas shrink" in str(error):
            return None
        raise


def _fits(layers: Sequence[PackedLayer], arch: ArchConfig) -> bool:
    needs = capacity_report(layers[0], arch) if len(layers) == 1 else model_capacity_report(_whole(layers), arch)
    return all(need.fits for need in needs)


def _whole(layers: Sequence[PackedLayer]) -> PackedModel:
    return PackedModel(tuple(layers), ("none",) * len(layers))


def _model(layers: Sequence[PackedLayer]) -> PackedLayer | PackedModel:
    return layers[0] if len(layers) == 1 else _whole(layers)


# Baselines ------------------------------------------------------------------------------------------------------------


def parsed_baseline(text: str, folder: Path = Path()) -> Baseline:
    """The device and the kind of a baseline such as ``"Titan X dense"``; TOML files are looked for in `folder`.

    Raises
    ------
    ValueError, OSError
        When it names none.
    """
    name, _, kind = text.strip().rpartition(" ")
    if kind not in ("dense", "sparse") or not name:
        raise ValueError(f"baseline: {text!r}, but it must be a device, then dense or sparse, as in 'Titan X dense'")
    return (read_device(folder / name) if name.lower().endswith(".toml") else device(name)), kind


def beside(layers: Sequence[PackedLayer], chosen: Device, kind: str, batch: int) -> tuple[float, float]:
    """Modelled time in us and power in W of a device on some layers."""
    model = chosen.efficiency(kind, batch)
    time_us = 0.0
    for layer in layers:
        shape = layer.n_cols, layer.n_rows
        work = dense_work(*shape, batch) if kind == "dense" else sparse_work(*shape, _density(layer), batch)
        time_us += frame_time(chosen, work, model).time_us
    return time_us, chosen.power_w


def _density(layer: PackedLayer) -> float:
    """Share of weights that are not zero: Table III for the paper's layers, else as packed."""
    published = published_as(layer.name, layer.n_rows, layer.n_cols)
    return layer.density if published is None else published.weight_density
