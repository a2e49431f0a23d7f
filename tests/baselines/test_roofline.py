"""The roofline: what a layer moves and computes, and how its time follows."""

from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from eie_sim.baselines.devices import Device, Efficiency, Sources, devices
from eie_sim.baselines.roofline import dense_time_us, dense_work, frame_time, sparse_time_us, sparse_work

BATCHES = (1, 2, 8, 64)
every_device = pytest.mark.parametrize("one", devices().values(), ids=list(devices()))
sizes = st.integers(1, 30_000)
densities = st.floats(1e-4, 1)


def a_device(efficiency=1.0, cache_gain=1.0, **changes):
    """1 TFLOP/s and 100 GB/s, the same efficiency for everything, so that times differ by the work alone."""
    models = [
        Efficiency(kind=kind, batch=batch, efficiency=efficiency, cache_gain=cache_gain, source="test")
        for kind in ("dense", "sparse")
        for batch in BATCHES
    ]
    sources = dict.fromkeys(Sources.model_fields, "test")
    fields = {"peak_flops_per_s": 1e12, "bandwidth_bytes_per_s": 100e9, "launch_us": 5.0, "power_w": 10.0} | changes
    return Device(name="test", kind="test", sources=sources, efficiencies=models, **fields)


def test_the_work_of_a_dense_call_is_the_matrix_and_the_vectors_of_the_batch():
    work = dense_work(300, 200, 8)
    assert (work.matrix_bytes, work.vector_bytes) == (300 * 200 * 4, (300 + 200) * 4 * 8)
    assert work.flops == 2 * 300 * 200 * 8


def test_the_work_of_a_sparse_call_is_values_columns_pointers_and_an_input_gathered_for_each_weight():
    work = sparse_work(300, 200, 0.5, 8)
    weights = 300 * 200 / 2
    assert work.matrix_bytes == weights * (4 + 4) + 201 * 4
    assert work.vector_bytes == (weights + 200) * 4 * 8
    assert work.flops == 2 * weights * 8


def test_a_layer_that_memory_bounds_takes_its_bytes_over_the_bandwidth():
    assert dense_time_us(a_device(), 1000, 1000) == pytest.approx(5 + 4 * (1e6 + 2000) / 100e9 * 1e6)
    assert frame_time(a_device(), dense_work(1000, 1000), a_device().efficiency("dense", 1)).bound == "memory"


def test_a_layer_that_arithmetic_bounds_takes_its_operations_over_the_peak():
    one = a_device(peak_flops_per_s=1e9)
    assert dense_time_us(one, 1000, 1000) == pytest.approx(5 + 2e6 / 1e9 * 1e6)
    assert frame_time(one, dense_work(1000, 1000), one.efficiency("dense", 1)).bound == "arithmetic"


def test_half_the_efficiency_is_twice_the_time_after_the_launch():
    for time_us in (dense_time_us, lambda one, i, o: sparse_time_us(one, i, o, 0.1)):
        assert time_us(a_device(0.5), 500, 400) - 5 == pytest.approx(2 * (time_us(a_device(1.0), 500, 400) - 5))


def test_what_the_cache_holds_comes_faster_and_the_rest_does_not():
    hot, cold = (a_device(cache_gain=gain, cache_bytes=1_000_000, launch_us=0.0) for gain in (4.0, 1.0))
    # All of 400 kB of weights; of 4 MB the first one.
    assert dense_time_us(hot, 1000, 100) == pytest.approx((400_000 / 4 + 4400) / 100e9 * 1e6)
    assert dense_time_us(hot, 1000, 1000) == pytest.approx((1_000_000 / 4 + 3_000_000 + 8000) / 100e9 * 1e6)
    assert dense_time_us(cold, 1000, 1000) == pytest.approx(4_008_000 / 100e9 * 1e6)


@given(inputs=sizes, outputs=sizes, more=st.integers(1, 1000))
def test_a_larger_layer_takes_longer(inputs, outputs, more):
    one = a_device()
    assert dense_time_us(one, inputs + more, outputs) > dense_time_us(one, inputs, outputs)
    assert dense_time_us(one, inputs, outputs + more) > dense_time_us(one, inputs, outputs)
    assert sparse_time_us(one, inputs + more, outputs, 0.1) > sparse_time_us(one, inputs, outputs, 0.1)


@given(inputs=sizes, outputs=sizes, density=densities, denser=densities)
def test_a_denser_layer_takes_longer(inputs, outputs, density, denser):
    assume(denser > 1.001 * density)
    one = a_device()
    assert sparse_time_us(one, inputs, outputs, denser) > sparse_time_us(one, inputs, outputs, density)


@given(inputs=sizes, outputs=sizes, batch=st.sampled_from(BATCHES))
def test_a_sparse_layer_of_density_1_takes_longer_than_the_dense_one(inputs, outputs, batch):
    one = a_device()
    assert sparse_time_us(one, inputs, outputs, 1.0, batch) > dense_time_us(one, inputs, outputs, batch)


@every_device
@given(inputs=st.integers(100, 30_000), outputs=st.integers(100, 30_000), batch=st.sampled_from([1, 64]))
def test_on_the_papers_devices_too_with_their_fitted_efficiencies(one, inputs, outputs, batch):
    assert sparse_time_us(one, inputs, outputs, 1.0, batch) > dense_time_us(one, inputs, outputs, batch)


@given(inputs=sizes, outputs=sizes, density=densities)
def test_a_frame_of_a_larger_batch_takes_no_longer(inputs, outputs, density):
    one = a_device()
    for fewer, more in pairwise(BATCHES):
        assert dense_time_us(one, inputs, outputs, more) < dense_time_us(one, inputs, outputs, fewer)
        assert sparse_time_us(one, inputs, outputs, density, more) < sparse_time_us(
            one, inputs, outputs, density, fewer
        )


@every_device
@given(inputs=sizes, outputs=sizes, density=densities, batch=st.sampled_from([1, 64]))
def test_no_frame_takes_less_than_its_share_of_the_launch(one, inputs, outputs, density, batch):
    assert dense_time_us(one, inputs, outputs, batch) > one.launch_us / batch
    assert sparse_time_us(one, inputs, outputs, density, batch) > one.launch_us / batch


@given(inputs=sizes, outputs=sizes, gain=st.floats(1, 1000), cache=st.integers(0, 2**30))
def test_a_cache_never_slows_a_layer_down(inputs, outputs, gain, cache):
    cached = a_device(cache_gain=gain, cache_bytes=cache)
    assert dense_time_us(cached, inputs, outputs) <= dense_time_us(a_device(), inputs, outputs) * (1 + 1e-12)


@pytest.mark.parametrize("density", [0, -0.1, 1.1, float("nan"), float("inf"), "0.1", True])
def test_what_is_no_density_is_refused_by_name_and_value(density):
    with pytest.raises(ValueError, match=f"weight_density: .*{density}"):
        sparse_work(10, 10, density)


@pytest.mark.parametrize("name", ["inputs", "outputs", "batch"])
@pytest.mark.parametrize("value", [0, -1, 1.5, "3", True])
def test_what_is_no_size_is_refused_by_name_and_value(name, value):
    sizes = {"inputs": 10, "outputs": 10, "batch": 1, name: value}
    for function in (dense_work, lambda **sizes: sparse_work(weight_density=0.5, **sizes)):
        with pytest.raises(ValueError, match=f"{name}: .*{value}"):
            function(**sizes)
