"""A measurement and its file: what is read is what was written, and what cannot be is one line."""

import json
from copy import deepcopy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compressor.storage.files import FormatError
from eie_sim.baselines.cpu_measurement import MeasuredCell, read_cpu_measurement, write_cpu_measurement
from eie_sim.baselines.energy_sources import paper_power
from tests.baselines.measurements import a_measurement


def a_cell(samples_us, **changes):
    fields = {"layer": "a", "method": "m", "batch": 1, "threads": 1, "cache": "cold", "thrown_away": 0}
    return MeasuredCell.of_samples(samples_us, **{**fields, "energy_uj": None, **changes})


def test_a_cell_has_median_and_quartiles_of_its_samples():
    cell = a_cell([5.0, 1.0, 2.0, 4.0, 3.0])
    assert (cell.q1_us, cell.median_us, cell.q3_us) == (2, 3, 4)
    assert cell.condition == "a m, batch 1, 1 thread, cold"


def test_a_cell_without_a_quiet_sample_has_no_time():
    cell = a_cell([])
    assert (cell.q1_us, cell.median_us, cell.q3_us) == (None, None, None)


@given(st.lists(st.floats(1e-3, 1e9), max_size=30))
def test_a_cell_is_its_json(samples):
    cell = a_cell(samples)
    assert MeasuredCell.model_validate_json(cell.model_dump_json()) == cell


def test_a_ratio_is_one_of_medians():
    measurement = a_measurement()
    assert measurement.pairs() == [("numpy-dense", "scipy-csr")]
    assert measurement.ratio("b", ("numpy-dense", "scipy-csr")) == 3
    assert measurement.median_us("a", "numba-csc") == 5


def test_what_was_not_measured_is_named():
    with pytest.raises(ValueError, match="cpu: a numpy-dense, batch 64, 2 threads, hot was not measured"):
        a_measurement().cell("a", "numpy-dense", 64, 2, "hot")


def test_a_time_without_quiet_samples_is_an_error_when_it_is_wanted():
    with pytest.raises(ValueError, match="cpu: a numba-csc, batch 1, 1 thread, cold has no quiet sample"):
        a_measurement(samples=0).median_us("a", "numba-csc")


def test_a_file_holds_the_measurement(tmp_path):
    measurement = a_measurement(batches=(1, 64), caches=("cold", "hot"), energy=paper_power())
    write_cpu_measurement(measurement, tmp_path / "cpu.json")
    assert read_cpu_measurement(tmp_path / "cpu.json") == measurement


def test_a_file_of_an_older_version_that_measured_mkl_is_read(tmp_path):
    text = a_measurement().to_json().replace("numpy-dense", "mkl-dense").replace("scipy-csr", "mkl-csr")
    document = json.loads(text)
    document["host"]["versions"]["mkl"] = "2025.1"
    document["methods"][0]["library"] = "mkl"
    (tmp_path / "cpu.json").write_text(json.dumps(document))
    measurement = read_cpu_measurement(tmp_path / "cpu.json")
    assert [method.name for method in measurement.methods] == ["mkl-dense", "mkl-csr", "numba-csc"]
    assert measurement.pairs() == [("mkl-dense", "mkl-csr")]
    assert measurement.ratio("b", ("mkl-dense", "mkl-csr")) == 3


def test_too_few_samples_are_an_error_unless_fewer_will_do(tmp_path):
    measurement = a_measurement(samples=19)
    write_cpu_measurement(measurement, tmp_path / "cpu.json")
    with pytest.raises(FormatError, match=r"cpu.json: cells: a numpy-dense, .* has 19 quiet samples of 20, and 5 more"):
        read_cpu_measurement(tmp_path / "cpu.json")
    assert read_cpu_measurement(tmp_path / "cpu.json", least_samples=19) == measurement
    assert len(measurement.short_cells()) == 6


MUTATIONS = {
    "another format": (lambda d: d.update(format="x"), "not a CPU measurement: it must be"),
    "a version to come": (lambda d: d.update(format_version=2), "format_version: 2, but this version reads 1"),
    "no version": (lambda d: d.pop("format_version"), "format_version: None"),
    "a version that is true": (lambda d: d.update(format_version=True), "format_version: True"),
    "no version of the package": (lambda d: d.pop("eie_sim_version"), "eie_sim_version: is missing"),
    "an unknown key": (lambda d: d.update(watts=3), "watts: 3: Extra inputs"),
    "an unknown key of a cell": (lambda d: d["cells"][1].update(watts=3), r"cells.1.watts: 3"),
    "a missing key": (lambda d: d.pop("host"), "host: .*Field required"),
    "a missing cell": (lambda d: d["cells"].pop(2), "cells: a numba-csc, batch 1, 1 thread, cold is missing"),
    "a cell twice": (lambda d: d["cells"].append(d["cells"][0]), "cells: a numpy-dense, .* is there twice"),
    "a cell of no condition": (lambda d: d["layers"].pop(), "cells: b numpy-dense, .* is there, but"),
    "no cells": (lambda d: d.update(cells=[]), "is missing"),
    "a median of other samples": (lambda d: d["cells"][0].update(median_us=1.0), "median_us: 1.0, but the samples"),
    "no median": (lambda d: d["cells"][0].update(median_us=None), "median_us: None"),
    "a time below zero": (lambda d: d["cells"][0]["samples_us"].__setitem__(0, -1.0), "cells.0.samples_us.0: -1.0"),
    "a time that is text": (lambda d: d["cells"][0]["samples_us"].__setitem__(0, "1"), "cells.0.samples_us.0: '1'"),
    "an infinite time": (lambda d: d["cells"][0]["samples_us"].__setitem__(0, 1e999), "JSON"),
    "a negative count": (lambda d: d["cells"][0].update(thrown_away=-1), "cells.0.thrown_away: -1"),
    "half a thread": (lambda d: d["cells"][0].update(threads=0.5), "cells.0.threads: 0.5"),
    "caches of another kind": (lambda d: d["cells"][0].update(cache="warm"), "cells.0.cache: 'warm'"),
    "energy of nowhere": (
        lambda d: d.update(energy={"source": "guess", "power_w": 1.0, "note": ""}), "energy.source: 'guess'"
    ),
    "a power without watts": (
        lambda d: d.update(energy={"source": "tdp", "power_w": None, "note": ""}), "power_w: None, but source 'tdp'"
    ),
    "text instead of cells": (lambda d: d.update(cells="all"), "cells: 'all'"),
}  # fmt: skip

DOCUMENT = json.loads(a_measurement().to_json())


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_changed_file_is_one_line_that_names_the_thing(tmp_path, name):
    change, message = MUTATIONS[name]
    document = deepcopy(DOCUMENT)
    change(document)
    (tmp_path / "cpu.json").write_text(json.dumps(document))
    with pytest.raises(FormatError, match=message) as error:
        read_cpu_measurement(tmp_path / "cpu.json")
    assert str(error.value).startswith(str(tmp_path / "cpu.json"))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["", "[]", "{", "3", "null", '{"format": NaN}', "[" * 10**5, '{"a":1,"a":2}'])
def test_something_else_is_no_measurement(tmp_path, text):
    (tmp_path / "cpu.json").write_text(text)
    with pytest.raises(FormatError, match="CPU measurement"):
        read_cpu_measurement(tmp_path / "cpu.json")


def test_a_file_of_nan_is_refused(tmp_path):
    text = a_measurement().to_json().replace("30.0", "NaN", 1)
    (tmp_path / "cpu.json").write_text(text)
    with pytest.raises(FormatError, match="NaN"):
        read_cpu_measurement(tmp_path / "cpu.json")


def test_a_binary_file_is_no_measurement(tmp_path):
    (tmp_path / "cpu.json").write_bytes(b"\xff\xfe")
    with pytest.raises(FormatError, match="not a CPU measurement"):
        read_cpu_measurement(tmp_path / "cpu.json")


def test_a_file_cut_short_anywhere_is_refused(tmp_path):
    text = a_measurement(layers=("a",)).to_json()
    for at in range(0, len(text) - 1, 97):
        (tmp_path / "cpu.json").write_text(text[:at])
        with pytest.raises(FormatError):
            read_cpu_measurement(tmp_path / "cpu.json")
