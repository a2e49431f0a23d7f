"""The page of the studies beyond the paper."""

import csv

import pytest

from benchmarks import beyond
from benchmarks.harness import command
from benchmarks.studies import networks, sram_sizes
from benchmarks.studies.study import REAL, Bench, Gain, saved_pct, write_page
from eie_sim import run_network, simulate

pytestmark = [pytest.mark.slow, pytest.mark.compiled_only]  # on layers of full size

LAYERS = ("NT-We", "NT-LSTM")


@pytest.fixture(scope="module")
def bench():
    return Bench.of(0, None, LAYERS)


@pytest.mark.parametrize("name", beyond.OF_LAYERS)
def test_every_study_gives_rows_of_each_layer_a_picture_and_what_would_be_gained(name, bench, tmp_path):
    study = beyond.studied(name, bench)
    assert study.name == name
    assert {str(row[0]) for row in study.rows} >= set(LAYERS)
    assert all(set(gain.cycles) == set(LAYERS) and all(r > 0 for r in gain.cycles.values()) for gain in study.gains)
    assert study.gains
    written = write_page([study], tmp_path, "a note")
    assert sorted(path.name for path in written) == sorted(["README.md", f"{name}.csv", f"{name}.png"])
    with (tmp_path / f"{name}.csv").open(encoding="utf-8") as file:
        heading, *rows = csv.reader(file)
    assert tuple(heading) == study.columns
    assert {len(row) for row in [*study.rows, *rows]} == {len(study.columns)}
    page = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert f"]({name}.png)" in page
    assert study.gains[0].change in page


def test_the_gates_of_an_lstm_are_a_row_of_their_own(bench):
    rows = {(row[0], row[1]): row for row in beyond.studied("orders", bench).rows}
    assert rows["NT-LSTM, units together", "by columns"][-1] <= 24
    assert rows["NT-LSTM", "as it is"][3] == "0"


def test_the_study_of_networks_shows_each_on_every_size_and_number_of_chips(bench, tmp_path, monkeypatch):
    monkeypatch.setattr(networks, "LSTM_UNITS", 40)
    monkeypatch.setattr(sram_sizes, "squeezenet", lambda *given: networks.matrices(bench.workloads, LAYERS, given[1]))
    study = beyond.studied("sram_sizes", bench)
    assert {row[:2] for row in study.rows} == {(name, n) for name in ("SqueezeNet", "LSTM") for n in sram_sizes.N_CHIPS}
    loaded = [float(row[study.columns.index("loaded bytes")]) for row in study.rows if row[:2] == ("SqueezeNet", 1)]
    assert loaded[0] > 0 == loaded[-1]
    assert [set(gain.cycles) for gain in study.gains] == [{"SqueezeNet", "LSTM"}] * 2
    written = write_page([study], tmp_path, "a note")
    assert {path.name for path in written} == {"README.md", "sram_sizes.csv", "sram_sizes.png"}


def test_published_layers_as_a_network_take_the_cycles_that_each_takes_alone(bench):
    benched = networks.matrices(bench.workloads, LAYERS, bench.arch)
    result = run_network(benched.plan, benched.inputs)
    for name, node in result.nodes.items():
        workload = bench.workloads[name]
        assert node.cycles == simulate(workload.layer, workload.acts, benched.plan.arch).cycles


def test_squeezenet_is_drawn_with_the_published_density_where_the_authors_is_not_here(bench):
    plan = networks.squeezenet(None, bench.arch, 0).plan
    assert len(plan.nodes) == 26
    kept, weights = (sum(sum(getattr(node, what)) for node in plan.nodes.values()) for what in ("n_kept", "n_weights"))
    assert kept / weights == pytest.approx(0.33, abs=0.01)


def test_a_gain_is_the_geometric_mean_over_the_layers():
    gain = Gain("less", {"a": 0.5, "b": 0.5, "c": 0.25, REAL: 8.0}, {}, "nothing")
    assert saved_pct({"a": 0.5, "b": 2.0}) == pytest.approx(0)
    assert gain.cells() == ("less", "0.397", "a 0.500, c 0.250", "no price", "nothing")


def test_the_command_writes_the_page(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(beyond, "STUDIES", ("empty_columns",))
    of = Bench.of
    monkeypatch.setattr(Bench, "of", lambda seed, alex8: of(seed, alex8, LAYERS))
    arguments = ["--out", str(tmp_path / "page"), "--json"]
    assert command("beyond", beyond.__doc__, beyond.measure, arguments, beyond.add_options) == 0
    assert (tmp_path / "page" / "README.md").is_file()
    assert "empty columns take no cycle, 64 PEs" in capsys.readouterr().out
