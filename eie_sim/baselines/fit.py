"""The share of the roofline that a library reached, and the gain of the cache, from times that were measured.

What is minimised is the sum of the relative errors ``|modelled / measured - 1|``, the errors that the tables show. In
the time an efficiency takes from a byte (1 / efficiency) and a cached byte (1 / (efficiency x gain)) the model is linear
where memory bounds all layers, so a best fit goes through as many layers as it has parameters: every layer for one,
every pair for two. All are tried, and nothing depends on a starting point.
"""

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np

from compressor.checks import real_number
from eie_sim.baselines.devices import Device, Efficiency, Kind
from eie_sim.baselines.roofline import Work, frame_time


def fit_efficiency(
    device: Device, kind: Kind, batch: int, works: Sequence[Work], times_us: Sequence[float], source: str
) -> Efficiency:
    """The efficiency, and the gain of the cache, with the least sum of relative errors.

    The gain is fitted where the device has a cache and memory bounds every layer; else it is 1.

    Parameters
    ----------
    device : Device
        Its own efficiencies play no part.
    kind : {"dense", "sparse"}
    batch : int
        Input vectors of a call; that of every work.
    works : sequence of Work
        At least one.
    times_us : sequence of float
        Measured time of a frame for each, microseconds, over 0.
    source : str
        What was measured, for the record.

    Raises
    ------
    ValueError
        When there is no layer, the lengths or the batch sizes differ, or a time is not over 0.
    """
    _check(batch, works, times_us)

    def loss(model: Efficiency) -> float:
        """Sum of the relative errors."""
        modelled = (frame_time(device, work, model).time_us for work in works)
        return sum(abs(ours / theirs - 1) for ours, theirs in zip(modelled, times_us, strict=True))

    models = [
        Efficiency(kind=kind, batch=batch, efficiency=efficiency, cache_gain=gain, source=source)
        for efficiency, gain in _candidates(device, works, times_us)
    ]
    return min(models, key=loss)  # of equals the first: without a gain


def _check(batch: int, works: Sequence[Work], times_us: Sequence[float]) -> None:
    if not works or len(works) != len(times_us):
        raise ValueError(f"times_us: {len(times_us)} times for {len(works)} layers, but both must be the same, over 0")
    for work, time_us in zip(works, times_us, strict=True):
        if work.batch != batch:
            raise ValueError(f"works: a call of {work.batch} vectors, but the batch is {batch}")
        if real_number("times_us", time_us) <= 0:
            raise ValueError(f"times_us: {time_us}, but it must be over 0")


def _candidates(device: Device, works: Sequence[Work], times_us: Sequence[float]) -> Iterator[tuple[float, float]]:
    """(efficiency, gain) through each layer, then through each pair of layers; and the roofline itself."""
    full = Efficiency(kind="dense", batch=works[0].batch, efficiency=1, source="the roofline itself")
    ideals = [frame_time(device, work, full) for work in works]
    working_us = [time_us - ideal.launch_us for time_us, ideal in zip(times_us, ideals, strict=True)]
    yield 1.0, 1.0
    for ideal, left_us in zip(ideals, working_us, strict=True):
        if left_us > 0:
            yield min(1.0, (ideal.time_us - ideal.launch_us) / left_us), 1.0
    if not device.cache_bytes or any(ideal.bound == "arithmetic" for ideal in ideals):
        return
    # Columns: time of the bytes that come from memory, and of those that the cache holds.
    cached_us = [
        min(work.matrix_bytes, device.cache_bytes) / device.bandwidth_bytes_per_s * 1e6 / work.batch for work in works
    ]
    parts = np.array([[ideal.memory_us - cached, cached] for ideal, cached in zip(ideals, cached_us, strict=True)])
    for pair in map(list, combinations(range(len(works)), 2)):
        if np.linalg.cond(parts[pair]) < 1e12:  # else one layer is the other, many times
            slow, fast = (float(x) for x in np.linalg.solve(parts[pair], np.array(working_us)[pair]))
            if slow >= 1 and 0 < fast <= slow <= 1000 * fast:
                yield 1 / slow, slow / fast
