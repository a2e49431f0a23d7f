"""How fast, and in how little memory, dense weights become a packed layer: ``python -m benchmarks.pack_speed``.

Dense float32 weights are pruned to 9 %, shared in 4 bits, and packed for 64 PEs by `compress_layer`, compiled:

- 4096 x 4096 (AlexNet fc7), against one ``np.sort`` of the same weights in the same run;
- the peak memory of that in a fresh process, the dense input itself included;
- the time per weight of 25088 x 4096 (as many as VGG-16 fc6 has) against that of 1024 x 1024.
"""

import argparse
import multiprocessing
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness import Figure, Report, Table, Timing, command, positive, timings
from compressor import compress_layer

DENSITY, N_PE = 0.09, 64
SQUARE, SMALL, LARGE = (4096, 4096), (1024, 1024), (25088, 4096)
MOST_SORTS, MOST_INPUTS, MOST_GROWTH = 5.0, 2.5, 1.5

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def random_weights(shape: tuple[int, int]) -> NDArray[np.float32]:
    """Normally distributed weights of the size that trained layers have; float32."""
    weights = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
    weights *= 0.02
    return weights


def pack(weights: NDArray[np.float32]) -> object:
    """The step that is measured."""
    return compress_layer(weights, density=DENSITY, n_pe=N_PE)


def memory_bytes(field: str) -> int:
    """A line of /proc/self/status in bytes: VmRSS, the memory in use now, or VmHWM, its peak."""
    lines = _STATUS.read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:"))


def _measure_peak(answer: Connection) -> None:
    """In a process of its own: warm the kernels up, then send (growth to the peak, whether the peak was reset)."""
    pack(random_weights((256, 256)))
    before = memory_bytes("VmRSS")
    try:
        _CLEAR.write_text("5", encoding="utf-8")  # sets VmHWM to VmRSS
        is_reset = True
    except OSError:
        is_reset = False
    earlier_peak = memory_bytes("VmHWM")
    packed = pack(random_weights(SQUARE))
    peak = memory_bytes("VmHWM")
    answer.send((peak - before, is_reset or peak > earlier_peak))
    del packed


def peak_memory() -> Figure:
    """Peak memory of packing the square layer, over the bytes of its dense weights."""
    name, unit = "peak memory, 4096 x 4096", "x dense input"
    if not _STATUS.exists():
        return Figure(name, None, unit, MOST_INPUTS, note="there is no /proc/self/status on this system")
    spawn = multiprocessing.get_context("spawn")
    receiver, sender = spawn.Pipe(duplex=False)
    child = spawn.Process(target=_measure_peak, args=(sender,))
    child.start()
    sender.close()
    try:
        growth, is_certain = receiver.recv()
    except EOFError:
        return Figure(name, None, unit, MOST_INPUTS, note="the measuring process ended early")
    finally:
        child.join()
    if not is_certain:
        return Figure(name, None, unit, MOST_INPUTS, note="the peak cannot be told from that of the warm-up")
    dense = 4 * SQUARE[0] * SQUARE[1]
    return Figure(name, growth / dense, unit, MOST_INPUTS, note=f"{growth / 2**20:.1f} MiB, input included")


def measure(options: argparse.Namespace) -> Report:
    """Take all figures."""
    square, small, large = (random_weights(shape) for shape in (SQUARE, SMALL, LARGE))
    near = timings({"pack": lambda: pack(square), "sort": lambda: np.sort(square.reshape(-1))}, options.repeats)
    # The small layer takes milliseconds: several a sample, or one interruption would be half of it.
    many = max(1, large.size // small.size // 4)
    scale = timings({"small": _repeated(pack, small, many), "large": lambda: pack(large)}, options.large_repeats)
    per_small = scale["small"].median_s / many / small.size
    per_large = scale["large"].median_s / large.size
    sorts = near["pack"].median_s / near["sort"].median_s
    growth = per_large / per_small
    milliseconds = f"{near['pack'].median_s * 1e3:.0f} ms against {near['sort'].median_s * 1e3:.0f} ms"
    nanoseconds = f"{per_large * 1e9:.2f} ns against {per_small * 1e9:.2f} ns a weight"
    figures = (
        Figure("time to pack, 4096 x 4096", sorts, "x np.sort", MOST_SORTS, note=milliseconds),
        peak_memory(),
        Figure("time per weight, 103 M against 1 M", growth, "x", MOST_GROWTH, note=nanoseconds),
    )
    table = Table(
        "samples",
        ("what", "weights", "samples", "median ms", "least ms", "largest / least"),
        (
            _row("pack 4096 x 4096", square.size, near["pack"]),
            _row("np.sort of it", square.size, near["sort"]),
            _row(f"pack 1024 x 1024, {many} times", small.size * many, scale["small"]),
            _row("pack 25088 x 4096", large.size, scale["large"]),
        ),
    )
    return Report(figures, (table,), {"density": DENSITY, "n_pe": N_PE})


def _repeated(
    function: Callable[[NDArray[np.float32]], object], argument: NDArray[np.float32], times: int
) -> Callable[[], None]:
    def run() -> None:
        for _ in range(times):
            function(argument)

    return run


def _row(what: str, n_weights: int, timing: Timing) -> tuple[object, ...]:
    return what, n_weights, len(timing.samples_s), timing.median_s * 1e3, timing.least_s * 1e3, timing.spread


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--repeats", type=positive, default=11, help="samples of the square layer and the sort (11)")
    parser.add_argument(
        "--large-repeats", type=positive, default=5, help="samples of the large and the small layer (5)"
    )


if __name__ == "__main__":
    sys.exit(command("pack_speed", __doc__, measure, add_options=_options))
