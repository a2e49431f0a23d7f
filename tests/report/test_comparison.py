"""A run beside the baselines: every column is defined, and every number follows from the rows and the models."""

import csv
import io
import json

import numpy as np
import pytest

from compressor import pack_codes
from eie_sim import ArchConfig, preset, simulate
from eie_sim.baselines.devices import device, devices
from eie_sim.baselines.published import published_power_w, published_time_us
from eie_sim.baselines.roofline import dense_time_us, sparse_time_us
from eie_sim.cost import CALIBRATIONS, area, energy
from eie_sim.paper import TABLE_IV
from eie_sim.report.comparison import REPORTS, headline, run_report, weight_density
from eie_sim.report.report_text import to_csv, to_json, to_markdown
from eie_sim.report.results_file import Results
from eie_sim.report.tables import result_row
from eie_sim.workload import calibrated_layer

CPU = device("i7-5930K")


def results_of(*found, arch=None):
    return Results([result_row(r) for r in found], (arch or found[0].arch).model_dump(), "fast")


@pytest.fixture(scope="module")
def own():
    codes = (np.arange(600).reshape(20, 30) % 7).astype(np.uint8)
    layer = pack_codes(codes, np.arange(16, dtype=np.float32), n_pe=4, name="mine")
    return simulate(layer, np.ones(30), ArchConfig(n_pe=4))


@pytest.fixture(scope="module")
def published():
    drawn = calibrated_layer("NT-We", seed=0)
    return simulate(drawn.layer, drawn.acts, preset("eie-64pe-45nm"))


@pytest.mark.parametrize("name", CALIBRATIONS)
def test_energy_and_area_are_those_of_the_run(own, name):
    report = run_report(results_of(own), [], name)
    (row,) = report.tables["COMPUTE_REPORT"]
    expected = energy(own, name)
    assert row["energy_nj"] == pytest.approx(expected.total_nj)
    assert row["power_w"] == pytest.approx(expected.power_w)
    assert row["pj_per_mac"] == pytest.approx(expected.pj_per_mac)
    assert row["edp_nj_us"] == pytest.approx(expected.edp_nj_us)
    assert row["area_mm2"] == pytest.approx(area(own.arch).total_mm2)
    assert row["calibration"] == name
    assert report.assumptions == expected.assumptions
    parts = sum(line["energy_nj"] for line in report.tables["ENERGY_REPORT"])
    assert parts == pytest.approx(expected.total_nj)


def test_every_row_of_every_report_has_the_columns_that_are_defined(published):
    report = run_report(results_of(published), list(devices().values()), "table2-8cycle", batches=(1, 64))
    assert set(report.tables) == set(REPORTS)
    for name, rows in report.tables.items():
        assert rows
        assert all(list(row) == list(REPORTS[name]) for row in rows), name
    assert all(column["definition"] for columns in REPORTS.values() for column in columns.values())


def test_bandwidths_are_accesses_over_cycles(own):
    (row,) = run_report(results_of(own), [], "table2-8cycle").tables["BANDWIDTH_REPORT"]
    counts = own.counts
    assert row["spmat_bytes_per_cycle"] == pytest.approx(8 * counts.spmat_row_reads.sum() / own.cycles)
    assert row["ptr_bytes_per_cycle"] == pytest.approx(4 * counts.ptr_reads.sum() / own.cycles)
    accumulated = counts.acc_reads.sum() + counts.acc_writes.sum()
    assert row["acc_bytes_per_cycle"] == pytest.approx(2 * accumulated / own.cycles)
    assert row["broadcasts_per_cycle"] == pytest.approx(30 / own.cycles)


@pytest.mark.parametrize("kind", ["dense", "sparse"])
@pytest.mark.parametrize("batch", [1, 64])
def test_a_layer_of_the_paper_has_the_published_time_and_the_model_beside(published, kind, batch):
    report = run_report(results_of(published), [CPU], "paper-constant", batches=(batch,))
    rows = [row for row in report.tables["COMPARISON_REPORT"] if row["kind"] == kind]
    assert [row["made_by"] for row in rows] == ["published", "modelled"]
    printed, power_w = published_time_us(CPU, "NT-We", kind, batch), published_power_w(CPU, "NT-We", kind, batch)[0]
    assert rows[0]["baseline_us"] == printed == TABLE_IV.at(f"cpu batch {batch} {kind}", "NT-We")
    assert rows[0]["speedup"] == pytest.approx(printed / published.time_us)
    assert rows[0]["baseline_uj"] == pytest.approx(printed * power_w)
    assert rows[0]["energy_ratio"] == pytest.approx(printed * power_w / (0.6 * published.time_us))
    model = dense_time_us(CPU, 4096, 600, batch) if kind == "dense" else sparse_time_us(CPU, 4096, 600, 0.1, batch)
    assert rows[1]["baseline_us"] == pytest.approx(model)


def test_a_layer_of_ones_own_has_models_alone(own):
    report = run_report(results_of(own), [CPU], "table2-8cycle")
    assert [(row["kind"], row["made_by"]) for row in report.tables["COMPARISON_REPORT"]] == [
        ("dense", "modelled"),
        ("sparse", "modelled"),
    ]
    (row,) = results_of(own).rows
    assert weight_density(row) == pytest.approx(np.count_nonzero(np.arange(600) % 7) / 600)


def test_nothing_walked_has_no_sparse_model():
    layer = pack_codes(np.ones((4, 3), np.uint8), np.arange(16, dtype=np.float32), n_pe=2, name="idle")
    report = run_report(results_of(simulate(layer, np.zeros(3), ArchConfig(n_pe=2))), [CPU], "table2-8cycle")
    assert [row["kind"] for row in report.tables["COMPARISON_REPORT"]] == ["dense"]
    assert report.notes == (
        "idle: nothing was walked, so that its density is not known and no sparse baseline is modelled",
    )
    assert report.tables["COMPUTE_REPORT"][0]["pj_per_mac"] is None


def test_a_batch_size_without_an_efficiency_is_a_note(own):
    report = run_report(results_of(own), [CPU], "table2-8cycle", batches=(7,))
    assert report.tables["COMPARISON_REPORT"] == []
    assert any("7" in note for note in report.notes)


def test_headlines_are_geometric_means(own, published):
    small = preset("eie-64pe-45nm")
    twice = run_report(results_of(published, published, arch=small), [CPU], "paper-constant")
    dense = headline(twice)[0]
    assert (dense["baseline"], dense["kind"], dense["made_by"], dense["layers"]) == (
        "i7-5930K",
        "dense",
        "published",
        2,
    )
    assert dense["speedup"] == pytest.approx(605.0 / published.time_us)


def test_results_that_lack_a_column_are_refused(own):
    results = results_of(own)
    del results.rows[0]["ptr_reads"]
    with pytest.raises(ValueError, match="results: layer 'mine' has ptr_reads None, but a report needs a number"):
        run_report(results, [], "table2-8cycle")


# Files ----------------------------------------------------------------------------------------------------------------


def test_the_document_holds_every_table_and_definition(published):
    report = run_report(results_of(published), [CPU], "bottom-up")
    document = json.loads(to_json(report))
    assert document["format"] == "eie-sim-report"
    assert document["calibration"] == "bottom-up"
    assert set(document["reports"]) == set(document["columns"]) == set(REPORTS)
    assert document["reports"]["COMPUTE_REPORT"] == list(report.tables["COMPUTE_REPORT"])
    assert to_json(report) == to_json(run_report(results_of(published), [CPU], "bottom-up"))


@pytest.mark.parametrize("name", REPORTS)
def test_a_csv_has_the_rows_of_its_report(published, name):
    report = run_report(results_of(published), [CPU], "table2-8cycle")
    rows = list(csv.DictReader(io.StringIO(to_csv(report, name))))
    assert len(rows) == len(report.tables[name])
    assert list(rows[0]) == list(REPORTS[name])
    with pytest.raises(ValueError, match="report: 'OTHER', but it must be one of COMPUTE_REPORT, "):
        to_csv(report, "OTHER")


def test_markdown_defines_every_column_and_says_what_the_energy_assumes(published):
    report = run_report(results_of(published), [CPU], "table2-8cycle")
    text = to_markdown(report)
    assert all(assumption in text for assumption in report.assumptions)
    for name in ("COMPUTE_REPORT", "COMPARISON_REPORT"):
        assert all(column["definition"] in text for column in REPORTS[name].values())
    widths = {line.count("|") for line in text.splitlines() if line.startswith("| ") and "energy_ratio" in line}
    assert widths
