"""The share of the roofline that a library reached, and the gain of the cache, from times that were measured.

What is minimised is the sum of the relative errors ``|modelled / measured - 1|``, the errors that the tables show. The
model is linear in the slowness of the roofline, 1 / efficiency, and where memory bounds all layers also in that of
cached bytes, 1 / (efficiency x gain). So a best fit meets as many layers exactly, or lies on as many limits, as it has
parameters: all such points are tried, and nothing depends on a starting point.
"""

from collections.abc import Iterator, Sequence
from itertools import combinations

from compressor.checks import real_number
from eie_sim.baselines.devices import MAX_CACHE_GAIN, Device, Efficiency, Kind
from eie_sim.baselines.roofline import RooflineWork, frame_time

_Line = tuple[float, float, float]

_NO_GAIN: _Line = (1.0, -1.0, 0.0)


def fit_efficiency(
    device: Device, kind: Kind, batch: int, works: Sequence[RooflineWork], times_us: Sequence[float], source: str
) -> Efficiency:
    """The efficiency, and the gain of the cache, with the least sum of relative errors.

    The gain is fitted where the device has a cache, memory bounds every layer, and the matrix is most of what each
    moves; else times would not tell it, and it is 1.

    Parameters
    ----------
    device : Device
        Its own efficiencies play no part.
    kind : {"dense", "sparse"}
    batch : int
        Input vectors of a call; that of every work.
    works : sequence of RooflineWork
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
    if not works or len(works) != len(times_us):
        raise ValueError(f"times_us: {len(times_us)} times for {len(works)} layers, but both must be the same, over 0")
    for work, time_us in zip(works, times_us, strict=True):
        if work.batch != batch:
            raise ValueError(f"works: a call of {work.batch} vectors, but the batch is {batch}")
        if real_number("times_us", time_us) <= 0:
            raise ValueError(f"times_us: {time_us}, but it must be over 0")

    def loss(model: Efficiency) -> float:
        """Sum of the relative errors."""
        modelled = (frame_time(device, work, model).time_us for work in works)
        return sum(abs(ours / theirs - 1) for ours, theirs in zip(modelled, times_us, strict=True))

    models = [
        Efficiency(kind=kind, batch=batch, efficiency=efficiency, cache_gain=gain, source=source)
        for efficiency, gain in _candidates(device, works, times_us)
    ]
    return min(models, key=loss)  # of equals the first: without a gain


def _candidates(
    device: Device, works: Sequence[RooflineWork], times_us: Sequence[float]
) -> Iterator[tuple[float, float]]:
    """(efficiency, gain) wherever two lines cross: layers that are met exactly, and limits of the parameters.

    A line is ``a slow + b fast = c`` with slow = 1 / efficiency and fast = 1 / (efficiency x gain).
    """
    limits = [_NO_GAIN, (1.0, 0.0, 1.0), (1.0, -MAX_CACHE_GAIN, 0.0)]
    full = Efficiency(kind="dense", batch=works[0].batch, efficiency=1, source="the roofline itself")
    ideals = [frame_time(device, work, full) for work in works]
    lines = []
    for work, ideal, time_us in zip(works, ideals, times_us, strict=True):
        cached = min(work.matrix_bytes, device.cache_bytes)
        cached_us = cached / device.bandwidth_bytes_per_s * 1e6 / work.batch
        working_us = ideal.time_us - ideal.launch_us
        lines.append((working_us - cached_us, cached_us, time_us - ideal.launch_us))
    counts = device.cache_bytes > 0 and all(
        ideal.bound == "memory" and work.matrix_bytes > work.vector_bytes
        for work, ideal in zip(works, ideals, strict=True)
    )
    for one, other in combinations([*limits, *lines], 2):
        if not counts and one is not _NO_GAIN:
            continue
        determinant = one[0] * other[1] - other[0] * one[1]
        if abs(determinant) <= 1e-12 * (abs(one[0] * other[1]) + abs(other[0] * one[1])):
            continue  # parallel: one layer is the other, many times
        slow = (one[2] * other[1] - other[2] * one[1]) / determinant
        fast = (one[0] * other[2] - other[0] * one[2]) / determinant
        if slow > 0 and fast > 0:
            efficiency, gain = 1 / slow, slow / fast
            # On a limit, rounding may lie a little beyond it.
            if efficiency < 1 + 1e-9 and 1 - 1e-9 < gain < MAX_CACHE_GAIN * (1 + 1e-9):
                yield min(efficiency, 1.0), min(max(gain, 1.0), MAX_CACHE_GAIN)
