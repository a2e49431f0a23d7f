"""The tables and figures made again: what they are judged by, and that nothing is passed over."""

import argparse
import math
from pathlib import Path

import numpy as np
import pytest

from benchmarks import __main__ as benchmarks_main
from benchmarks.harness import found_alex8
from benchmarks.paper import fig10, judge, table1, table2
from benchmarks.paper.bench import Bench, Machine, results_on, unkept_reads
from benchmarks.paper.judge import Tolerance, judged, tolerances
from benchmarks.paper.reproduced import Point, Reproduced, absolute, beside, beyond_print, point_measures
from benchmarks.paper.table5 import _half_digit
from compressor import pack_codes
from eie_sim.paper import FIG_8, QUEUE_DEPTHS, SPMAT_WIDTHS_BITS
from eie_sim.report import plots
from eie_sim.report.figures import DotPanel, DotPanels, DotRow


def point(here, paper, **changes):
    return Point(**{"row": "a", "column": "1", "here": here, "paper": paper, "unit": "us", **changes})


def item(measures):
    return Reproduced("fig8", FIG_8, (), measures, None)


# Points ---------------------------------------------------------------------------------------------------------------


def test_a_point_knows_how_far_it_is_from_the_paper():
    one = point(103.0, 100.0, error=0.5)
    assert (one.deviation, one.deviation_pct, one.beyond_print_pct) == pytest.approx((3, 3, 2.5))
    assert point(100.4, 100.0, error=0.5).beyond_print_pct == 0


def test_a_point_that_the_paper_does_not_give_has_no_deviation():
    one = point(103.0, None)
    assert (one.deviation, one.deviation_pct, one.beyond_print_pct) == (None, None, None)
    assert one.cells()[4:8] == (None, "0", None, None)


def test_what_is_not_judged_does_not_count():
    points = [point(1.0, 2.0), point(9.0, 2.0, judged=False), point(3.0, None)]
    assert absolute(points) == [1.0]
    assert beyond_print(points) == 50
    assert point_measures([point(1.0, 2.0), point(5.0, 2.0, row="b")], "fit") == {
        "fit: mean": 2.0,
        "fit: worst row's mean": 3.0,
    }


def test_rows_stand_beside_the_published_columns():
    points = beside(FIG_8, {"VGG-7": range(9)}, "here", apart=lambda _row, depth: "apart" if depth == 1 else "")
    assert [p.column for p in points] == list(map(str, QUEUE_DEPTHS))
    assert [p.paper for p in points] == list(FIG_8.rows["VGG-7"])
    assert [p.judged for p in points] == [False] + 8 * [True]
    assert points[0].remark == "apart"
    assert {p.error for p in points} == {0.4}


@pytest.mark.parametrize(("printed", "half"), [(162, 0.5), (0.59, 0.005), (5.1, 0.05), (100.0, 0.5)])
def test_printed_digits_leave_half_of_the_last_one_open(printed, half):
    assert _half_digit(printed) == pytest.approx(half)


# Limits ---------------------------------------------------------------------------------------------------------------


def test_every_item_has_limits_and_every_limit_a_reason():
    found = tolerances()
    assert set(found) == set(benchmarks_main.ITEMS)
    assert all(limit.reason and math.isfinite(limit.at_most) for limits in found.values() for limit in limits.values())


def test_a_limit_without_a_reason_is_refused(tmp_path, monkeypatch):
    (tmp_path / "tolerances.toml").write_text('[fig8.mean]\nat_most = 1.0\nreason = ""\n')
    monkeypatch.setattr(judge, "FILE", tmp_path / "tolerances.toml")
    with pytest.raises(ValueError, match="fig8, 'mean': no reason is given"):
        tolerances()


def test_a_measure_without_a_limit_is_refused():
    with pytest.raises(ValueError, match="fig8 has no limit for 'worst'"):
        judged(item({"mean": 0.1, "worst": 0.2}), {"mean": Tolerance(1.0, "why")}, frozenset())


def test_a_limit_whose_measure_was_not_made_is_missed():
    (figure,) = judged(item({}), {"mean": Tolerance(1.0, "why")}, frozenset())
    assert not figure.met


def test_a_measure_that_needs_data_is_named_where_the_data_is_not():
    limits = {"mean": Tolerance(1.0, "why", needs="alex8")}
    (figure,) = judged(item({}), limits, frozenset())
    assert figure.met
    assert figure.note == "not measured: needs the data alex8"
    (figure,) = judged(item({}), limits, frozenset({"alex8"}))
    assert not figure.met
    (figure,) = judged(item({"mean": 1.1}), limits, frozenset())
    assert not figure.met


# The bench ------------------------------------------------------------------------------------------------------------


def test_reads_without_a_kept_row_are_those_of_each_column_alone():
    rng = np.random.default_rng(0)
    codes = (rng.integers(1, 16, (90, 30)) * (rng.random((90, 30)) < 0.4)).astype(np.uint8)
    layer = pack_codes(codes, np.arange(16, dtype=np.float32), n_pe=64)
    acts = (rng.random(30) < 0.5).astype(np.float32)
    machines = [Machine(spmat_width_bits=width) for width in SPMAT_WIDTHS_BITS]
    one_by_one = np.zeros(len(machines), np.int64)
    for column in np.flatnonzero(acts):
        alone = np.zeros(30, np.float32)
        alone[column] = 1
        found = results_on(layer, alone, machines)
        one_by_one += [found[machine].counts.spmat_row_reads.sum() for machine in machines]
    assert unkept_reads(layer, acts) == tuple(one_by_one)


def test_a_layer_is_packed_for_every_number_of_pes():
    layer = pack_codes(np.ones((8, 8), np.uint8), np.arange(16, dtype=np.float32), n_pe=64)
    found = results_on(layer, np.ones(8, np.float32), [Machine(n_pe=2), Machine(n_pe=4, act_queue_depth=2)])
    assert [(r.arch.n_pe, r.arch.act_queue_depth) for r in found.values()] == [(2, 8), (4, 2)]


# Items ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("module", [table1, table2, pytest.param(fig10, marks=pytest.mark.compiled_only)])
def test_an_item_that_needs_no_simulated_layer_is_within_its_limits(module, tmp_path):
    made = module.reproduce(Bench(1, None))
    figures = judged(made, tolerances()[made.name], frozenset())
    assert all(figure.met for figure in figures), figures
    written = made.write(tmp_path)
    assert [path.name for path in written] == [f"{made.name}.{kind}" for kind in ("csv", "md", "png")]
    page = (tmp_path / f"{made.name}.md").read_text()
    assert all(note in page for note in (*made.notes, *made.published.notes))


@pytest.mark.parametrize(
    ("arguments", "items"), [([], benchmarks_main.ITEMS), (["fig8", "table5"], ["fig8", "table5"])]
)
def test_all_items_are_made_unless_some_are_named(arguments, items):
    parser = argparse.ArgumentParser()
    benchmarks_main.add_options(parser)
    assert parser.parse_args(arguments).items == items


def test_the_overview_links_every_item_and_sets_its_measures_beside_their_limits(tmp_path):
    options = argparse.Namespace(items=["table1", "table2"], summary=False, out=tmp_path, seeds=1, alex8=None)
    report = benchmarks_main.measure(options)
    page = (tmp_path / "README.md").read_text(encoding="utf-8")
    for name in options.items:
        assert f"]({name}.md)" in page
    assert all(f"| {figure.name} |" in page and figure.note in page for figure in report.figures)
    assert "| yes |" in page


def test_an_unknown_item_and_a_folder_without_data_are_errors_of_one_line(capsys, tmp_path):
    parser = argparse.ArgumentParser()
    benchmarks_main.add_options(parser)
    for arguments, told in (
        (["fig5"], "'fig5', but it must be one of table1"),
        (["--alex8", str(tmp_path)], "no act.dat"),
    ):
        with pytest.raises(SystemExit):
            parser.parse_args(arguments)
        assert told in capsys.readouterr().err.splitlines()[-1]


def test_dots_stand_in_panels():
    rows = (DotRow("a", {"x": 1.0, "y": 2.0}, 1.5), DotRow("b", {"y": 1e4}, None))
    figure = plots.dot_panels(DotPanels((DotPanel("found", "us", rows),) * 3, "note", columns=2))
    assert [axes.get_title(loc="left") for axes in figure.axes] == 3 * ["found"] + [""]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["paper", "x", "y"]


@pytest.mark.slow
def test_every_table_and_figure_is_within_its_limits(tmp_path):
    options = argparse.Namespace(items=benchmarks_main.ITEMS, summary=False, out=tmp_path, seeds=3, alex8=found_alex8())
    report = benchmarks_main.measure(options)
    assert [figure.name for figure in report.figures if not figure.met] == []
    assert len(list(Path(tmp_path).iterdir())) == 3 * len(benchmarks_main.ITEMS) + 1  # and README.md
