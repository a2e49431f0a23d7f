"""The spaces in `benchmarks/sweeps`, and the benchmarks of sweeps on a small scale."""

import shutil
from pathlib import Path

import pytest

from benchmarks import sweep_overhead, sweep_scale, sweep_search
from benchmarks.harness import command
from eie_sim.paper import FIG_8
from eie_sim.sweep.plan import plan
from eie_sim.sweep.run import run_sweep
from eie_sim.sweep.space import Space
from eie_sim.sweep.store import Store
from tests.extras import needs
from tests.sweep.tiny import a_file

FOLDER = Path(__file__).parents[2] / "benchmarks" / "sweeps"
FILES = sorted(path.name for path in FOLDER.glob("*.toml"))


def test_there_are_spaces_for_the_figures_and_for_a_model_of_ones_own():
    assert FILES == ["fig11_12_13.toml", "fig8.toml", "fig9.toml", "nodes_and_pes.toml", "your_model.toml"]


@pytest.mark.parametrize("name", FILES)
def test_a_ready_made_space_has_points_that_can_be_run(name, tmp_path):
    shutil.copy(FOLDER / name, tmp_path / name)
    a_file(tmp_path / "model.eie")
    planned = plan(Space.from_toml(tmp_path / name), None)
    assert planned.distinct == len(planned.points) >= 192
    assert not any(isinstance(machine, str) for machine in planned.machines)


@pytest.mark.compiled_only
def test_the_sweep_of_fig_8_gives_the_load_balance_of_the_figure(tmp_path):
    figure = Space.from_toml(FOLDER / "fig8.toml")
    part = Space(axes={**figure.axes, "workload": "NT-We", "fit": "all_points", "seed": [0, 1]})
    run_sweep(part, tmp_path / "s.sqlite", jobs=1)
    with Store(tmp_path / "s.sqlite") as store:
        rows = list(store.rows(("act_queue_depth", "load_balance")))
    for row in rows:
        if row["act_queue_depth"] > 1:
            assert 100 * row["load_balance"] == pytest.approx(FIG_8.given("NT-We", row["act_queue_depth"]), abs=4)
    assert len(rows) == 2 * 9


@pytest.mark.compiled_only
def test_the_overhead_is_measured_beside_the_same_calls(capsys):
    arguments = ["--rows", "50", "--repeats", "1", "--json"]
    options = (sweep_overhead.__doc__, sweep_overhead.measure, arguments, sweep_overhead.add_options)
    assert command("sweep_overhead", *options) == 0
    assert '"simulations": 10' in capsys.readouterr().out


def test_the_large_sweep_has_the_rows_and_simulations_that_it_is_to_have():
    whole = plan(sweep_scale.space(100_000), None)
    assert whole.distinct >= 100_000
    assert whole.simulations() >= sweep_scale.LEAST_SIMULATIONS
    assert plan(sweep_scale.space(500), None).distinct == pytest.approx(500, rel=0.02)


def test_the_space_that_is_searched_is_large_enough():
    needs("optuna", "search")
    assert len(sweep_search.SPACE.points()) >= 2000
