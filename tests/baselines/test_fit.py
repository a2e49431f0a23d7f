"""The fit: it finds the parameters that made the times, and nothing near does better on times that no model made."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eie_sim.baselines.devices import Efficiency, devices
from eie_sim.baselines.fit import fit_efficiency
from eie_sim.baselines.published import BATCHES, KINDS, fit_published, layer_work, published_time_us
from eie_sim.baselines.roofline import dense_work, frame_time
from eie_sim.paper import LAYERS

EVERY_CASE = [(one, kind, batch) for one in devices().values() for kind in KINDS for batch in BATCHES]
every_case = pytest.mark.parametrize(
    ("one", "kind", "batch"), EVERY_CASE, ids=lambda value: getattr(value, "name", str(value))
)
CPU = devices()["i7-5930K"]
SHAPES = [(100, 100), (1000, 3000), (4096, 4096), (9000, 1000), (20_000, 3000)]
WORKS = [dense_work(*shape) for shape in SHAPES]


def a_model(efficiency, gain):
    return Efficiency(kind="dense", batch=1, efficiency=efficiency, cache_gain=gain, source="test")


def times_of(model, device=CPU):
    return [frame_time(device, work, model).time_us for work in WORKS]


def loss(device, works, times_us, model):
    return sum(abs(frame_time(device, work, model).time_us / t - 1) for work, t in zip(works, times_us, strict=True))


@every_case
def test_refitting_gives_the_parameters_in_the_device_file(one, kind, batch):
    stored, fitted = one.efficiency(kind, batch), fit_published(one, kind, batch)
    # The file has five digits.
    assert fitted.efficiency == pytest.approx(stored.efficiency, rel=1e-4)
    assert fitted.cache_gain == pytest.approx(stored.cache_gain, rel=1e-4)
    assert fitted.source == stored.source


@every_case
def test_no_parameters_on_a_grid_fit_better(one, kind, batch):
    works = [layer_work(layer, kind, batch) for layer in LAYERS]
    times_us = [published_time_us(one, layer, kind, batch) for layer in LAYERS]
    best = loss(one, works, times_us, fit_published(one, kind, batch))
    for efficiency in np.geomspace(0.01, 1, 150):
        for gain in (1, *np.geomspace(1.05, 10, 15)) if batch == 1 else (1,):
            model = Efficiency(kind=kind, batch=batch, efficiency=efficiency, cache_gain=gain, source="test")
            assert best <= loss(one, works, times_us, model) + 1e-9


@given(efficiency=st.floats(0.01, 1), gain=st.floats(1, 10))
def test_the_fit_of_modelled_times_is_the_model(efficiency, gain):
    fitted = fit_efficiency(CPU, "dense", 1, WORKS, times_of(a_model(efficiency, gain)), "test")
    assert fitted.efficiency == pytest.approx(efficiency, rel=1e-6)
    assert fitted.cache_gain == pytest.approx(gain, rel=1e-6)


def test_one_wrong_time_does_not_move_the_fit():
    times_us = times_of(a_model(0.3, 1.0))
    times_us[2] *= 10
    fitted = fit_efficiency(CPU, "dense", 1, WORKS, times_us, "test")
    assert (fitted.efficiency, fitted.cache_gain) == (pytest.approx(0.3), pytest.approx(1.0))


def test_a_device_without_a_cache_has_no_gain():
    times_us = times_of(a_model(0.3, 4.0))
    assert fit_efficiency(CPU.replace(cache_bytes=0), "dense", 1, WORKS, times_us, "test").cache_gain == 1


def test_a_gain_that_the_times_cannot_tell_is_not_fitted():
    """At batch 64 the matrix is a thirtieth of what a sparse layer moves."""
    assert fit_published(CPU, "sparse", 64).cache_gain == 1
    assert fit_published(CPU, "sparse", 1).cache_gain > 1


def test_one_layer_is_fitted_exactly():
    fitted = fit_efficiency(CPU, "dense", 1, WORKS[:1], [100.0], "test")
    assert frame_time(CPU, WORKS[0], fitted).time_us == pytest.approx(100)


def test_a_fit_may_lie_on_a_limit():
    """Large layers at the roofline itself, and a small one that a cache of any gain would not explain."""
    times_us = times_of(a_model(1.0, 1.0))
    times_us[0] /= 1e6
    fitted = fit_efficiency(CPU, "dense", 1, WORKS, times_us, "test")
    assert fitted.efficiency == 1


def test_a_time_below_the_roofline_or_the_launch_gives_full_efficiency_not_more():
    slow_start = CPU.replace(launch_us=1000.0)
    for device, time_us in ((CPU, 1e-3), (slow_start, 10.0)):
        assert fit_efficiency(device, "dense", 1, WORKS[:1], [time_us], "test").efficiency == 1


@pytest.mark.parametrize(
    ("works", "times_us", "message"),
    [
        ([], [], "0 times for 0 layers"),
        (WORKS[:2], [1.0], "1 times for 2 layers"),
        (WORKS[:1], [0.0], "times_us: 0.0"),
        (WORKS[:1], [float("nan")], "times_us: nan"),
        ([dense_work(10, 10, 64)], [1.0], "64 vectors, but the batch is 1"),
    ],
)
def test_what_cannot_be_fitted_is_refused(works, times_us, message):
    with pytest.raises(ValueError, match=message):
        fit_efficiency(CPU, "dense", 1, works, times_us, "test")
