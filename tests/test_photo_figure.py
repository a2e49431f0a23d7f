"""The picture of a photo with a network's answer."""

import numpy as np

from benchmarks.figures.photo import answered_photo, photo_with_answer
from eie_sim import plan_network, run_network
from eie_sim.report import plots
from tests.network.small_networks import compressed, residual


def test_the_picture_has_the_best_classes_and_all_time_and_energy(tmp_path):
    plan = plan_network(compressed(residual(), tmp_path))
    result = run_network(plan, np.random.default_rng(0).normal(size=(1, 2, 6, 5)).astype(np.float32))
    data = answered_photo("small", np.zeros((6, 5, 3), np.uint8), result, {0: "cat"})
    assert len(data.best) == 3
    assert data.best[0][0].split()[0] == str(result.outputs["y"].argmax())
    assert np.isclose(sum(time for time, _ in data.groups.values()), result.time_us * 1e-3)
    assert np.isclose(sum(energy for _, energy in data.groups.values()), result.energy_uj.sum() * 1e-3)
    assert f"{result.cycles:,} cycles" in data.finding
    assert plots.save(photo_with_answer(data), tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")
