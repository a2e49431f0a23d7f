import json
import os
from functools import partial

import numpy as np
import pytest

from benchmarks import alexnet_fc
from benchmarks.alexnet_fc import FC_LAYERS, Run, densities, drawn, fc_weights, steps, trained_like
from benchmarks.fresh_process import in_fresh_process, peak_bytes
from benchmarks.harness import command
from compressor.networks.shapes import ALEXNET


def test_the_layers_are_all_58_6_million_fully_connected_weights_of_alexnet():
    assert sum(np.prod(ALEXNET[name]) for name in FC_LAYERS) == 58_621_952
    assert {name for name, shape in ALEXNET.items() if len(shape) == 2} == set(FC_LAYERS)


def test_the_densities_are_those_of_table_4():
    assert densities("alexnet", FC_LAYERS) == {"fc6": 0.09, "fc7": 0.09, "fc8": 0.25}


def test_weights_are_drawn_alike_every_time_and_nobody_can_change_them():
    once, again, other = trained_like((40, 50), 1), trained_like((40, 50), 1), trained_like((40, 50), 2)
    assert np.array_equal(once, again)
    assert not np.array_equal(once, other)
    assert once.dtype == np.float32
    assert not once.flags.writeable


def test_drawn_weights_have_heavier_tails_than_normal_ones():
    weights = trained_like((500, 500), 0).astype(np.float64)
    assert (weights**4).mean() / (weights**2).mean() ** 2 > 4  # 3 for a normal distribution


def test_smaller_layers_keep_their_kernels():
    assert drawn({"conv": (64, 3, 3, 3), "fc": (4096, 9216)}, 16)["conv"].shape == (4, 1, 3, 3)
    assert {name: matrix.shape for name, matrix in fc_weights(16).items()} == {
        "fc6": (256, 576), "fc7": (256, 256), "fc8": (62, 256),
    }  # fmt: skip


def test_every_step_of_every_layer_is_timed():
    found = steps(64)
    assert list(found) == list(FC_LAYERS)
    assert all(list(of) == list(found["fc6"]) and min(of.values()) > 0 for of in found.values())


def test_the_slowest_and_the_largest_of_several_runs_count():
    runs = [Run({"a": 20.0, "b": 6.0}, 10**9), Run({"a": 1.0, "b": 1.0}, 3 * 10**9)]
    time, memory = alexnet_fc._figures("both", runs, alexnet_fc.MOST_SECONDS, alexnet_fc.MOST_GB)
    assert (time.value, memory.value, time.met, memory.met) == (26.0, 3.0, False, False)


def test_memory_that_cannot_be_measured_does_not_meet_its_bar():
    _, memory = alexnet_fc._figures("one", [Run({"a": 1.0}, None)], 25, 2.5)
    assert memory.value is None
    assert not memory.met


@pytest.mark.skipif(peak_bytes() is None, reason="there is no /proc/self/status on this system")
def test_the_peak_of_a_fresh_process_is_its_own():
    here = np.ones(50_000_000)  # 400 MB, which a new process has not
    assert in_fresh_process(peak_bytes) < peak_bytes()
    assert here[-1] == 1


def test_a_process_that_ends_without_an_answer_is_an_error():
    with pytest.raises(RuntimeError, match="ended without an answer"):
        in_fresh_process(partial(os._exit, 3))


@pytest.mark.slow
@pytest.mark.compiled_only
def test_the_command_measures_everything_and_meets_its_bars_on_small_layers(capsys):
    options = ["--divide", "16", "--repeats", "1", "--check", "--json"]
    assert command("alexnet_fc", None, alexnet_fc.measure, options, alexnet_fc._options) == 0
    told = json.loads(capsys.readouterr().out)
    assert len(told["figures"]) == 7
    assert sum(figure["bar"] is not None for figure in told["figures"]) == 4
    parts = {row["part"] for row in told["tables"]["first run of a process"]}
    assert {"fc6", "fc7", "fc8", "compress_model", "pack", "convolutions"} <= parts
