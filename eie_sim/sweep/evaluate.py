"""Computes points: what a worker does. Points that differ in nothing that timing depends on share a simulation."""

import time
import warnings
from collections.abc import Sequence
from functools import lru_cache

from compressor.jit import threads_at_most
from compressor.types.packed_model import PackedModel
from eie_sim.arch import ArchConfig
from eie_sim.capacity import CapacityWarning, capacity_report, model_capacity_report
from eie_sim.columns import MEASURED, Row, plain
from eie_sim.cost import area, missing_bytes
from eie_sim.cost.area import NoAreaScaling
from eie_sim.cost.energy import ModelEnergyReport, energy
from eie_sim.engines.base import simulate
from eie_sim.result import SimResult
from eie_sim.studies.permutation import STRATEGIES
from eie_sim.sweep.baseline import beside
from eie_sim.sweep.columns import METRICS, NO_BASELINE
from eie_sim.sweep.networks import NetworkRun, NetworkWork
from eie_sim.sweep.records import Answer, Point, Task
from eie_sim.sweep.workloads import LoadedWorkload

_MEASURED = tuple(column for column in MEASURED if column.name in METRICS)

_SUMMED = frozenset(c.name for c in _MEASURED if c.unit not in ("ratio", "GOP/s")) - {"n_rows", "n_cols"}
"""Metrics of several layers that are those of the layers added up."""


def compute(task: Task) -> list[Answer]:
    """Compute the points of a task, on one core; one that fails is an answer with an error, and stops nothing."""
    began = time.perf_counter()
    simulated: dict[object, tuple[SimResult, ...] | Exception] = {}
    networks: dict[object, NetworkRun | Exception] = {}
    answers = []
    with warnings.catch_warnings(), threads_at_most(1):
        warnings.simplefilter("ignore", CapacityWarning)  # the column fits_sram says it
        loaded: dict[int, LoadedWorkload | NetworkWork] = {}
        for point in task.points:
            bits = point.machine.weight_bits
            try:
                if bits not in loaded:
                    loaded[bits] = task.request.work(bits)
                work = loaded[bits]
                if isinstance(work, NetworkWork):
                    metrics = _of_network(work, task, point, networks)
                else:
                    metrics = _metrics(work, task, point, simulated)
                answers.append(Answer(point.number, metrics))
            except Exception as error:
                answers.append(Answer(point.number, None, _one_line(error)))
    each = (time.perf_counter() - began) / len(answers)
    return [answer._replace(seconds=each) for answer in answers]


def _one_line(error: Exception) -> str:
    """One line of an error; of one that nobody foresaw with its type."""
    text = " ".join(str(error).split())[:500]
    foreseen = isinstance(error, (ValueError, OSError, MemoryError))
    return text if text and foreseen else f"{type(error).__name__}: {text}".removesuffix(": ")


def _metrics(
    work: LoadedWorkload, task: Task, point: Point, simulated: dict[object, tuple[SimResult, ...] | Exception]
) -> Row:
    """Every metric of a point, from a simulation of the task that it shares, or its own, which is then kept."""
    arch, prices = point.machine, point.prices
    layers = work.packed(arch.n_pe, arch.index_bits, task.order)
    shared = simulated.get(arch.timed_by)
    if shared is None:
        output = arch.number_bits is not None  # saturations are counted with the outputs
        try:
            shared = tuple(
                simulate(layer, acts, arch, output=output)
                for layer, acts in zip(layers, work.inputs(arch), strict=True)
            )
        except (ValueError, OSError) as error:  # the others of this simulation fail in the same way
            shared = error
        simulated[arch.timed_by] = shared
    if isinstance(shared, Exception):
        raise shared
    results = tuple(result.on(arch) for result in shared)
    if len(layers) == 1:
        missing, needs = missing_bytes(layers[0], arch), capacity_report(layers[0], arch)
    else:
        # What fits does not depend on the functions between layers.
        model = PackedModel(tuple(layers), ("none",) * len(layers))
        missing, needs = missing_bytes(model, arch), model_capacity_report(model, arch)
    spent = ModelEnergyReport(tuple(energy(result, prices.calibration, prices.scaling_rule) for result in results))
    metrics: Row = dict.fromkeys(METRICS)
    metrics |= _measured(results)
    metrics |= {
        "layers": len(layers),
        "energy_nj": spent.total_nj,
        "power_w": spent.power_w,
        "pj_per_mac": spent.pj_per_mac,
        "edp_nj_us": spent.edp_nj_us,
        "area_mm2": _area_mm2(arch, prices.scaling_rule),
        "fits_sram": int(all(need.fits for need in needs)),
        "missing_bytes": sum(missing),
    }
    if prices.baseline != NO_BASELINE:
        against = beside(layers, task.baselines[prices.baseline], prices.batch)
        metrics |= {
            "baseline_us": against.time_us,
            "speedup": against.time_us / spent.time_us,
            "baseline_uj": against.time_us * against.power_w,
            "energy_ratio": against.time_us * against.power_w / (spent.total_nj * 1e-3),
        }
    return metrics


def _of_network(work: NetworkWork, task: Task, point: Point, simulated: dict[object, NetworkRun | Exception]) -> Row:
    """As `_metrics`, of a whole network."""
    arch, prices = point.machine, point.prices
    if task.order != STRATEGIES[0]:
        raise ValueError(f"order: {task.order!r}, but the rows of a whole network stay {STRATEGIES[0]!r}")
    baseline = None if prices.baseline == NO_BASELINE else task.baselines[prices.baseline]
    if baseline is not None and prices.batch != 1:
        raise ValueError(f"batch: {prices.batch}, but a whole network is compared at batch 1")
    shared = simulated.get(arch.timed_by)
    if shared is None:
        try:
            shared = work.run(arch)
        except (ValueError, OSError) as error:  # the others of this simulation fail in the same way
            shared = error
        simulated[arch.timed_by] = shared
    if isinstance(shared, Exception):
        raise shared
    found = shared.metrics(arch, prices.calibration, prices.scaling_rule, baseline)
    return found | {"area_mm2": _area_mm2(arch, prices.scaling_rule)}


def _measured(results: Sequence[SimResult]) -> Row:
    """The columns of `eie_sim.columns.MEASURED`, of several layers together."""
    rows = [{column.name: plain(column.value(result)) for column in _MEASURED} for result in results]
    if len(rows) == 1:
        return rows[0]

    def total(name: str) -> float:
        return sum(value for row in rows if isinstance(value := row[name], (int, float)))

    found: Row = {name: total(name) for name in rows[0] if name in _SUMMED}
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
def _area_mm2(arch: ArchConfig, rule: str) -> float | None:
    """The area of a machine, or None where the rule gives none; kept, for many points are of one machine."""
    try:
        return area(arch, rule).total_mm2
    except NoAreaScaling:
        return None
