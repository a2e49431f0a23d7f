"""Whole networks as what a sweep runs."""

import numpy as np
import pytest

from compressor.storage.coded_file import save_compressed
from eie_sim import plan_network, preset, run_network
from eie_sim.baselines.network_roofline import network_roofline
from eie_sim.sweep.run import run_sweep
from eie_sim.sweep.space import Space
from eie_sim.sweep.store import Store
from tests.network.small_networks import compressed, residual

TOML = """
inputs = "x.npy"
[axes]
workload = "net.dcz"
n_pe = [2, 8]
clock_hz = [4e8, 8e8]
weight_bits = 8
baseline = ["none", "Titan X dense"]
"""


@pytest.fixture
def folder(tmp_path):
    save_compressed(compressed(residual(), tmp_path), tmp_path / "net.dcz")
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(3, 2, 6, 5)).astype(np.float32))
    (tmp_path / "space.toml").write_text(TOML)
    return tmp_path


def rows_of(folder, text=None):
    if text is not None:
        (folder / "space.toml").write_text(text)
    space = Space.from_toml(folder / "space.toml")
    run_sweep(space, folder / "s.sqlite", 1)
    with Store(folder / "s.sqlite") as store:
        return list(store.rows())


def test_a_network_is_swept_over_machines_and_its_metrics_are_those_of_a_run(folder):
    rows = rows_of(folder)
    assert len(rows) == 8
    for row in rows:
        arch = preset("eie-64pe-45nm").replace(n_pe=row["n_pe"], clock_hz=row["clock_hz"], weight_bits=8)
        plan = plan_network(compressed(residual(), folder), arch)
        result = run_network(plan, np.load(folder / "x.npy"))
        assert row["cycles"] == result.cycles
        assert row["time_us"] == pytest.approx(result.time_us)
        assert row["energy_nj"] == pytest.approx(result.energy_uj.sum() * 1e3)
        assert row["entries"] == sum(int(node.counts.entries.sum()) for node in result.nodes.values())
        assert row["layers"] == 4
        if row["baseline"] != "none":
            assert row["baseline_us"] == pytest.approx(network_roofline(plan, result).time_us("Titan X", "dense") * 3)
            assert row["speedup"] == pytest.approx(row["baseline_us"] / row["time_us"])


def test_other_inputs_are_another_workload(folder):
    first = len(rows_of(folder))
    np.save(folder / "x.npy", np.ones((1, 2, 6, 5), np.float32))
    assert len(rows_of(folder)) == 2 * first


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (TOML.replace("x.npy", "none.npy"), "none.npy"),
        (TOML.replace('"x.npy"', '"space.toml"'), "is not an .npz or .npy file of arrays"),
    ],
)
def test_inputs_that_cannot_be_read_are_refused_before_anything_runs(folder, text, message):
    with pytest.raises((ValueError, OSError), match=message):
        rows_of(folder, text)


def test_without_inputs_a_file_is_the_layers_that_are_in_it(folder):
    rows = rows_of(folder, TOML.replace('inputs = "x.npy"\n', ""))
    assert {row["layers"] for row in rows} == {1}
