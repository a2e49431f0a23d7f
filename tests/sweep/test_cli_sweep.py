"""``eie-sim sweep`` as a user types it: a sweep is run, looked at and exported; what is wrong is one line."""

import csv
import json

import pytest

from eie_sim.cli.app import app
from eie_sim.sweep.columns import INPUTS, METRICS
from eie_sim.sweep.store import EXPORTED, Store
from tests.command_line import call, error_line
from tests.extras import needs
from tests.report.pages import Parsed
from tests.sweep import tiny

AXES = {"workload": ["a.eie", "b.eie"], "n_pe": [2, 4], "clock_hz": [4e8, 8e8], "baseline": "Titan X dense"}


@pytest.fixture
def sweep(monkeypatch):
    """``sweep("run", "a.toml")`` -> exit_code, stdout, stderr."""
    monkeypatch.delenv("COLUMNS", raising=False)
    return lambda *arguments: call(app, "sweep", *arguments)


@pytest.fixture
def fails(sweep):
    """The one line of error."""
    return lambda *arguments: error_line(sweep(*arguments), "eie-sim")


def folder_of(path):
    tiny.a_file(path / "a.eie", 1)
    tiny.a_file(path / "b.eie", 2)
    return path


@pytest.fixture
def folder(tmp_path):
    """Two files and a space of eight points."""
    tiny.toml(folder_of(tmp_path) / "small.toml", **AXES)
    return tmp_path


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A store of the same eight points, which nobody changes."""
    folder = folder_of(tmp_path_factory.mktemp("done"))
    result = call(app, "sweep", "run", tiny.toml(folder / "small.toml", **AXES), "--jobs", 1)
    assert result.exit_code == 0, result.stderr
    return folder / "small.sqlite"


def shown(result):
    """What a command that ended well wrote."""
    assert result.exit_code == 0, result.stderr
    return result.stdout


def told(result):
    return json.loads(shown(result))


def rows_of(store):
    with Store(store) as opened:
        return list(opened.rows(EXPORTED))


# run ------------------------------------------------------------------------------------------------------------------


def test_a_sweep_is_run_into_a_store_beside_it(sweep, folder):
    text = shown(sweep("run", folder / "small.toml", "--jobs", 1))
    assert "8 points: 0 were there, 8 computed with 4 simulations in " in text
    assert "; 0 failed." in text
    assert f"8 rows in {folder / 'small.sqlite'}" in text
    assert [row["status"] for row in rows_of(folder / "small.sqlite")] == ["done"] * 8


def test_run_again_it_computes_nothing(sweep, folder):
    arguments = ("run", folder / "small.toml", "--jobs", 1, "--store", folder / "mine.sqlite", "--json")
    first, second = (told(sweep(*arguments)) for _ in range(2))
    assert {name: first[name] for name in ("points", "there", "done", "failed", "simulated", "rows")} == {
        "points": 8,
        "there": 0,
        "done": 8,
        "failed": 0,
        "simulated": 4,
        "rows": 8,
    }
    assert (second["there"], second["done"], second["simulated"], second["rows"]) == (8, 0, 0, 8)
    assert second["store"] == str(folder / "mine.sqlite")
    assert not (folder / "small.sqlite").exists()


def test_a_larger_space_computes_what_is_new(sweep, folder):
    shown(sweep("run", folder / "small.toml", "--jobs", 1))
    tiny.toml(folder / "small.toml", **{**AXES, "n_pe": [2, 4, 8]})
    found = told(sweep("run", folder / "small.toml", "--jobs", 1, "--json"))
    assert (found["points"], found["there"], found["done"], found["rows"]) == (12, 8, 4, 12)


def test_points_that_fail_are_told_with_their_error_and_can_be_tried_again(sweep, folder):
    tiny.toml(folder / "small.toml", workload="a.eie", n_pe=[2, 4], weight_bits=[4, 5])
    result = sweep("run", folder / "small.toml", "--jobs", 1)
    assert "4 points: 0 were there, 2 computed" in shown(result)
    assert "; 2 failed." in result.stdout
    assert "2 points failed: " in result.stderr
    assert "weight_bits" in result.stderr
    found = told(sweep("run", folder / "small.toml", "--jobs", 1, "--json"))
    assert (found["there"], found["failed"]) == (4, 2)
    found = told(sweep("run", folder / "small.toml", "--jobs", 1, "--retry-failed", "--json"))
    assert (found["there"], found["done"], found["failed"], found["rows"]) == (2, 0, 2, 4)


def test_files_of_a_space_lie_beside_it_wherever_it_is_run(sweep, folder, tmp_path_factory, monkeypatch):
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert told(sweep("run", folder / "small.toml", "--jobs", 1, "--json"))["done"] == 8


def test_ctrl_c_says_how_to_go_on(sweep, folder, monkeypatch):
    from eie_sim.sweep import run

    def interrupted(*_arguments, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "run_sweep", interrupted)
    result = sweep("run", folder / "small.toml")
    assert result.exit_code == 130
    assert f"interrupted; what is done is in {folder / 'small.sqlite'}, and the same command goes on" in result.stderr


# A dry run ------------------------------------------------------------------------------------------------------------


def test_a_dry_run_counts_and_estimates_and_writes_nothing(sweep, folder):
    before = sorted(folder.iterdir())
    text = shown(sweep("run", folder / "small.toml", "--dry-run"))
    assert "8 points, 0 of them in " in text
    assert "8 missing, which need 4 simulations." in text
    assert "About " in text
    found = told(sweep("run", folder / "small.toml", "--dry-run", "--json"))
    assert found.pop("seconds_of_one_process") >= 0
    assert found == {"points": 8, "there": 0, "failed": 0, "missing": 8, "simulations": 4}
    assert sorted(folder.iterdir()) == before


def test_a_dry_run_knows_what_is_there(sweep, folder):
    shown(sweep("run", folder / "small.toml", "--jobs", 1))
    before = rows_of(folder / "small.sqlite")
    tiny.toml(folder / "small.toml", **{**AXES, "n_pe": [2, 4, 8]})
    found = told(sweep("run", folder / "small.toml", "--dry-run", "--json"))
    assert (found["points"], found["there"], found["missing"], found["simulations"]) == (12, 8, 4, 2)
    assert rows_of(folder / "small.sqlite") == before


def test_a_dry_run_of_what_is_all_there_takes_no_time(sweep, done):
    found = told(sweep("run", done.with_suffix(".toml"), "--dry-run", "--json"))
    assert (found["missing"], found["simulations"], found["seconds_of_one_process"]) == (0, 0, 0)


# query ----------------------------------------------------------------------------------------------------------------


def test_a_query_shows_what_varies_and_the_main_figures(sweep, done):
    result = sweep("query", done)
    heading = shown(result).splitlines()[0]
    assert all(name in heading for name in ("workload", "n_pe", "clock_hz", "cycles", "time_us"))
    assert "baseline" not in heading
    assert "8 rows." in result.stdout + result.stderr


def test_a_query_gives_all_columns_of_all_rows_as_json(sweep, done):
    assert told(sweep("query", done, "--json", "--limit", 2)) == rows_of(done)


def test_a_query_picks_sorts_and_limits(sweep, done):
    arguments = ("query", done, "--where", "n_pe == 4", "--where", "clock_hz > 5e8", "--columns", "workload, time_us")
    found = told(sweep(*arguments, "--sort", "-time_us", "--json"))
    expected = [row for row in rows_of(done) if row["n_pe"] == 4 and row["clock_hz"] > 5e8]
    expected.sort(key=lambda row: -row["time_us"])
    assert found == [{name: row[name] for name in ("workload", "time_us")} for row in expected]
    assert len(found) == 2
    result = sweep("query", done, "--sort", "cycles", "--columns", "cycles", "--limit", 3)
    cycles = sorted(row["cycles"] for row in rows_of(done))
    assert [int(line.replace(",", "")) for line in shown(result).split() if line.replace(",", "").isdigit()][
        :3
    ] == cycles[:3]
    assert "8 rows, the first 3 of them." in result.stdout + result.stderr


def test_a_query_that_nothing_meets_is_an_empty_list(sweep, done):
    assert told(sweep("query", done, "--where", "n_pe > 1000", "--json")) == []


def test_a_query_that_nothing_meets_shows_no_rows(sweep, done):
    result = sweep("query", done, "--where", "n_pe > 1000")
    assert "0 rows." in shown(result) + result.stderr


def test_rows_without_a_value_are_sorted_last(sweep, folder):
    tiny.toml(folder / "small.toml", workload="a.eie", n_pe=[2, 4], weight_bits=[5, 4])
    sweep("run", folder / "small.toml", "--jobs", 1)
    for sort in ("cycles", "-cycles"):
        found = told(sweep("query", folder / "small.sqlite", "--sort", sort, "--columns", "status,error", "--json"))
        assert [row["status"] for row in found] == ["done", "done", "failed", "failed"]
        assert "weight_bits" in found[-1]["error"]


# best and pareto ------------------------------------------------------------------------------------------------------


def test_the_best_machines_come_first(sweep, done):
    found = told(sweep("best", done, "--by", "latency", "--json"))
    assert len(found) == 4
    assert (found[0]["n_pe"], found[0]["clock_hz"]) == (4, 8e8)
    assert [one["time_us"] for one in found] == sorted(one["time_us"] for one in found)
    a, b = (r["time_us"] for r in rows_of(done) if (r["n_pe"], r["clock_hz"]) == (4, 8e8))
    assert found[0]["time_us"] == pytest.approx((a * b) ** 0.5)
    assert {one["rows"] for one in found} == {2}


def test_what_is_better_when_larger_comes_first_too(sweep, done):
    (one,) = told(sweep("best", done, "--by", "speedup", "--count", 1, "--json"))
    assert (one["n_pe"], one["clock_hz"]) == (4, 8e8)


def test_the_best_of_those_that_meet_a_condition(sweep, done):
    found = told(sweep("best", done, "--where", "n_pe < 4 and area_mm2 < 50", "--json"))
    assert {one["n_pe"] for one in found} == {2}
    result = sweep("best", done, "--where", "n_pe < 4")
    assert "clock_hz" in shown(result)
    assert "2 of 2 machines; geometric means over the 2 workloads and seeds of each." in result.stdout + result.stderr


def test_the_conditions_of_the_sweep_hold_for_what_is_shown(sweep, folder):
    space = folder / "small.toml"
    space.write_text('where = ["time_us < 1e9", "n_rows > 60 or clock_hz > 5e8 and cycles > 0"]\n' + space.read_text())
    shown(sweep("run", space, "--jobs", 1))
    assert len(rows_of(folder / "small.sqlite")) == 8
    found = told(sweep("best", folder / "small.sqlite", "--json"))
    assert {one["clock_hz"] for one in found} == {8e8}


def test_the_front_is_of_machines_that_no_other_beats(sweep, done):
    found = told(sweep("pareto", done, "--objectives", "latency, area", "--json"))
    assert {(one["n_pe"], one["clock_hz"]) for one in found} == {(2, 8e8), (4, 8e8)}
    assert [one["time_us"] for one in found] == sorted(one["time_us"] for one in found)
    result = sweep("pareto", done)
    assert "machines" in shown(result) + result.stderr


def test_the_best_for_one_workload(sweep, done):
    found = told(sweep("best", done, "--where", "workload == 'a.eie'", "--json"))
    assert len(found) == 4
    assert {one["rows"] for one in found} == {1}


# export ---------------------------------------------------------------------------------------------------------------


def test_an_export_to_csv(sweep, done, tmp_path):
    result = sweep("export", done, "--out", tmp_path / "a.csv")
    assert result.exit_code == 0
    assert f"wrote 8 rows to {tmp_path / 'a.csv'}" in result.stderr
    with (tmp_path / "a.csv").open(newline="") as file:
        assert [row["key"] for row in csv.DictReader(file)] == [row["key"] for row in rows_of(done)]
    sweep("export", done, "--out", tmp_path / "b.CSV")
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.CSV").read_bytes()


def test_an_export_to_parquet(sweep, done, tmp_path):
    needs("pandas", "parquet")
    parquet = needs("pyarrow.parquet", "parquet")
    assert sweep("export", done, "--out", tmp_path / "a.parquet").exit_code == 0
    assert parquet.read_table(tmp_path / "a.parquet").to_pylist() == rows_of(done)


@pytest.mark.compiled_only
@pytest.mark.slow
def test_two_processes_export_the_same_bytes_as_one(sweep, folder):
    exports = []
    for jobs in (1, 2):
        store = folder / f"{jobs}.sqlite"
        assert told(sweep("run", folder / "small.toml", "--jobs", jobs, "--store", store, "--json"))["done"] == 8
        sweep("export", store, "--out", folder / "out.csv")
        exports.append((folder / "out.csv").read_bytes())
    assert exports[0] == exports[1]


# Errors ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[axes]\nworkload = 'a.eie'\nn_pes = 3\n", "small.toml: axes: unknown 'n_pes'; there are workload"),
        ("[axes]\nn_pe = 3\n", "small.toml: axes: workload is missing"),
        ("[axes]\nworkload = 'c.eie'\n", "c.eie"),
        ("[axes]\nworkload = 'Alex-9'\n", "workload: 'Alex-9', but it must be one of Alex-6"),
        ("[axes]\nworkload = 'a.eie'\nn_pe = 0\n", "axes: n_pe: 0"),
        ("[axes]\nworkload = 'a.eie'\nbaseline = 'Titan'\n", "baseline: 'Titan', but it must be a device"),
        ("where = ['n_pe > 64']\n[axes]\nworkload = 'a.eie'\n", "no point of the space meets 'n_pe > 64'"),
        ("where = ['n_pe.real']\n[axes]\nworkload = 'a.eie'\n", "condition 'n_pe.real': 'n_pe.real' is not allowed"),
        ("arch = 'none.toml'\n[axes]\nworkload = 'a.eie'\n", "none.toml"),
        ("[axes", "small.toml: not a TOML file: "),
    ],
)
@pytest.mark.parametrize("dry", [(), ("--dry-run",)], ids=["run", "dry"])
def test_a_wrong_space_is_one_line_before_anything_runs(fails, folder, text, message, dry):
    (folder / "small.toml").write_text(text)
    assert message in fails("run", folder / "small.toml", "--jobs", 1, *dry)


def test_a_wrong_space_leaves_no_store(fails, folder):
    tiny.toml(folder / "small.toml", workload="none.eie")
    fails("run", folder / "small.toml")
    assert not (folder / "small.sqlite").exists()


def test_a_cluster_brings_its_own_workers(fails, folder):
    line = fails("run", folder / "small.toml", "--dask", "tcp://127.0.0.1:1", "--jobs", 2)
    assert line.startswith("--dask and --jobs: ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("query", "{}", "--where", "n_pes > 1"), "condition 'n_pes > 1': unknown name 'n_pes'"),
        (("query", "{}", "--where", "workload > 1"), "condition 'workload > 1': "),
        (("query", "{}", "--columns", "n_pes"), "column 'n_pes': there are key, workload"),
        (("query", "{}", "--sort", "n_pes"), "column 'n_pes': there are key, workload"),
        (("best", "{}", "--by", "n_pe"), "'n_pe': is no metric; there are latency"),
        (("best", "{}", "--where", "n_pe > 1000"), "no machine meets n_pe > 1000"),
        (("best", "{}", "--where", "__import__('os')"), "unknown function '__import__'"),
        (("pareto", "{}", "--objectives", "latency"), "--objectives: 'latency', but a front is between two metrics"),
        (("pareto", "{}", "--objectives", "latency,time_us"), "a front is between two metrics at least"),
        (("pareto", "{}", "--objectives", "latency,speed"), "'speed': is no metric"),
        (("export", "{}", "--out", "a.xlsx"), "--out: a.xlsx, but its name must end in .csv or .parquet"),
        (("export", "{}", "--out", "/none/a.csv"), "/none/a.csv"),
    ],
)
def test_what_is_wrong_with_a_question_is_one_line(fails, done, arguments, message):
    assert message in fails(*(str(done) if one == "{}" else one for one in arguments))


@pytest.mark.parametrize("command", [("query",), ("best",), ("pareto",), ("export", "--out", "a.csv")])
def test_what_is_no_store_is_one_line(fails, tmp_path, command):
    assert "none.sqlite" in fails(*command, tmp_path / "none.sqlite")
    assert not (tmp_path / "none.sqlite").exists()
    (tmp_path / "text.sqlite").write_text("no store\n" * 1000)
    assert fails(*command, tmp_path / "text.sqlite").endswith("text.sqlite: is no store of a sweep")


def test_every_column_is_explained():
    from eie_sim.sweep.columns import definition

    assert all(definition(name)["definition"] for name in (*INPUTS, *METRICS))


def test_a_changed_file_is_judged_alone_and_not_with_what_it_was_before(sweep, folder):
    space = tiny.toml(folder / "one.toml", workload="a.eie", n_pe=[2, 4])
    shown(sweep("run", space, "--jobs", 1))
    before = told(sweep("best", folder / "one.sqlite", "--json"))
    tiny.a_file(folder / "a.eie", 7)
    shown(sweep("run", space, "--jobs", 1))
    after = told(sweep("best", folder / "one.sqlite", "--json"))
    assert [one["rows"] for one in after] == [1, 1]
    assert {one["energy_nj"] for one in after}.isdisjoint(one["energy_nj"] for one in before)
    assert [one["rows"] for one in told(sweep("best", folder / "one.sqlite", "--json", "--all-sweeps"))] == [2, 2]


def test_one_calibration_is_judged_by_and_the_others_are_named(sweep, folder):
    space = tiny.toml(folder / "two.toml", workload="a.eie", n_pe=[2, 4], calibration=["bottom-up", "table2-8cycle"])
    shown(sweep("run", space, "--jobs", 1))
    result = sweep("best", folder / "two.sqlite", "--json")
    assert [one["calibration"] for one in json.loads(result.stdout)] == ["bottom-up"] * 2
    assert "by calibration bottom-up; for others (table2-8cycle) give a condition" in result.stderr
    other = told(sweep("best", folder / "two.sqlite", "--json", "--where", "calibration == 'table2-8cycle'"))
    assert [one["calibration"] for one in other] == ["table2-8cycle"] * 2


def test_machines_without_an_area_can_be_best_by_something_else(sweep, folder):
    space = tiny.toml(
        folder / "s.toml", workload="a.eie", n_pe=[2, 4], technology_nm=28.0, scaling_rule="deepscaletool"
    )
    shown(sweep("run", space, "--jobs", 1))
    found = told(sweep("best", folder / "s.sqlite", "--json"))
    assert [one["area_mm2"] for one in found] == [None, None]
    assert "-" in shown(sweep("best", folder / "s.sqlite"))


def test_points_that_failed_are_told_where_machines_are_judged(sweep, folder):
    space = tiny.toml(folder / "f.toml", workload=["a.eie", "a.eie#nowhere"], n_pe=[2, 4])
    sweep("run", space, "--jobs", 1)
    result = sweep("best", folder / "f.sqlite")
    assert "2 of 4 points failed and count nowhere" in result.stderr


def test_machines_that_ran_different_things_are_not_compared_and_why_is_told(sweep, fails, folder):
    (folder / "p.toml").write_text('[[point]]\nworkload = "a.eie"\nn_pe = 2\n[[point]]\nworkload = "b.eie"\nn_pe = 4\n')
    shown(sweep("run", folder / "p.toml", "--jobs", 1))
    assert "no machine ran every workload and seed that the others ran" in fails("best", folder / "p.sqlite")
    assert len(told(sweep("best", folder / "p.sqlite", "--json", "--where", "workload == 'a.eie'"))) == 1


def test_a_dry_run_counts_what_failed_when_it_is_to_be_tried_again(sweep, folder):
    space = tiny.toml(folder / "f.toml", workload="a.eie#nowhere", n_pe=[2, 4])
    sweep("run", space, "--jobs", 1)
    found = told(sweep("run", space, "--dry-run", "--json"))
    assert (found["missing"], found["failed"]) == (0, 2)
    assert "(2 failed before; --retry-failed computes them again)" in shown(sweep("run", space, "--dry-run"))
    assert told(sweep("run", space, "--dry-run", "--retry-failed", "--json"))["missing"] == 2


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_a_sweep_whose_points_all_fail_has_failed(sweep, folder, options):
    space = tiny.toml(folder / "f.toml", workload="a.eie", n_pe=[2, 4], weight_bits=[5])
    for _ in range(2):  # computed, and then there already
        result = sweep("run", space, "--jobs", 1, *options)
        assert result.exit_code == 1
        assert result.stderr.count("points failed") == 1
        assert (
            "all 2 points failed, the most with: weight_bits: layer 'fc' is packed for 4, but the machine has 5 (set "
            "weight_bits = 4)"
        ) in result.stderr


def test_a_search_without_any_value_says_so(sweep, folder):
    needs("optuna", "search")
    space = tiny.toml(folder / "n.toml", workload="a.eie", n_pe=[2, 4])
    result = sweep("search", space, "--objectives", "speedup", "--trials", "4")
    assert result.exit_code == 0
    assert "no machine that was tried has a value above 0 of speedup" in result.stderr


def test_the_conditions_of_a_search_hold_for_what_is_shown_of_it(sweep, folder):
    needs("optuna", "search")
    (folder / "w.toml").write_text('where = ["area_mm2 < 1.5"]\n[axes]\nworkload = "a.eie"\nn_pe = [1, 2, 4]\n')
    shown(sweep("search", folder / "w.toml", "--trials", "12"))
    assert all(one["area_mm2"] < 1.5 for one in told(sweep("best", folder / "w.sqlite", "--json")))


# html -----------------------------------------------------------------------------------------------------------------


def test_a_page_holds_every_machine_and_the_metrics_asked_for(sweep, done, tmp_path):
    page = tmp_path / "page.html"
    assert sweep("html", done, "--out", page, "--metrics", "gops").exit_code == 0
    data = json.loads(Parsed(page.read_text(encoding="utf-8")).contents["sweep-data"])
    assert [one["name"] for one in data["metrics"]] == ["time_us", "energy_nj", "area_mm2", "gops"]
    assert data["axes"] == ["n_pe", "clock_hz"]
    assert len(data["metrics"][0]["values"]) == 4
    first = page.read_bytes()
    assert sweep("html", done, "--out", page, "--metrics", "gops").exit_code == 0
    assert page.read_bytes() == first


def test_what_is_wrong_with_a_page_is_one_line(fails, done, tmp_path):
    page = tmp_path / "page.html"
    assert fails("html", done, "--out", page, "--objectives", "area").startswith("--objectives: 'area', but a front")
    assert fails("html", done, "--out", page, "--metrics", "beauty").startswith("'beauty': is no metric")
    assert "no such folder" in fails("html", done, "--out", tmp_path / "none" / "page.html")
    assert not page.exists()
