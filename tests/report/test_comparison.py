"""A run beside the baselines: every column is defined, and every number follows from the rows and the models."""

import csv
import io
import json
from dataclasses import replace

import numpy as np
import pytest

from compressor import pack_codes
from eie_sim import ArchConfig, load, preset, simulate, simulate_batch
from eie_sim.baselines.cpu_measurement import CpuMeasurement, MeasuredCell
from eie_sim.baselines.devices import device, devices
from eie_sim.baselines.platforms import platforms
from eie_sim.baselines.published import published_power_w, published_time_us
from eie_sim.baselines.roofline import dense_time_us, sparse_time_us
from eie_sim.cost import CALIBRATIONS, area, energy
from eie_sim.cost.technology import SCALINGS
from eie_sim.origin import Origin
from eie_sim.paper import TABLE_IV
from eie_sim.report.baseline_rows import ALL
from eie_sim.report.comparison import headline, run_report
from eie_sim.report.priced import walked_density
from eie_sim.report.report_columns import REPORTS
from eie_sim.report.report_text import to_csv, to_json, to_markdown
from eie_sim.report.results_file import LayerFacts, Results, read_results, write_text
from eie_sim.report.results_file import to_json as results_json
from eie_sim.report.tables import result_row
from eie_sim.workload import calibrated_layer

CPU = device("i7-5930K")


def results_of(*found, **more):
    return Results([result_row(r) for r in found], found[0].arch.model_dump(), "fast", **more)


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
    assert report.energies == (expected,)
    parts = sum(line["energy_nj"] for line in report.tables["ENERGY_REPORT"])
    assert parts == pytest.approx(expected.total_nj)


def test_every_row_of_every_report_has_the_columns_that_are_defined(published):
    results = results_of(published, chained=True)
    report = run_report(results, list(devices().values()), "table2-8cycle", batches=(1, 64), accelerators=True)
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
    assert walked_density(row) == pytest.approx(np.count_nonzero(np.arange(600) % 7) / 600)


def test_nothing_walked_has_no_sparse_model():
    layer = pack_codes(np.ones((4, 3), np.uint8), np.arange(16, dtype=np.float32), n_pe=2, name="idle")
    idle = simulate(layer, np.zeros(3), ArchConfig(n_pe=2))
    report = run_report(results_of(idle), [CPU], "table2-8cycle")
    assert [row["kind"] for row in report.tables["COMPARISON_REPORT"]] == ["dense"]
    assert report.notes == (
        "idle: nothing was walked, so that its density is not known: no sparse baseline is modelled",
    )
    assert report.tables["COMPUTE_REPORT"][0]["pj_per_mac"] is None
    known = run_report(results_of(idle, layers={"idle": LayerFacts(1.0, 0)}), [CPU], "table2-8cycle")
    assert [row["kind"] for row in known.tables["COMPARISON_REPORT"]] == ["dense", "sparse"]


def test_the_density_of_a_layer_is_that_of_all_its_weights(own):
    report = run_report(results_of(own, layers={"mine": LayerFacts(0.25, 0)}), [CPU], "table2-8cycle")
    sparse = report.tables["COMPARISON_REPORT"][1]
    assert sparse["baseline_us"] == pytest.approx(sparse_time_us(CPU, 30, 20, 0.25, 1))


def test_a_layer_that_is_only_called_as_one_of_the_papers_has_no_published_time(published):
    results = results_of(published, layers={"NT-We": LayerFacts(0.5, 0)})
    report = run_report(results, [CPU], "table2-8cycle")
    assert {row["made_by"] for row in report.tables["COMPARISON_REPORT"]} == {"modelled"}
    assert any(note.startswith("NT-We: has another density") for note in report.notes)
    sparse = report.tables["COMPARISON_REPORT"][1]
    assert sparse["baseline_us"] == pytest.approx(sparse_time_us(CPU, 4096, 600, 0.5, 1))


def test_a_batch_size_without_an_efficiency_is_an_error(own):
    with pytest.raises(ValueError, match="batch: no device has an efficiency for 7: "):
        run_report(results_of(own), [CPU], "table2-8cycle", batches=(7,))


def test_two_devices_of_one_name_are_refused(own):
    with pytest.raises(ValueError, match="device: 'i7-5930K' is there twice"):
        run_report(results_of(own), [CPU, CPU.replace(power_w=1.0)], "table2-8cycle")


@pytest.mark.compiled_only
def test_accelerators_stand_beside_alex_7_alone(own, published):
    drawn = calibrated_layer("Alex-7", seed=0)
    fc7 = simulate(drawn.layer, drawn.acts, preset("eie-64pe-45nm"), output=False)
    report = run_report(results_of(fc7, published), [], "table2-8cycle", accelerators=True)
    rows = {row["baseline"]: row for row in report.tables["COMPARISON_REPORT"]}
    assert set(rows) == {"A-Eye", "DaDianNao"}
    one = platforms()["A-Eye"]
    assert rows["A-Eye"]["layer"] == "Alex-7"
    assert rows["A-Eye"]["speedup"] == pytest.approx(1e6 / one.frames_per_s / fc7.time_us)
    assert rows["A-Eye"]["baseline_uj"] == pytest.approx(one.power_w * 1e6 / one.frames_per_s)
    assert run_report(results_of(own), [], "table2-8cycle", accelerators=True).tables["COMPARISON_REPORT"] == []


@pytest.mark.compiled_only
def test_headlines_are_geometric_means(published):
    drawn = calibrated_layer("Alex-7", seed=0)
    fc7 = simulate(drawn.layer, drawn.acts, preset("eie-64pe-45nm"), output=False)
    dense = headline(run_report(results_of(published, fc7), [CPU], "paper-constant"))[0]
    assert (dense["baseline"], dense["kind"], dense["made_by"], dense["layers"], dense["inputs"]) == (
        *("i7-5930K", "dense", "published"),
        *(2, 1),
    )
    ratios = [published_time_us(CPU, one.layer, "dense", 1) / one.time_us for one in (published, fc7)]
    assert dense["speedup"] == pytest.approx((ratios[0] * ratios[1]) ** 0.5)


def test_a_chain_is_compared_as_a_whole(own):
    after = simulate(
        pack_codes(np.ones((10, 20), np.uint8), np.arange(16, dtype=np.float32), n_pe=4, name="next"),
        np.ones(20),
        ArchConfig(n_pe=4),
    )
    report = run_report(results_of(own, after, chained=True), [CPU], "table2-8cycle")
    (total,) = report.tables["INFERENCE_REPORT"]
    layers = report.tables["COMPUTE_REPORT"]
    assert total["layers"] == 2
    assert total["cycles"] == own.cycles + after.cycles
    assert total["energy_nj"] == pytest.approx(sum(row["energy_nj"] for row in layers))
    assert total["edp_nj_us"] == pytest.approx(total["energy_nj"] * total["time_us"])
    dense = headline(report)[0]
    times = dense_time_us(CPU, 30, 20) + dense_time_us(CPU, 20, 10)
    assert dense["speedup"] == pytest.approx(times / (own.time_us + after.time_us))
    whole = [row for row in report.tables["COMPARISON_REPORT"] if row["layer"] == ALL]
    assert whole[0]["energy_ratio"] == pytest.approx(times * CPU.power_w / (total["energy_nj"] * 1e-3))
    assert run_report(results_of(own, after), [CPU], "table2-8cycle").tables["INFERENCE_REPORT"] == []


def test_what_has_no_place_is_told_and_counted_from_dram_when_asked(own):
    results = results_of(own, layers={"mine": LayerFacts(0.5, 1000)})
    beside, inside = (run_report(results, [CPU], "table2-8cycle", dram=dram) for dram in (False, True))
    (without,), (counted,) = (report.tables["COMPUTE_REPORT"] for report in (beside, inside))
    assert (without["missing_bytes"], without["dram_nj"]) == (1000, 160.0)  # 20 pJ a bit
    assert counted["energy_nj"] == pytest.approx(without["energy_nj"] + 160)
    for report in (beside, inside):
        assert any(note.startswith("No place in the SRAMs: mine 1,000 bytes.") for note in report.notes)
    assert "dram" in {row["cause"] for row in inside.tables["ENERGY_REPORT"]}


def test_every_calibration_and_rule_stand_side_by_side(own):
    rows = run_report(results_of(own), [], "table2-8cycle").tables["CALIBRATION_REPORT"]
    assert [row["calibration"] for row in rows] == list(CALIBRATIONS)
    assert all(row["energy_nj"] == pytest.approx(energy(own, str(row["calibration"])).total_nj) for row in rows)
    small = own.arch.replace(technology_nm=28.0)
    report = run_report(Results(results_of(own).rows, small.model_dump(), "fast"), [], "bottom-up", "deepscaletool")
    rows = report.tables["CALIBRATION_REPORT"]
    assert [(row["calibration"], row["scaling_rule"]) for row in rows] == [
        (c, r) for c in CALIBRATIONS for r in SCALINGS
    ]
    assert report.tables["COMPUTE_REPORT"][0]["area_mm2"] is None  # the rule does not say how areas shrink
    assert {row["scaling_rule"] for row in report.tables["AREA_REPORT"]} == {
        rule for rule, scaling in SCALINGS.items() if scaling.area is not None
    }
    assert any("28 nm by the rule deepscaletool" in text for text in report.assumptions)


# Measured -------------------------------------------------------------------------------------------------------------


def measurement(layer, samples=20, **changes):
    given = {
        "name": layer.layer,
        "n_rows": layer.n_rows,
        "n_cols": layer.n_cols,
        "weight_density": 0.5,
        "act_density": 1,
    }
    host = {"cpu": "a CPU", "cores": 2}
    cell = MeasuredCell.of_samples(
        [5.0] * samples, layer=layer.layer, method="numpy-dense", batch=1, threads=1, cache="hot", thrown_away=0,
        energy_uj=7.0,
    )  # fmt: skip
    return CpuMeasurement.model_construct(
        host=type("Host", (), host),
        layers=(type("Layer", (), {**given, **changes}),),
        methods=(type("Method", (), {"name": "numpy-dense", "kind": "dense"}),),
        cells=(cell,),
        energy=None,
    )


def test_a_measured_time_stands_beside_the_layer(own):
    report = run_report(results_of(own), [], "table2-8cycle", measured=measurement(own))
    (row,) = report.tables["COMPARISON_REPORT"]
    assert (row["baseline"], row["kind"], row["made_by"]) == ("numpy-dense, 1 thread, hot", "dense", "measured")
    assert row["speedup"] == pytest.approx(5.0 / own.time_us)
    assert row["baseline_uj"] == 7.0
    assert "Measured on a CPU, 2 cores" in report.notes


def test_times_of_few_samples_say_so(own):
    report = run_report(results_of(own), [], "table2-8cycle", measured=measurement(own, samples=5))
    assert [row["made_by"] for row in report.tables["COMPARISON_REPORT"]] == ["measured, 5 samples"]


@pytest.mark.parametrize("changes", [{"n_rows": 21}, {"name": "other"}])
def test_another_layer_was_not_measured(own, changes):
    report = run_report(results_of(own), [], "table2-8cycle", measured=measurement(own, **changes))
    assert report.tables["COMPARISON_REPORT"] == []
    assert "Not among the layers that were measured, or of another size there: mine" in report.notes


def test_other_inputs_than_those_that_were_measured_are_told_of(own):
    report = run_report(results_of(own), [], "table2-8cycle", measured=measurement(own, act_density=0.3))
    assert "mine: measured with 30.0 % of its inputs not zero, simulated with 100.0 %" in report.notes


def test_the_inputs_of_a_batch_are_told_of_once(own):
    rows = [result_row(own, number) for number in range(3)]
    rows = [{**row, "broadcasts": row["broadcasts"] - number} for number, row in enumerate(rows)]
    report = run_report(
        replace(results_of(own), rows=rows), [], "table2-8cycle", measured=measurement(own, act_density=0.3)
    )
    assert len([note for note in report.notes if "of its inputs not zero" in note]) == 1


# What there must be ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ptr_reads": None}, "has ptr_reads None, but it must be a whole number of at least 0"),
        ({"cycles": 0}, "has cycles 0, but it must be a whole number of at least 1"),
        ({"cycles": -5}, "has cycles -5"),
        ({"cycles": 10.7}, r"has cycles 10\.7"),
        ({"acc_writes": -1}, "has acc_writes -1"),
        ({"fillers": True}, "has fillers True"),
        ({"bias_writes": -1}, "has bias_writes -1"),
        ({"gops": None}, "has gops None, but a report needs a number"),
        ({"load_balance": "hello"}, "has load_balance 'hello'"),
        ({"time_us": 1e-9}, "has time_us 1e-09, but its cycles take"),
        ({"n_pe": 8}, "has n_pe 8, but the machine has 4"),
    ],
)
def test_results_that_contradict_themselves_are_refused(own, changes, message):
    results = results_of(own)
    results.rows[0].update(changes)
    with pytest.raises(ValueError, match=f"results: layer 'mine' {message}"):
        run_report(results, [], "table2-8cycle")


def test_results_of_a_version_that_had_no_preloaded_bias_cost_the_same(own):
    results = results_of(own)
    assert results.rows[0].pop("bias_writes") == 0
    old, new = (run_report(of, [], "table2-8cycle") for of in (results, results_of(own)))
    assert old.energies == new.energies


def test_results_without_rows_are_refused(own):
    with pytest.raises(ValueError, match="results: there are no rows"):
        run_report(Results([], own.arch.model_dump(), "fast"), [], "table2-8cycle")


def test_what_a_run_told_goes_with_it_through_its_file_into_the_report(own, tmp_path):
    results = results_of(
        own,
        origins={"mine": Origin("given", "drawn, seed 3")},
        notes=("repacked",),
        chained=True,
        layers={"mine": LayerFacts(0.5, 7)},
    )
    write_text(results_json(results), tmp_path / "results.json")
    again = read_results(tmp_path / "results.json")
    assert (again.origins, again.notes, again.chained, again.layers) == (
        *(results.origins, results.notes),
        *(results.chained, results.layers),
    )
    text = to_markdown(run_report(again, [], "table2-8cycle"))
    assert "- mine: drawn, seed 3" in text
    assert "- repacked" in text


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
    report = run_report(results_of(published, chained=True), [CPU], "table2-8cycle")
    rows = list(csv.DictReader(io.StringIO(to_csv(report, name))))
    assert len(rows) == len(report.tables[name])
    assert list(rows[0]) == list(REPORTS[name])
    with pytest.raises(ValueError, match="report: 'OTHER', but it must be one of COMPUTE_REPORT, "):
        to_csv(report, "OTHER")


def test_markdown_defines_every_column_and_says_what_the_energy_assumes(published):
    report = run_report(results_of(published), [CPU], "table2-8cycle")
    text = to_markdown(report)
    assert all(assumption in text for assumption in report.assumptions)
    for columns in REPORTS.values():
        assert all(column["definition"] in text for column in columns.values())
    for part in text.split("\n\n"):
        lines = part.splitlines()
        if lines[0].startswith("|"):
            assert len({line.count("|") for line in lines}) == 1


def test_a_summed_batch_is_compared_by_the_mean_of_its_vectors():
    job = load("random:64x128", weight_density=0.2, act_density=0.5, n_vectors=6)
    (layer,), (acts,) = job.layers, job.acts
    each, total = simulate_batch(layer, acts), simulate_batch(layer, acts, counts="sum").total()

    def report(rows):
        facts = {layer.name: LayerFacts(layer.density, 8)}
        results = Results(rows, total.arch.model_dump(), "fast", layers=facts)
        return run_report(results, [device("Titan X")], "table2-8cycle", dram=True).tables

    summed = report([result_row(total)])
    apart = report([result_row(each[at], at) for at in range(6)])
    (one,) = summed["COMPUTE_REPORT"]
    assert one["cycles"] == sum(row["cycles"] for row in apart["COMPUTE_REPORT"])
    assert one["energy_nj"] == pytest.approx(sum(row["energy_nj"] for row in apart["COMPUTE_REPORT"]))
    dense, *_ = (row for row in summed["COMPARISON_REPORT"] if row["kind"] == "dense")
    times = [row["time_us"] for row in apart["COMPARISON_REPORT"] if row["kind"] == "dense"]
    assert dense["time_us"] == pytest.approx(sum(times) / 6)
    assert dense["speedup"] == pytest.approx(dense["baseline_us"] / dense["time_us"])
