"""The columns of results: what they say of a result, and of the paper beside it."""

import csv
import hashlib
import io
import json
from dataclasses import fields

import numpy as np
import pytest

from eie_sim import preset, simulate
from eie_sim.columns import MEASURED
from eie_sim.report.results_file import Results, read_results, to_csv, to_json, write_text
from eie_sim.report.tables import COLUMNS, COMPARED, column_definitions, is_published, result_row
from eie_sim.result import Counts
from eie_sim.workload import random_layer
from tests.cli.conftest import a_layer

MACHINE = preset("eie-64pe-45nm")
TIME, THEORETICAL, BALANCE, REAL_WORK = COMPARED


@pytest.fixture(scope="module")
def result():
    return simulate(a_layer("fc", 60, 40), np.arange(40))


def test_every_column_has_a_unit_and_a_definition():
    for name, column in column_definitions().items():
        assert column["definition"].endswith(".")
        assert column["unit"] or name == "layer" or name == "input"
    assert len(set(COLUMNS)) == len(COLUMNS)


def test_a_row_has_every_column_in_order(result):
    assert tuple(result_row(result)) == COLUMNS


def test_a_row_says_what_the_result_says(result):
    row = result_row(result, 7)
    assert (row["layer"], row["input"], row["cycles"]) == ("fc", 7, result.cycles)
    assert row["time_us"] == result.time_us
    assert row["entries"] == result.counts.entries.sum()
    classes = ("busy_cycles", "bubble_cycles", "starved_cycles", "fill_cycles", "drain_cycles")
    assert sum(row[name] for name in classes) == 64 * result.cycles
    broadcast = ("broadcasts", "broadcast_stalls", "scan_bubbles", "idle_cycles")
    assert sum(row[name] for name in broadcast) == result.cycles


def test_every_event_and_class_of_cycles_is_a_column():
    assert {field.name for field in fields(Counts)} <= {column.name for column in MEASURED}


def test_the_paper_times_its_own_machine_alone():
    assert TIME.published("Alex-8", MACHINE) == 9.9
    assert THEORETICAL.published("VGG-6", MACHINE) == 28.1
    for change in ({"n_pe": 32}, {"clock_hz": 1e9}, {"act_queue_depth": 4}, {"index_bits": 5}):
        assert TIME.published("Alex-8", MACHINE.replace(**change)) is None
    assert TIME.published("Alex-8", MACHINE.replace(arithmetic="fixed16", spmat_width_bits=128)) == 9.9


def test_load_balance_is_that_of_figure_8_or_13():
    assert BALANCE.published("NT-We", MACHINE) == 0.652
    assert BALANCE.published("NT-We", MACHINE.replace(act_queue_depth=2, clock_hz=1e9)) == 0.341
    assert BALANCE.published("NT-We", MACHINE.replace(n_pe=256)) == 0.244
    assert BALANCE.published("NT-We", MACHINE.replace(n_pe=256, act_queue_depth=4)) is None
    assert BALANCE.published("NT-We", MACHINE.replace(n_pe=48)) is None
    assert BALANCE.published("NT-We", MACHINE.replace(act_queue_depth=3)) is None


def test_real_work_is_that_of_figure_12():
    assert REAL_WORK.published("VGG-6", MACHINE.replace(n_pe=1, act_queue_depth=3)) == 0.477
    assert REAL_WORK.published("VGG-6", MACHINE.replace(index_bits=5)) is None


def test_deviations_are_in_percent_or_points():
    assert TIME.deviation(11.0, 10.0) == pytest.approx(10)
    assert BALANCE.deviation(0.5, 0.6) == pytest.approx(-10)
    assert (TIME.deviation_column, BALANCE.deviation_column) == (
        "deviation_time_percent",
        "deviation_load_balance_points",
    )


@pytest.mark.compiled_only
def test_only_a_layer_of_name_and_size_stands_beside_the_paper(result):
    assert not is_published(result)
    assert result_row(result)["paper_time_us"] is None
    named = simulate(a_layer("NT-We", 60, 40), np.ones(40))
    assert not is_published(named)
    whole = random_layer(600, 4096, 0.01, name="NT-We")
    row = result_row(simulate(whole.layer, whole.acts))
    assert row["paper_time_us"] == 8.0
    assert row["deviation_time_percent"] == pytest.approx(100 * (row["time_us"] - 8.0) / 8.0)


def test_json_comes_back_as_it_went(result, tmp_path):
    results = Results([result_row(result)], MACHINE.model_dump(), "fast")
    write_text(to_json(results), tmp_path / "r.json")
    assert read_results(tmp_path / "r.json") == results


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path):
    write_text("old", tmp_path / "r.json")
    write_text("new\n", tmp_path / "r.json")
    assert (tmp_path / "r.json").read_text() == "new\n"
    assert [path.name for path in tmp_path.iterdir()] == ["r.json"]


def test_the_digest_is_that_of_the_output_in_little_endian(result):
    assert result_row(result)["output_sha256"] == hashlib.sha256(result.output.astype("<f4").tobytes()).hexdigest()
    layer = a_layer("fc", 60, 40)
    fixed = simulate(layer, np.arange(40), MACHINE.replace(arithmetic="fixed16"))
    assert result_row(fixed)["output_sha256"] == hashlib.sha256(fixed.output.astype("<f8").tobytes()).hexdigest()
    assert result_row(simulate(layer, np.arange(40), output=False))["output_sha256"] is None


def test_a_number_that_is_not_finite_is_refused_by_column(result):
    row = {**result_row(result), "gops": float("inf")}
    with pytest.raises(ValueError, match="gops: inf for layer 'fc', input 0, but JSON has finite"):
        to_json(Results([row], MACHINE.model_dump(), "fast"))


def test_csv_holds_the_numbers_in_full(result):
    row = result_row(result)
    (read,) = csv.DictReader(io.StringIO(to_csv(Results([row], {}, "fast"))))
    assert float(read["load_balance"]) == row["load_balance"]
    assert read["paper_time_us"] == ""


def test_numbers_are_plain_so_that_any_program_reads_them(result):
    assert {type(value) for value in result_row(result).values()} <= {int, float, str, type(None)}
    json.dumps(result_row(result), allow_nan=False)


def test_nothing_active_still_makes_a_row():
    row = result_row(simulate(a_layer("fc", 60, 40), np.zeros(40)))
    assert (row["entries"], row["load_balance"], row["real_work"], row["gops"]) == (0, 0, 1, 0)
