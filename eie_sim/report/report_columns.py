"""The reports of ``eie-sim report`` and the definition of each of their columns, once."""

from collections.abc import Iterable, Mapping

from eie_sim.columns import ENERGY
from eie_sim.report.tables import column_definitions

Definitions = Mapping[str, Mapping[str, str]]

_OF_RESULTS = column_definitions()

SHARED = (
    *("layer", "input", "n_rows", "n_cols", "n_pe", "cycles", "time_us"),
    *("theoretical_us", "load_balance", "real_work", "gops", "dense_gops"),
)
"""Columns of the compute report that are those of a results file."""

COMPUTE: Definitions = {
    **{name: _OF_RESULTS[name] for name in SHARED},
    **ENERGY,
    "missing_bytes": {
        "unit": "bytes",
        "definition": "Entries and pointers that have no place in the SRAMs; empty where the results do not say.",
    },
    "dram_nj": {
        "unit": "nJ",
        "definition": "Energy of reading missing_bytes from DRAM once for each input vector (EIE Table I). In "
        "energy_nj with --dram, beside it otherwise.",
    },
}

INFERENCE: Definitions = {
    "input": _OF_RESULTS["input"],
    "layers": {"unit": "layers", "definition": "Layers that ran one after another, each on the outputs of the last."},
    "cycles": _OF_RESULTS["cycles"],
    "time_us": _OF_RESULTS["time_us"],
    **{name: told for name, told in ENERGY.items() if name != "area_mm2"},
}

BANDWIDTH: Definitions = {
    **{name: _OF_RESULTS[name] for name in ("layer", "input", "cycles")},
    "spmat_bytes_per_cycle": {"unit": "bytes/cycle", "definition": "Sparse-matrix rows read, all PEs, a cycle."},
    "ptr_bytes_per_cycle": {
        "unit": "bytes/cycle",
        "definition": "Pointers read, two of 16 bits a column, all PEs, a cycle.",
    },
    "acc_bytes_per_cycle": {
        "unit": "bytes/cycle",
        "definition": "Destination registers read and written, a cycle; 16 bits each for float32, else those of the "
        "fixed point.",
    },
    "broadcasts_per_cycle": {"unit": "inputs/cycle", "definition": "Active inputs sent to all queues, a cycle."},
}

ENERGIES: Definitions = {
    **{name: _OF_RESULTS[name] for name in ("layer", "input")},
    "unit": {"unit": "", "definition": "Unit of the PE, the leading-non-zero tree (lnzd), or DRAM."},
    "cause": {"unit": "", "definition": "The event that costs, or clock, leakage, scan, dram."},
    "count": {
        "unit": "",
        "definition": "Events, PE-cycles (clock), node-cycles (scan), PE-us (leakage) or bits (dram). A broadcast "
        "counts once for the queue of each PE.",
    },
    "each_pj": {"unit": "pJ", "definition": "Energy of one of them."},
    "energy_nj": {"unit": "nJ", "definition": "count x each_pj. The rows of a layer sum to its energy."},
}

CALIBRATION: Definitions = {
    **{name: _OF_RESULTS[name] for name in ("layer", "input")},
    "calibration": {"unit": "", "definition": "One of eie_sim.cost.CALIBRATIONS."},
    "scaling_rule": {
        "unit": "",
        "definition": "How energies shrink at 28 nm, every published rule; empty at 45 nm, where none is needed.",
    },
    "energy_nj": ENERGY["energy_nj"],
    "power_w": ENERGY["power_w"],
    "edp_nj_us": ENERGY["edp_nj_us"],
}

AREA: Definitions = {
    "unit": {"unit": "", "definition": "Unit of all PEs together, the filler cells among them, or the tree (lnzd)."},
    "scaling_rule": CALIBRATION["scaling_rule"],
    "area_mm2": {
        "unit": "mm2",
        "definition": "EIE Table II, memories of other sizes by CACTI's ratios; arithmetic as for 16 bits.",
    },
}

COMPARISON: Definitions = {
    "layer": {"unit": "", "definition": "Name of the layer; '(all)' for a whole inference, where layers are a chain."},
    "input": _OF_RESULTS["input"],
    "time_us": _OF_RESULTS["time_us"],
    "energy_nj": ENERGY["energy_nj"],
    "baseline": {"unit": "", "definition": "The device, or the library, threads and caches of a measured host."},
    "kind": {
        "unit": "",
        "definition": "dense, sparse, or skipping (sparse, and zero inputs skipped too); 'own' for accelerators of "
        "EIE Table V.",
    },
    "made_by": {
        "unit": "",
        "definition": "published (EIE Tables IV and V), modelled (roofline) or measured (eie-sim measure; with the "
        "number of quiet samples where it is below 20).",
    },
    "batch": {"unit": "inputs", "definition": "Input vectors that the baseline computes together."},
    "baseline_us": {"unit": "us", "definition": "Its time for one input vector."},
    "speedup": {"unit": "x", "definition": "baseline_us / time_us."},
    "baseline_uj": {"unit": "uJ", "definition": "Its energy for one input vector; empty where no power is known."},
    "energy_ratio": {"unit": "x", "definition": "baseline_uj over energy_nj, in the same unit: times less energy."},
    "energy_by": {"unit": "", "definition": "Where the baseline's energy or power comes from."},
}

HEADLINE: Definitions = {
    **{name: COMPARISON[name] for name in ("baseline", "kind", "made_by", "batch")},
    "layers": {"unit": "layers", "definition": "Layers that stand beside the baseline."},
    "inputs": {"unit": "inputs", "definition": "Input vectors of each."},
    "speedup": {
        "unit": "x",
        "definition": "The baseline's time over that of EIE: the geometric mean over layers and input vectors, or over "
        "whole inferences where the layers are a chain.",
    },
    "energy_ratio": {"unit": "x", "definition": "The baseline's energy over that of EIE, in the same way."},
}
"""Columns of the table that stands above all layers."""

UNITS: Mapping[str, str] = {
    "act_queue": "The queue of a PE: an activation is written into it and read.",
    "ptr_read": "The pointers of a column are read, from both banks.",
    "spmat_read": "A row of the sparse-matrix SRAM is read.",
    "arithmetic": "A code is looked up, multiplied and added.",
    "act_rw": "A destination register is read and written.",
    "lnzd": "The tree of leading-non-zero detection, outside the PEs.",
    "dram": "What has no place in the SRAMs is read from DRAM.",
    "filler cell": "Of areas: silicon between the cells of the others (EIE Table II); no filler zero.",
}
"""Units of EIE Table II, and what they do."""


def by_unit(units: Iterable[str]) -> Definitions:
    """Columns of the table of energies by unit."""
    return {
        **{name: ENERGIES[name] for name in ("layer", "input")},
        **{unit: {"unit": "nJ", "definition": f"{UNITS[unit]} Clock and leakage included."} for unit in units},
    }


REPORTS: Mapping[str, Definitions] = {
    "COMPUTE_REPORT": COMPUTE,
    "INFERENCE_REPORT": INFERENCE,
    "BANDWIDTH_REPORT": BANDWIDTH,
    "ENERGY_REPORT": ENERGIES,
    "CALIBRATION_REPORT": CALIBRATION,
    "AREA_REPORT": AREA,
    "COMPARISON_REPORT": COMPARISON,
}
"""Unit and definition of every column of each report; the names are those that users of SCALE-Sim know."""
