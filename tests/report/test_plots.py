"""Plots: what is written is the same every time, small, complete and legible, and touches nothing outside."""

import hashlib
import io
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from PIL import Image

from benchmarks.figures.machine_diagram import machine
from compressor import compress_layer
from compressor.prune import cut_to_density, prune_mask
from eie_sim import ArchConfig, simulate
from eie_sim.paper import LAYERS
from eie_sim.report import figures, plots
from eie_sim.report.figures import LayerTime, LayerTimes
from eie_sim.report.plots.styles import DEVICE_COLOURS
from eie_sim.workload import random_layer

ROOT = Path(__file__).resolve().parents[2]
SHARES = (0.55, 0.3, 0.04, 0.1, 0.01)


def nine_layers():
    times = np.geomspace(7, 35, 9)
    return plots.layer_times(
        LayerTimes(tuple(LayerTime(n, t, t * 1.02, SHARES) for n, t in zip(LAYERS, times, strict=True)), "a note")
    )


def one_layer_without_the_paper():
    return plots.layer_times(LayerTimes((LayerTime("/model/layers.0/mlp/gate_proj/MatMul", 0.0125, None, SHARES),)))


def utilisation():
    workload = random_layer(300, 80, weight_density=0.05, act_density=0.7, n_pe=8)
    result = simulate(workload.layer, workload.acts, ArchConfig(n_pe=8), schedule=True)
    return plots.utilisation_map(figures.utilisation_map(result, 50))


def _compressed():
    weights = np.random.default_rng(0).normal(size=(400, 50)).astype(np.float32)
    return weights, compress_layer(weights, 0.1, n_pe=4)


def weight_histogram():
    weights, layer = _compressed()
    mask = prune_mask(weights, cut_to_density(weights, 0.1))
    return plots.weight_histogram(figures.weight_histogram(weights, mask, layer.codebook))


def run_histogram():
    return plots.run_histogram(figures.run_histogram(_compressed()[1]))


def stored_sizes():
    return plots.stored_sizes(figures.stored_sizes(_compressed()[1]))


DRAWN = {
    draw.__name__: draw
    for draw in (
        machine, nine_layers, one_layer_without_the_paper, utilisation, weight_histogram, run_histogram,
        stored_sizes,
    )
}  # fmt: skip


@pytest.fixture(params=DRAWN)
def draw(request):
    return DRAWN[request.param]


def shown_texts(figure):
    """Every text that is drawn, with the box of pixels it takes."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    texts = [t for t in figure.findobj(Text) if t.get_visible() and t.get_text().strip()]
    # A tick outside the limits of its axis is not drawn, though its label is there.
    drawn = {id(t) for axes in figure.axes for axis in (axes.xaxis, axes.yaxis) for t in _drawn_labels(axis)}
    of_ticks = {id(t) for axes in figure.axes for axis in (axes.xaxis, axes.yaxis) for t in _all_labels(axis)}
    return [(t.get_text(), t.get_window_extent(renderer)) for t in texts if id(t) not in of_ticks - drawn]


def _all_labels(axis):
    return [label for tick in (*axis.majorTicks, *axis.minorTicks) for label in (tick.label1, tick.label2)]


def _drawn_labels(axis):
    return [label for tick in axis._update_ticks() for label in (tick.label1, tick.label2)]


def test_no_text_is_clipped(draw):
    figure = draw()
    for text, box in shown_texts(figure):
        assert box.x0 >= 0, text
        assert box.y0 >= 0, text
        assert box.x1 <= figure.bbox.x1, text
        assert box.y1 <= figure.bbox.y1, text


def test_no_two_texts_overlap(draw):
    for (text, a), (other, b) in combinations(shown_texts(draw()), 2):
        assert not a.overlaps(b), (text, other)


def test_the_same_figure_gives_the_same_pixels(draw):
    assert plots.as_png(draw(), 50) == plots.as_png(draw(), 50)


@pytest.mark.parametrize("kind", plots.FORMATS)
@pytest.mark.parametrize("draw", [machine, utilisation])
def test_the_same_figure_gives_the_same_file(draw, kind, tmp_path):
    first = plots.save(draw(), tmp_path / f"first.{kind}").read_bytes()
    again = plots.save(draw(), tmp_path / f"again.{kind}").read_bytes()
    assert first == again


def test_a_png_is_as_wide_as_a_readme_shows_it_twice_and_carries_no_metadata(draw):
    image = Image.open(io.BytesIO(plots.as_png(draw())))
    assert image.width == 1600
    assert set(image.info) == {"dpi"}
    assert image.convert("RGB").getpixel((0, 0)) == (255, 255, 255)


def test_neither_a_date_nor_a_version_is_in_a_vector_graphic(tmp_path):
    svg = plots.save(machine(), tmp_path / "machine.svg").read_text(encoding="utf-8")
    assert "dc:date" not in svg
    assert mpl.__version__ not in svg
    pdf = plots.save(machine(), tmp_path / "machine.pdf").read_bytes()
    assert b"CreationDate" not in pdf


def test_the_settings_of_the_user_change_nothing_and_are_left_alone():
    expected = plots.as_png(nine_layers(), 50)
    with mpl.rc_context({"font.size": 30, "axes.facecolor": "red", "savefig.transparent": True}):
        assert plots.as_png(nine_layers(), 50) == expected
        assert mpl.rcParams["font.size"] == 30


def lightness(colour):
    r, g, b = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return (0.299 * r + 0.587 * g + 0.114 * b) / 255


def test_classes_of_cycles_differ_in_lightness_from_their_neighbours():
    shades = [lightness(plots.CLASS_COLOURS[name]) for name in figures.CYCLE_CLASSES]
    assert min(abs(np.diff(shades))) > 0.12


def test_colours_of_devices_differ_in_lightness_one_from_the_other():
    shades = sorted(lightness(colour) for colour in DEVICE_COLOURS)
    assert min(np.diff(shades)) > 0.07


def test_another_ending_is_an_error(tmp_path):
    with pytest.raises(ValueError, match=r"machine.gif: a figure is written as one of png, svg, pdf, not as 'gif'"):
        plots.save(machine(), tmp_path / "machine.gif")


def test_drawing_needs_no_pyplot_and_is_the_same_in_another_process():
    code = (
        "import hashlib, sys\nfrom benchmarks.figures.machine_diagram import machine\n"
        "from eie_sim.report import plots\n"
        "print(hashlib.sha256(plots.as_png(machine())).hexdigest(), 'matplotlib.pyplot' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert found.split() == [hashlib.sha256(plots.as_png(machine())).hexdigest(), "False"]


@pytest.mark.parametrize("name", ["machine.png", "machine.svg", "nine_layers.png", "heatmap_alex7.png"])
def test_the_pictures_of_the_readme_are_there_and_load_fast(name):
    path = ROOT / "docs" / "images" / name
    assert 5_000 < path.stat().st_size <= 200_000


@pytest.mark.parametrize("style", plots.STYLES)
def test_a_pdf_carries_no_type_3_fonts(tmp_path, style):
    with plots.style(style):
        file = plots.save(nine_layers(), tmp_path / "times.pdf")
    assert b"/Type3" not in file.read_bytes()
