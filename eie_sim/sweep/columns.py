"""The columns of a sweep's rows: what determines a row, and what comes out; unit and definition of each, once."""

from collections.abc import Mapping

from eie_sim.arch import NETWORK_LEVEL, ArchConfig
from eie_sim.columns import ENERGY, MEASURED

NOT_SWEPT = ("name", "strict_capacity", *NETWORK_LEVEL)
"""Fields of a machine that change no number of a layer: no column of a store is theirs."""

MACHINE = tuple(field for field in ArchConfig.model_fields if field not in NOT_SWEPT)
"""Fields of the machine, each of which can be an axis."""

WORK: Mapping[str, str] = {
    "workload": "What runs: one of the nine layers (Alex-6 ...), a packaged network, a packed or compressed file, or "
    "one layer of a file, as file#layer.",
    "fit": "Of the nine layers: what their statistics were fitted to (all_points or pe64).",
    "seed": "Of everything drawn; for a packaged network, the number of the digit.",
    "order": "Order of the rows of each layer: as it is, greedy or by columns (eie_sim.studies.permutation).",
}
"""Columns that say what runs, each of which can be an axis."""

PRICING: Mapping[str, str] = {
    "calibration": "What energies are made from; one of eie_sim.cost.CALIBRATIONS.",
    "scaling_rule": "How energy and area shrink at 28 nm; one of eie_sim.cost.technology.SCALINGS.",
    "baseline": "What the run is compared with: a device or a TOML file of one, and dense or sparse, as in "
    "'Titan X dense'; none: nothing.",
    "batch": "Input vectors that the baseline computes together.",
}
"""Columns that price a run and need no simulation of their own, each of which can be an axis."""

NO_BASELINE = "none"

INPUTS = (*WORK, *MACHINE, *PRICING)
"""Everything that determines a row, in order."""

METRICS: Mapping[str, Mapping[str, str]] = {
    "layers": {"unit": "layers", "definition": "Layers of the workload; every number is of all of them together."},
    **{
        column.name: {"unit": column.unit, "definition": column.definition}
        for column in MEASURED
        if column.name not in MACHINE
    },
    "n_rows": {"unit": "outputs", "definition": "Outputs of the last layer."},
    "n_cols": {"unit": "inputs", "definition": "Inputs of the first layer, the bias apart."},
    "dense_gops": {
        "unit": "GOP/s",
        "definition": "2 x n_rows x n_cols, summed over the layers, / time: what a dense machine would need.",
    },
    **{name: about for name, about in ENERGY.items() if name not in PRICING},
    "fits_sram": {"unit": "", "definition": "1 where everything fits the SRAMs of the machine at once, else 0."},
    "missing_bytes": {"unit": "bytes", "definition": "Entries and pointers that have no place in the SRAMs."},
    "baseline_us": {"unit": "us", "definition": "Modelled time of the baseline for one input vector (roofline)."},
    "speedup": {"unit": "x", "definition": "baseline_us / time_us."},
    "baseline_uj": {"unit": "uJ", "definition": "Energy of the baseline for one input vector, by its power."},
    "energy_ratio": {"unit": "x", "definition": "baseline_uj over energy_nj, in the same unit: times less energy."},
}
"""Unit and definition of what comes out of a point, in order."""

WHOLE = frozenset(
    column.name for column in MEASURED if column.unit not in ("us", "ratio", "GOP/s") and column.name in METRICS
) | {"layers", "fits_sram", "missing_bytes"}
"""Metrics that are integers."""

KNOWN_BEFORE = frozenset({*INPUTS, "area_mm2"})
"""What is known of a point before it is simulated."""

CONDITIONS = frozenset({*INPUTS, *METRICS})
"""What a condition can ask for."""


_UNITS: Mapping[str, str] = {
    "n_pe": "PEs",
    "clock_hz": "Hz",
    "act_queue_depth": "activations",
    "broadcast_latency": "cycles",
    "act_regfile_entries": "activations",
    "technology_nm": "nm",
    "batch": "inputs",
}
"""Of inputs; those whose names end in bits or bytes are counted in these."""


def definition(name: str) -> Mapping[str, str]:
    """Unit and definition of any input or metric."""
    if name in METRICS:
        return METRICS[name]
    unit = _UNITS.get(name, next((of for of in ("bits", "bytes") if name.endswith(f"_{of}")), ""))
    if name in MACHINE:
        # Where a machine says None, a cell is empty.
        text = (ArchConfig.model_fields[name].description or "").replace("None:", "empty:")
    else:
        text = {**WORK, **PRICING}[name]
    return {"unit": unit, "definition": text}
