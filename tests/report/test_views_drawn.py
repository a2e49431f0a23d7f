"""Figures of queues, cycles, balance, energy and baselines: the data sum to the counters, and every axis has a unit."""

import re
from dataclasses import replace
from functools import cache
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.font_manager import FontProperties

from eie_sim import ArchConfig, preset, simulate
from eie_sim.baselines.devices import devices
from eie_sim.baselines.roofline import sparse_work
from eie_sim.cost import energy
from eie_sim.report import figures, plots
from eie_sim.report.comparison import run_report
from eie_sim.report.figures.costs import MEAN, WHOLE
from eie_sim.report.plots import cycles, over_time, styles
from eie_sim.report.results_file import LayerFacts, Results
from eie_sim.report.tables import result_row
from eie_sim.views import IDLE, PE_STATES, PUSH, SCAN_BUBBLE, STALL
from eie_sim.workload import random_layer
from tests.report.test_plots import shown_texts


@cache
def ran(seed=0, act_density=0.7, depth=4):
    workload = random_layer(300, 80, weight_density=0.05, act_density=act_density, n_pe=8, seed=seed)
    layer = replace(workload.layer, name=f"layer {seed}")
    arch = preset("eie-64pe-45nm").replace(n_pe=8, act_queue_depth=depth, name="eight")
    return layer, simulate(layer, workload.acts, arch, schedule=True)


@cache
def report(*seeds):
    results = [ran(seed)[1] for seed in seeds]
    facts = {ran(seed)[0].name: LayerFacts(ran(seed)[0].density, 0) for seed in seeds}
    rows = [result_row(result) for result in results]
    found = Results(rows, results[0].arch.model_dump(), "fast", layers=facts)
    return run_report(found, list(devices().values()), "table2-8cycle")


DRAWN = {
    "utilisation_map": lambda: figures.utilisation_map(ran()[1], 40),
    "queue_map": lambda: figures.queue_map(ran()[1], 40),
    "broadcast_rate": lambda: figures.broadcast_rate(ran()[1], 40),
    "stall_breakdown": lambda: figures.stall_breakdown(ran()[1], ran()[0]),
    "layer_breakdown": lambda: figures.layer_breakdown([ran(0)[1], ran(1)[1]]),
    "load_balance": lambda: figures.load_balance(ran()[1]),
    "energy_breakdown": lambda: figures.energy_breakdown([energy(ran(0)[1]), energy(ran(1)[1])]),
    "baseline_bars": lambda: figures.baseline_bars(report(0, 1)),
    "roofline": lambda: figures.roofline(report(0, 1)),
    "shared_weights": lambda: figures.shared_weights(ran()[0]),
    "packed_layer": lambda: figures.packed_histograms(ran()[0]),
    "run_histogram": lambda: figures.run_histogram(ran()[0]),
    "stored_sizes": lambda: figures.stored_sizes(ran()[0]),
}
NARROW = {"run_histogram", "shared_weights"}
"""Those that fit one column of a page."""


def drawn(name, style="screen"):
    with plots.style(style):
        return getattr(plots, name)(DRAWN[name]())


@pytest.fixture(params=DRAWN)
def name(request):
    return request.param


# Data -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bins", [1, 7, 160])
def test_the_bins_of_the_broadcast_sum_to_the_counters(bins):
    _, result = ran()
    cycles = figures.broadcast_rate(result, bins).cycles.sum(axis=1)
    counts = result.counts
    assert cycles[PUSH] == counts.broadcasts
    assert cycles[STALL] == counts.broadcast_stalls > 0
    assert cycles[SCAN_BUBBLE] == counts.scan_bubbles
    assert cycles[IDLE] == counts.idle_cycles


def test_the_shares_of_the_broadcast_sum_to_one_in_each_bin():
    assert figures.broadcast_rate(ran()[1], 13).shares.sum(axis=0) == pytest.approx(np.ones(13))


def test_the_cycles_of_each_pe_are_those_of_the_counters():
    layer, result = ran()
    data, counts = figures.stall_breakdown(result, layer), result.counts
    found = dict(zip(PE_STATES, data.states, strict=True))
    assert np.array_equal(found["entry"] + found["filler"], counts.busy_cycles)
    assert np.array_equal(found["filler"], counts.fillers)
    for state in ("bubble", "starved", "fill", "drain"):
        assert np.array_equal(found[state], getattr(counts, f"{state}_cycles"))
    assert set(data.states.sum(axis=0)) == {result.cycles}


def test_stalls_are_held_up_by_one_pe_or_by_several():
    layer, result = ran()
    data = figures.stall_breakdown(result, layer)
    assert data.stall_cycles == result.counts.broadcast_stalls
    # Where several are full at once, there are two at least.
    several = data.stall_cycles - data.alone.sum()
    assert data.with_others.sum() >= 2 * several
    assert data.alone.sum() + data.with_others.sum() >= data.stall_cycles


def test_a_layer_is_the_sum_of_its_pes():
    layer, result = ran()
    of_layer = figures.layer_breakdown([result, ran(1)[1]])
    assert np.array_equal(of_layer.states[:, 0], figures.stall_breakdown(result, layer).states.sum(axis=1))
    assert of_layer.shares.sum(axis=0) == pytest.approx([1, 1])


def test_no_layer_is_an_error():
    with pytest.raises(ValueError, match="results: there is none"):
        figures.layer_breakdown([])


def test_the_queue_map_has_the_mean_of_every_cycle():
    _, result = ran()
    data = figures.queue_map(result, 1)
    assert data.places == 3
    assert data.mean[:, 0] == pytest.approx(data.mean_of_pe)
    assert data.percentiles[0, 0] <= data.mean.mean() <= data.percentiles[-1, 0] <= data.places


def test_a_result_without_a_schedule_is_refused():
    layer, result = ran()
    bare = replace(result, schedule=None)
    for make in (figures.queue_map, figures.broadcast_rate, lambda one: figures.stall_breakdown(one, layer)):
        with pytest.raises(ValueError, match=r"schedule: the result of 'layer 0' has none"):
            make(bare)


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=40))
def test_gini_is_the_mean_difference_of_all_pairs(entries):
    work = np.sort(np.array(entries))[::-1]
    data = figures.LoadBalance("drawn", np.arange(len(work)), work)
    pairs = np.abs(work[:, None] - work[None]).mean()
    assert data.gini == pytest.approx(pairs / (2 * work.mean()) if work.sum() else 0, abs=1e-9)
    assert data.lorenz[0] == 0
    assert np.all(data.lorenz <= np.linspace(0, 1, len(work) + 1) + 1e-12)


def test_the_pe_with_most_work_comes_first():
    _, result = ran()
    data = figures.load_balance(result)
    assert np.array_equal(data.entries, result.counts.entries[data.pes])
    assert data.entries.sum() == result.entries_walked
    assert np.all(np.diff(data.entries) <= 0)
    assert f"PE {result.counts.entries.argmax()} has the most work" in data.finding


def test_units_sum_to_the_energy_of_each_layer():
    reports = [energy(ran(seed)[1]) for seed in (0, 1)]
    data = figures.energy_breakdown(reports)
    assert data.energy_nj.sum(axis=0) == pytest.approx([one.total_nj for one in reports])
    assert data.calibration == "table2-8cycle"
    assert data.calibration in data.note


def test_energies_of_two_calibrations_are_not_stacked():
    result = ran()[1]
    with pytest.raises(ValueError, match=r"reports: of 2 calibrations \(.*\), but a figure shows"):
        figures.energy_breakdown([energy(result), energy(result, "bottom-up")])
    with pytest.raises(ValueError, match="reports: none there"):
        figures.energy_breakdown([])


def test_baselines_have_the_ratios_of_the_comparison_and_their_mean():
    data, rows = figures.baseline_bars(report(0, 1)), report(0, 1).tables["COMPARISON_REPORT"]
    assert data.layers == ("layer 0", "layer 1", MEAN)
    for series in data.series:
        of_one = [r for r in rows if (r["baseline"], r["kind"]) == (series.name, series.kind)]
        assert series.times_slower[:2] == pytest.approx(tuple(row["speedup"] for row in of_one))
        assert series.times_slower[2] == pytest.approx(np.sqrt(series.times_slower[0] * series.times_slower[1]))
        assert series.times_energy[:2] == pytest.approx(tuple(row["energy_ratio"] for row in of_one))


def test_a_published_time_stands_in_place_of_the_modelled_one():
    rows = report(0).tables["COMPARISON_REPORT"]
    published = [{**row, "made_by": "published"} for row in rows if row["baseline"] == "Titan X"]
    both = replace(report(0), tables={**report(0).tables, "COMPARISON_REPORT": [*rows, *published]})
    made_by = {(series.name, series.made_by) for series in figures.baseline_bars(both).series}
    assert made_by == {("i7-5930K", "modelled"), ("Titan X", "published"), ("Tegra K1", "modelled")}


def test_a_baseline_without_every_layer_has_no_mean_and_the_note_says_so():
    rows = report(0, 1).tables["COMPARISON_REPORT"]
    some = [row for row in rows if row["baseline"] != "Titan X" or row["layer"] == "layer 0"]
    data = figures.baseline_bars(replace(report(0, 1), tables={**report(0, 1).tables, "COMPARISON_REPORT": some}))
    (titan,) = [series for series in data.series if (series.name, series.kind) == ("Titan X", "dense")]
    assert titan.times_slower[1:] == (None, None)
    assert data.note.endswith("the titles give means over the layers, without Titan X")
    assert "Titan X" not in data.finding
    assert plots.as_png(plots.baseline_bars(data), 30)


def test_another_batch_than_that_of_the_report_is_an_error():
    with pytest.raises(ValueError, match="batch: 64, but the report has no baseline of that batch size"):
        figures.baseline_bars(report(0), batch=64)


def test_eie_is_below_its_own_roof_and_at_its_own_speed():
    data = figures.roofline(report(0, 1))
    eie = data.roofs[0]
    assert eie.peak_gops == pytest.approx(2 * 8 * 0.8)
    for (layer, ops_per_byte, gops), seed in zip(eie.points["EIE"], (0, 1), strict=True):
        result = ran(seed)[1]
        assert (layer, gops) == (result.layer, pytest.approx(result.gops))
        read = int(result.counts.spmat_row_reads.sum()) * result.arch.spmat_width_bits / 8
        assert ops_per_byte == pytest.approx(2 * result.counts.acc_writes.sum() / read)
        assert gops < eie.at(ops_per_byte)
    assert [roof.name for roof in data.roofs[1:]] == list(devices())


def test_a_device_has_one_colour_in_all_pictures_and_its_roof_stands_in_the_legend():
    found = report(0, 1)
    bars, roofs = plots.baseline_bars(figures.baseline_bars(found)), plots.roofline(figures.roofline(found))
    of_bars = {
        patches.get_label().partition(" dense")[0]: to_hex(patches.patches[0].get_facecolor())
        for patches in bars.subfigs[1].axes[0].containers
        if " dense" in patches.get_label()
    }
    lines = {line.get_label(): to_hex(line.get_color()) for line in roofs.axes[0].lines}
    assert {name: lines[f"{name}: at most"] for name in of_bars} == of_bars
    assert len(set(of_bars.values())) == len(of_bars) == 3
    assert lines["EIE: at most"] not in of_bars.values()
    shown = [text.get_text() for text in roofs.axes[0].get_legend().get_texts()]
    assert {f"{roof.name}: at most" for roof in figures.roofline(found).roofs} <= set(shown)


def test_a_baseline_without_an_energy_is_named_below():
    data = figures.baseline_bars(report(0, 1))
    assert "no energy" not in data.note
    first = replace(data.series[0], times_energy=(None,) * len(data.layers))
    told = replace(data, series=(first, *data.series[1:])).note
    assert told.endswith(f"\nno energy is known of {first.label}")


def test_a_device_of_one_s_own_has_its_roof():
    layer, result = ran()
    own = next(iter(devices().values())).model_copy(update={"name": "My card"})
    found = Results(
        [result_row(result)], result.arch.model_dump(), "fast", layers={layer.name: LayerFacts(layer.density, 0)}
    )
    data = figures.roofline(run_report(found, [own], "table2-8cycle"))
    assert [roof.name for roof in data.roofs] == ["EIE", "My card"]
    figure = plots.roofline(data)
    (low, high), eie = figure.axes[0].get_xlim(), data.roofs[0]
    assert low < eie.peak_gops / eie.bandwidth_gb_s < high


def test_a_chain_is_compared_as_a_whole_and_not_by_the_mean_of_its_layers():
    layers = [ran(seed) for seed in (0, 1)]
    rows = [result_row(result) for _, result in layers]
    facts = {layer.name: LayerFacts(layer.density, 0) for layer, _ in layers}
    found = Results(rows, layers[0][1].arch.model_dump(), "fast", layers=facts, chained=True)
    data = figures.baseline_bars(run_report(found, list(devices().values()), "table2-8cycle"))
    assert data.layers[-1] == WHOLE
    eie_us = sum(row["time_us"] for row in rows)
    for series in data.series:
        parts = [times * row["time_us"] for times, row in zip(series.times_slower, rows, strict=False)]
        assert series.times_slower[-1] == pytest.approx(sum(parts) / eie_us)


def test_no_work_is_the_same_for_all():
    data = figures.LoadBalance("idle", np.arange(3), np.zeros(3, np.int64))
    assert (data.gini, data.finding) == (0, "idle: no PE has any work")
    assert data.lorenz.tolist() == pytest.approx([0, 1 / 3, 2 / 3, 1])


@pytest.mark.parametrize("n_letters", [5, 60, 150])
def test_a_title_has_room_beside_its_axis_however_long_the_name_is(n_letters):
    _, result = ran()
    figure = plots.utilisation_map(figures.utilisation_map(replace(result, layer="W" * n_letters), 20))
    figure.canvas.draw()
    title = figure.axes[1]._left_title.get_window_extent()
    assert title.x1 <= figure.bbox.x1
    assert "%" in figure.axes[1].get_title(loc="left")


def test_a_sparse_baseline_does_the_work_of_the_whole_layer_whatever_was_walked():
    layer = ran()[0]
    arch = preset("eie-64pe-45nm").replace(n_pe=8, name="eight")
    acts = np.zeros((2, 80), np.float32)
    acts[0, int(np.diff(layer.pointers.astype(int), axis=0).sum(axis=1).argmax())] = 1  # one dense column, and none
    rows = [result_row(simulate(layer, vector, arch), at) for at, vector in enumerate(acts)]
    facts = {layer.name: LayerFacts(layer.density, 0)}
    found = run_report(
        Results(rows, arch.model_dump(), "fast", layers=facts), list(devices().values()), "table2-8cycle"
    )
    work = sparse_work(layer.n_cols, layer.n_rows, layer.density, 1)
    times = {
        row["baseline"]: row["baseline_us"] for row in found.tables["COMPARISON_REPORT"] if row["kind"] == "sparse"
    }
    roofs = {roof.name: roof for roof in figures.roofline(found).roofs[1:]}
    for name, time_us in times.items():
        ((_, _, gops),) = roofs[name].points["sparse"]
        assert gops == pytest.approx(work.flops / time_us / 1e3)


def test_a_run_without_an_active_input_has_roofs_alone():
    layer, _ = ran()
    arch = preset("eie-64pe-45nm").replace(n_pe=8, name="eight")
    result = simulate(layer, np.zeros(80), arch, schedule=True)
    rows = [result_row(result)]
    found = run_report(Results(rows, arch.model_dump(), "fast"), list(devices().values()), "table2-8cycle")
    data = figures.roofline(found)
    assert data.finding == "EIE walked no weight"
    assert plots.as_png(plots.roofline(data), 30)
    for idle in ("utilisation_map", "queue_map", "broadcast_rate", "load_balance"):
        assert plots.as_png(getattr(plots, idle)(getattr(figures, idle)(result)), 30)
    assert plots.as_png(plots.stall_breakdown(figures.stall_breakdown(result, layer)), 30)
    lone = run_report(Results(rows, arch.model_dump(), "fast"), [next(iter(devices().values()))], "table2-8cycle")
    nothing = replace(figures.roofline(lone), roofs=tuple(replace(r, points={}) for r in figures.roofline(lone).roofs))
    assert plots.as_png(plots.roofline(nothing), 30)


# Pictures -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("style", plots.STYLES)
def test_every_axis_with_numbers_says_what_they_are(name, style):
    figure = drawn(name, style)
    shown_texts(figure)  # makes the ticks
    found = 0
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            texts = [label.get_text() for tick in axis._update_ticks() for label in (tick.label1, tick.label2)
                     if label.get_visible()]  # fmt: skip
            if any(text[:1].isdigit() for text in texts):
                found += 1
                assert axis.get_label_text(), texts
    assert found


@pytest.mark.parametrize("style", plots.STYLES)
def test_no_text_is_clipped_and_no_two_overlap(name, style):
    figure = drawn(name, style)
    texts = shown_texts(figure)
    for text, box in texts:
        assert box.x0 >= 0 <= box.y0, text
        assert box.x1 <= figure.bbox.x1, text
        assert box.y1 <= figure.bbox.y1, text
    for (text, a), (other, b) in combinations(texts, 2):
        assert not a.overlaps(b), (text, other)


def test_the_title_is_the_finding(name):
    titles = [re.sub(r"\s", " ", axes.get_title(loc="left")) for axes in drawn(name).axes]
    assert DRAWN[name]().finding in "; ".join(filter(None, titles))


def test_on_paper_a_figure_fits_one_column_or_two(name):
    figure = drawn(name, "paper")
    assert figure.get_figwidth() == (3.5 if name in NARROW else 7.16)
    assert figure.get_facecolor() == (1, 1, 1, 1)
    assert min(text.get_fontsize() for axes in figure.axes for text in axes.get_xticklabels()) == 8


def test_the_style_is_over_after_its_block():
    with plots.style("paper"):
        assert plots.load_balance(DRAWN["load_balance"]()).get_figwidth() == 7.16
    assert drawn("load_balance").get_figwidth() == plots.WIDTH_IN


def test_a_figure_keeps_its_style_until_it_is_written():
    figure = drawn("load_balance", "paper")
    outside = plots.as_png(figure, 50)
    with plots.style("paper"):
        assert plots.as_png(drawn("load_balance", "paper"), 50) == outside


def test_an_unknown_style_is_an_error():
    with pytest.raises(ValueError, match="style: 'poster', but it must be one of screen, paper"), plots.style("poster"):
        pass


def test_the_same_data_give_the_same_picture(name):
    assert plots.as_png(drawn(name), 40) == plots.as_png(drawn(name), 40)


@pytest.mark.parametrize("kind", ["svg", "pdf"])
def test_the_same_data_give_the_same_vector_graphic(kind):
    assert plots.rendered(drawn("queue_map"), kind) == plots.rendered(drawn("queue_map"), kind)


def test_a_vector_graphic_of_many_cells_stays_small():
    rng, limits_us = np.random.default_rng(0), np.linspace(0, 10, 161)
    cells = rng.random((64, 160))
    busy = figures.UtilisationMap("drawn", limits_us, cells, cells.mean(axis=0), cells.mean(axis=1))
    bands = np.percentile(7 * cells, (0, 10, 50, 90, 100), axis=0)
    waiting = figures.QueueMap("drawn", 7, limits_us, 7 * cells, bands, 7 * cells.mean(axis=1))
    states, stalls = rng.integers(0, 900, (6, 64)), rng.integers(0, 90, (2, 64))
    stalled = figures.StallBreakdown("drawn", states, int(stalls.sum()), *stalls)
    for figure in (plots.utilisation_map(busy), plots.queue_map(waiting), plots.stall_breakdown(stalled)):
        assert len(plots.rendered(figure, "svg")) < 300_000


def as_matplotlib_draws(monkeypatch):
    """Without what saves time: titles that may move, two drawings for one file, limits found from corner to corner."""

    def stairs(axes, values, edges, colour, baseline=0.0, **looks):
        axes.stairs(values, edges, baseline=baseline, fill=baseline is not None, color=colour, **looks)

    monkeypatch.delattr(styles._StyledFigure, "draw")
    monkeypatch.setitem(styles._STYLE, "axes.titley", None)
    for module in (cycles, over_time):
        monkeypatch.setattr(module, "stairs", stairs)


@pytest.mark.parametrize("kind", ["png", "svg"])
def test_what_saves_time_in_drawing_changes_no_byte(name, kind, monkeypatch):
    found = plots.rendered(drawn(name), kind, 40)
    as_matplotlib_draws(monkeypatch)
    assert plots.rendered(drawn(name), kind, 40) == found


def test_a_file_is_drawn_once(name, monkeypatch):
    figure, times = drawn(name), []
    monkeypatch.setattr(Axes, "draw", lambda axes, _: times.append(axes))
    plots.rendered(figure, "svg")
    assert len(times) == len(set(times)) == len(figure.axes)


def word_by_word(text, fits):
    """Lines as full as they can be; a word that is wider than a line is broken."""
    lines = []
    for word in re.sub(r" (?=[%µ])", "\N{NO-BREAK SPACE}", text).split(" "):
        if lines and fits(f"{lines[-1]} {word}"):
            lines[-1] += f" {word}"
            continue
        lines.append(word)
        while len(lines[-1]) > 1 and not fits(lines[-1]):
            cut = max((count for count in range(1, len(lines[-1])) if fits(lines[-1][:count])), default=1)
            lines[-1:] = lines[-1][:cut], lines[-1][cut:]
    return lines


@given(st.text("abcW,. %µ"), st.integers(-9, 200))
def test_lines_are_as_full_as_they_can_be(text, room):
    axes, font = styles.new_figure(1).subplots(), FontProperties(size=7.5)
    found = styles.in_lines(text, axes, share=(room + 14) / (72 * plots.WIDTH_IN), size=7.5)
    assert found.split("\n") == word_by_word(text, lambda line: styles._width(line, font) <= room + 1e-9)


def lightness(colour):
    r, g, b = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return (0.299 * r + 0.587 * g + 0.114 * b) / 255


def test_states_differ_from_their_neighbours_in_lightness():
    shades = [lightness(plots.STATE_COLOURS[name]) for name in figures.STATE_NAMES]
    assert min(abs(np.diff(shades))) > 0.12


def test_no_pe_is_named_where_nothing_holds_the_broadcast_up():
    layer, result = ran(depth=4096)
    data = figures.stall_breakdown(result, layer)
    assert data.stall_cycles == 0
    assert data.stall_finding == "No full queue holds the broadcast up"


def test_a_machine_of_one_pe_is_drawn():
    workload = random_layer(30, 8, weight_density=0.3, act_density=0.7, n_pe=1)
    result = simulate(workload.layer, workload.acts, ArchConfig(n_pe=1), schedule=True)
    assert figures.load_balance(result).gini == 0
    assert plots.as_png(plots.load_balance(figures.load_balance(result)), 30)
    assert plots.as_png(plots.stall_breakdown(figures.stall_breakdown(result, workload.layer)), 30)
