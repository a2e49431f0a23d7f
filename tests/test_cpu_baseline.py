"""The figures of `benchmarks.cpu_baseline`, from measurements with known numbers."""

import pytest

from benchmarks import cpu_baseline
from benchmarks.cpu_baseline import eie_us, paper_ratio, report
from benchmarks.harness import command, geometric_mean
from eie_sim.paper import LAYERS
from eie_sim.workload import calibrated_layer
from tests.baselines.measurements import a_measurement

EIE = {"NT-We": 2.0, "NT-LSTM": 5.0}


def figures(**changes):
    found = report(a_measurement(layers=tuple(EIE), **changes), EIE)
    return {(figure.name, figure.side): figure for figure in found.figures}, found


def test_the_paper_has_2_97_at_batch_1_and_0_28_at_batch_64():
    assert geometric_mean([paper_ratio(layer) for layer in LAYERS]) == pytest.approx(2.97, abs=0.01)
    assert geometric_mean([paper_ratio(layer, 64) for layer in LAYERS]) == pytest.approx(0.28, abs=0.005)


def test_the_geometric_mean_has_two_bars_and_a_spread():
    found, whole = figures()
    name = "numpy-dense / scipy-csr, geometric mean"
    for side, bar in (("at least", 1.5), ("at most", 6)):
        figure = found[name, side]
        assert (figure.value, figure.bar, figure.met) == (pytest.approx(3), bar, True)
        assert "samples drawn again: 3.00 to 3.00; paper" in figure.note
    assert whole.met


@pytest.mark.parametrize(("dense_us", "side"), [(14.0, "at least"), (61.0, "at most")])
def test_a_ratio_outside_the_bars_is_a_miss(dense_us, side):
    found, whole = figures(us=lambda _layer, method: dense_us if method == "numpy-dense" else 10.0)
    assert not found["numpy-dense / scipy-csr, geometric mean", side].met
    assert not whole.met


def test_the_speed_up_of_eie_is_a_geometric_mean():
    found, _ = figures()
    assert found["EIE speed-up over numpy-dense", "at most"].value == pytest.approx((15 * 6) ** 0.5)
    assert found["EIE speed-up over numba-csc", "at most"].value == pytest.approx((2.5 * 1) ** 0.5)


@pytest.mark.parametrize("samples", [0, 19])
def test_too_few_samples_are_a_miss_that_names_the_cell(samples):
    found, whole = figures(samples=samples)
    quiet = found["fewest quiet samples of a cell", "at least"]
    assert (quiet.value, quiet.met) == (samples, False)
    assert quiet.note == "NT-We numpy-dense, batch 1, 1 thread, cold"
    assert not whole.met


def test_the_layers_stand_beside_the_paper():
    tables = {table.title: table for table in figures()[1].tables}
    table = tables["Batch 1, 1 thread, cold caches: numpy-dense and scipy-csr"]
    assert table.rows[0][:6] == ("NT-We", 30.0, 605.0, 10.0, 261.2, 3.0)
    assert table.rows[0][7:] == (2.32, 2.0, 15.0)
    assert "Median us of one input vector: batch 1, 1 thread, cold" in tables


def test_without_a_sparse_library_nothing_is_met():
    measurement = a_measurement(layers=tuple(EIE))
    kept = [method for method in measurement.methods if method.name != "scipy-csr"]
    cells = [cell for cell in measurement.cells if cell.method != "scipy-csr"]
    found = report(
        a_measurement(layers=tuple(EIE), methods=kept, cells=cells, absent={"scipy": "pip install 'eie-sim[cpu]'"}), EIE
    )
    assert not found.met
    assert "eie-sim[cpu]" in found.figures[0].note


@pytest.mark.compiled_only
def test_the_time_of_eie_is_simulated():
    batch = calibrated_layer("NT-We", n_vectors=2)
    assert eie_us(batch) == pytest.approx(8.0, rel=0.1)


@pytest.mark.compiled_only
def test_the_benchmark_is_a_command(monkeypatch, capsys):
    monkeypatch.setattr(cpu_baseline, "measure_cpu", lambda *_a, **_m: a_measurement(layers=("NT-We",)))
    arguments = ["--layers", "NT-We", "--json"]
    assert command("cpu_baseline", "", cpu_baseline.measure, arguments, cpu_baseline.add_options) == 0
    assert '"met": true' in capsys.readouterr().out


def test_an_unknown_layer_is_an_error_of_usage():
    with pytest.raises(SystemExit):
        command("cpu_baseline", "", cpu_baseline.measure, ["--layers", "Alex-9"], cpu_baseline.add_options)
