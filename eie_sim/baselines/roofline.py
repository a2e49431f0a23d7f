"""Time of a fully connected layer on a `Device`: launch cost, then the slower of memory and arithmetic.

    time of a call = launch + max(memory, arithmetic) / efficiency,   time of a frame = time of a call / batch

`memory` is the bytes of a call over the device's bandwidth, `arithmetic` its operations over the peak rate, and
`efficiency` the share of that roofline which the library reaches: one fitted number a device, kind and batch size.
All numbers are float32, as the published libraries compute (EIE section V, Table V).

Dense: the matrix (4 bytes a weight), inputs and outputs, once a call. Sparse, compressed sparse rows: 4 bytes of value
and 4 of column a weight, row pointers of 4 bytes, outputs, and for each weight the inputs that it multiplies, 4 bytes
for each vector of the batch, as the library gathers them one weight at a time. That the gathers count shows in the
published times: with them the sparse efficiencies of batch 64 are 0.5 to 0.9 of those of batch 1, without them 0.02 to
0.04.

The published times are means over many calls on one matrix, so what fits the last-level cache may still be there at the
next call: that part comes `cache_gain` times faster. Fitted, it is more than 1 at batch 1 on the CPU alone.
Baselines know nothing of zero activations: the published ones ran on dense vectors.
"""

from dataclasses import dataclass
from typing import Literal

from compressor.checks import real_number, whole_number
from eie_sim.baselines.devices import Device, Efficiency

VALUE_BYTES = 4
"""A float32 weight, input or output."""

INDEX_BYTES = 4
"""A column of a weight, or a row pointer, of compressed sparse rows (int32)."""


@dataclass(frozen=True)
class RooflineWork:
    """What one call moves and computes.

    Attributes
    ----------
    matrix_bytes : float
        The weights and their indices; the same in every call, so that a cache may hold them.
    vector_bytes : float
        Inputs, gathered or read once, and outputs.
    flops : float
        Operations; a multiply-add is two.
    batch : int
        Input vectors of the call.
    """

    matrix_bytes: float
    vector_bytes: float
    flops: float
    batch: int


@dataclass(frozen=True)
class RooflineTime:
    """The parts of a frame's time, microseconds.

    Attributes
    ----------
    launch_us : float
        The frame's share of the launch cost.
    memory_us, arithmetic_us : float
        As long as either would take alone, at the efficiency of the model.
    """

    launch_us: float
    memory_us: float
    arithmetic_us: float

    @property
    def time_us(self) -> float:
        """Time of one frame."""
        return self.launch_us + max(self.memory_us, self.arithmetic_us)

    @property
    def bound(self) -> Literal["memory", "arithmetic"]:
        """Which side of the roofline the layer is on."""
        return "memory" if self.memory_us >= self.arithmetic_us else "arithmetic"


def dense_work(inputs: int, outputs: int, batch: int = 1) -> RooflineWork:
    """Work of a dense layer.

    Raises
    ------
    ValueError
        When a size is no whole number of at least 1.
    """
    inputs, outputs, batch = _sizes(inputs, outputs, batch)
    weights = inputs * outputs
    return RooflineWork(VALUE_BYTES * weights, VALUE_BYTES * (inputs + outputs) * batch, 2 * weights * batch, batch)


def sparse_work(inputs: int, outputs: int, weight_density: float, batch: int = 1) -> RooflineWork:
    """Work of a layer in compressed sparse rows, `weight_density` of whose weights are not zero.

    Raises
    ------
    ValueError
        When a size is no whole number of at least 1, or the density is not over 0 and up to 1.
    """
    inputs, outputs, batch = _sizes(inputs, outputs, batch)
    density = real_number("weight_density", weight_density)
    if not 0 < density <= 1:
        raise ValueError(f"weight_density: {density}, but it must be over 0 and at most 1")
    weights = density * inputs * outputs
    matrix = (VALUE_BYTES + INDEX_BYTES) * weights + INDEX_BYTES * (outputs + 1)
    return RooflineWork(matrix, VALUE_BYTES * (weights + outputs) * batch, 2 * weights * batch, batch)


def frame_time(device: Device, work: RooflineWork, model: Efficiency) -> RooflineTime:
    """Time of a frame of `work` on `device`, with the fitted parameters of `model`."""
    cached = min(work.matrix_bytes, device.cache_bytes)
    moved = work.matrix_bytes - cached + cached / model.cache_gain + work.vector_bytes
    # Both sides of the roofline are reached to the same fraction, so that one number can be fitted.
    per_frame = 1e6 / (model.efficiency * work.batch)
    return RooflineTime(
        device.launch_us / work.batch,
        moved / device.bandwidth_bytes_per_s * per_frame,
        work.flops / device.peak_flops_per_s * per_frame,
    )


def dense_time_us(device: Device, inputs: int, outputs: int, batch: int = 1) -> float:
    """Time of one frame of a dense layer of `inputs` x `outputs` float32 weights, microseconds.

    Raises
    ------
    ValueError
        When a size is no whole number of at least 1, or the device has no efficiency for that batch size.
    """
    work = dense_work(inputs, outputs, batch)
    return frame_time(device, work, device.efficiency("dense", work.batch)).time_us


def sparse_time_us(device: Device, inputs: int, outputs: int, weight_density: float, batch: int = 1) -> float:
    """Time of one frame of a layer in compressed sparse rows, microseconds.

    Raises
    ------
    ValueError
        As for `dense_time_us`, and when the density is not over 0 and up to 1.
    """
    work = sparse_work(inputs, outputs, weight_density, batch)
    return frame_time(device, work, device.efficiency("sparse", work.batch)).time_us


def _sizes(inputs: int, outputs: int, batch: int) -> tuple[int, int, int]:
    return (
        whole_number("inputs", inputs, 1),
        whole_number("outputs", outputs, 1),
        whole_number("batch", batch, 1),
    )
