"""``python -m benchmarks.views_speed`` on a small layer: what it draws and looks at, and where its layers come from."""

import json

import pytest

from benchmarks import views_speed
from benchmarks.harness import command
from eie_sim.report import plots
from eie_sim.workload import random_layer


@pytest.fixture
def small(monkeypatch):
    """Small layers in place of the published ones."""

    def drawn(name, seed):
        return random_layer(200, 128, weight_density=0.1, act_density=0.5, n_pe=64, seed=seed, name=name)

    monkeypatch.setattr(views_speed, "calibrated_layer", drawn)
    monkeypatch.setattr(views_speed, "page", lambda _folder: (1.0, 2.0))


def test_it_draws_three_pictures_and_looks_at_every_view(small, capsys):
    arguments = ["--json", "--repeats", "1"]
    assert command("views_speed", None, views_speed.measure, arguments, add_small_options) == 0
    report = json.loads(capsys.readouterr().out)
    assert [figure["bar"] for figure in report["figures"]] == [3.0, 0.5, 8.0, 3.0]
    assert [row["what"] for row in report["tables"]["pictures"]] == ["utilisation", "queues", "stalls"]
    assert len(report["tables"]["derived views"]) == 10
    for figure, table in zip(report["figures"][:2], ("pictures", "derived views"), strict=True):
        assert figure["value"] * 1e3 == pytest.approx(sum(row["median ms"] for row in report["tables"][table]))


def add_small_options(parser):
    views_speed.add_options(parser)
    parser.set_defaults(alex8=None)


def test_the_pictures_are_those_of_a_reader(small, tmp_path):
    layer, result = views_speed.run(views_speed.alex8(None))
    for draw in views_speed.pictures(layer, result, tmp_path).values():
        draw()
    assert {path.name for path in tmp_path.iterdir()} == {"utilisation.png", "queues.png", "stalls.png"}
    stalls = plots.stall_breakdown(views_speed.figures.stall_breakdown(result, layer))
    assert (tmp_path / "stalls.png").read_bytes() == plots.as_png(stalls)
