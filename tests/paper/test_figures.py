"""The calibrated layers against Table IV and Figs 8, 9, 12, 13, with the deviations that are known and why.

A single draw varies: its cycles by 0.2 to 0.6 % (standard deviation over seeds) for the layers of the fast test, 1 to
2 % for Alex-8, VGG-8 and NT-LSTM, which have 15 to 37 rows in a PE, so that the fullest PE decides. The layers of the
paper are one draw too; what that leaves in a figure no parameter removes.
"""

import numba
import numpy as np
import pytest

from benchmarks.table4 import CYCLES_BAR_PCT, ENTRIES_BAR_PCT, simulated, table_iv
from eie_sim import preset, simulate
from eie_sim.networks import FITS
from eie_sim.paper import (
    FIG_8,
    FIG_9_LEFT_READS,
    FIG_12,
    FIG_13,
    LAYERS,
    MACHINE,
    PES,
    QUEUE_DEPTHS,
    SPMAT_WIDTHS_BITS,
    published_cycles,
    published_entries,
)
from eie_sim.workload import calibrated_layer

SEEDS = range(3)

large = pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="17 million cells take minutes without compiling")


@pytest.mark.parametrize("layer", ["NT-We", pytest.param("Alex-7", marks=large), pytest.param("VGG-7", marks=large)])
@pytest.mark.compiled_only
def test_one_draw_is_near_table_iv(layer):
    entries, cycles = simulated(layer, seed=0, fit="all_points")
    assert 100 * abs(entries / published_entries(layer) - 1) < ENTRIES_BAR_PCT
    assert 100 * abs(cycles / published_cycles(layer) - 1) < CYCLES_BAR_PCT


@pytest.mark.slow
@large
@pytest.mark.parametrize("fit", FITS)
def test_the_mean_of_eight_draws_is_table_iv_for_every_layer(fit):
    missed = [figure for figure in table_iv(fit, seeds=8).figures if not figure.met]
    assert missed == []


def mean_over_seeds(measure):
    return np.mean([measure(seed) for seed in SEEDS], axis=0)


@pytest.fixture(scope="module")
def deviations():
    """Points by which each layer is off in every point of Figs 8 (depth 2 and more), 12 and 13: mean of three draws."""
    return {layer: mean_over_seeds(lambda seed, layer=layer: figures_of(layer, seed)) for layer in LAYERS}


def figures_of(layer, seed):
    drawn, machine = calibrated_layer(layer, seed), preset(MACHINE)
    # Depth 1 is left out: the authors' code cannot run it, and the rule of lock-step is not theirs.
    depths = [machine.replace(act_queue_depth=depth) for depth in QUEUE_DEPTHS[1:]]
    balance = [simulate(drawn.layer, drawn.acts, arch, output=False).load_balance for arch in depths]
    runs = [simulate(drawn.layer.repack(n_pe=n), drawn.acts, machine.replace(n_pe=n), output=False) for n in PES]
    ours = [*balance, *(run.real_work for run in runs), *(run.load_balance for run in runs)]
    return 100 * np.array(ours) - [*FIG_8.rows[layer][1:], *FIG_12.rows[layer], *FIG_13.rows[layer]]


@pytest.mark.slow
@large
def test_no_point_of_figures_8_12_and_13_is_off_by_more_than_its_layer_allows(deviations):
    # Largest deviation of the fit itself (one draw of each layer is what the paper had), and 0.7 for three other seeds.
    allowed = {
        "Alex-6": 0.6, "Alex-7": 0.8, "Alex-8": 1.7, "VGG-6": 1.4, "VGG-7": 0.8, "VGG-8": 1.1,
        "NT-We": 1.2, "NT-Wd": 1.8, "NT-LSTM": 1.8,
    }  # fmt: skip
    assert {layer: off for layer, off in deviations.items() if np.abs(off).max() > allowed[layer] + 0.7} == {}


@pytest.mark.slow
@large
def test_on_the_whole_figures_8_12_and_13_are_met_to_half_a_point(deviations):
    of_figures = [
        np.split(off, [len(QUEUE_DEPTHS) - 1, len(QUEUE_DEPTHS) - 1 + len(PES)]) for off in deviations.values()
    ]
    fig_8, fig_12, fig_13 = (np.abs(np.array(offs)).mean() for offs in zip(*of_figures, strict=True))
    # The real Alex-8 layer against the same figures: 0.23, 0.25 and 0.18 points, from reading them off.
    assert fig_8 < 0.8
    assert fig_12 < 0.35
    assert fig_13 < 0.6


@pytest.mark.slow
@large
def test_row_reads_of_figure_9_fall_with_the_width_as_in_the_paper():
    """Fig. 9 left is Alex-6; at 256 and 512 bits the model reads 6 and 10 % more rows than the paper shows."""
    drawn, machine = calibrated_layer("Alex-6"), preset(MACHINE)
    for width, tolerance in zip(SPMAT_WIDTHS_BITS, (0.03, 0.03, 0.03, 0.09, 0.13), strict=True):
        result = simulate(drawn.layer, drawn.acts, machine.replace(spmat_width_bits=width), output=False)
        assert result.counts.spmat_row_reads.sum() == pytest.approx(
            FIG_9_LEFT_READS.at("AlexNet", width), rel=tolerance
        )
