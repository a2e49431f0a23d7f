"""SRAM a PE against latency and energy of whole networks, on one chip and on several."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from benchmarks.studies.networks import LSTM_STEPS, Benched, found_squeezenet, lstm, matrices, squeezenet
from benchmarks.studies.study import Bench, Gain, Study, rounded
from eie_sim import ArchConfig
from eie_sim.report import plots
from eie_sim.report.figures import Curve, CurvePanel, CurvePanels
from eie_sim.studies.sram import Arranged, sram_sizes

BYTES_PER_S = 12.8e9
"""Of the DRAM of each chip, and of the link: a channel of 64 bits of DDR3-1600 (JEDEC JESD79-3)."""

N_CHIPS = (1, 4)

_KB = 1024

_LOG_FROM = 4
"""The largest value over the smallest from which an axis is logarithmic."""

Found = Mapping[int, list[Arranged]]
"""By the number of chips, one for each size."""


@dataclass(frozen=True)
class _Network:
    """A network, how it is made, and the sparse-matrix SRAMs that are tried, in KB."""

    name: str
    make: Callable[[ArchConfig], Benched]
    sizes: tuple[int, ...]


def study(bench: Bench) -> Study:
    """Every network on every size of SRAM and number of chips."""
    path = found_squeezenet()
    networks = [
        _Network("SqueezeNet", lambda arch: squeezenet(path, arch, bench.seed), (2, 4, 8, 16, 128)),
        _Network("LSTM", lambda arch: lstm(arch, bench.seed), (1, 2, 4, 8, 128)),
    ]
    for name, layers in (("AlexNet", ("Alex-6", "Alex-7", "Alex-8")), ("VGG-16", ("VGG-6", "VGG-7", "VGG-8"))):
        if set(layers) <= set(bench.workloads):

            def make(arch: ArchConfig, layers: tuple[str, ...] = layers) -> Benched:
                return matrices(bench.workloads, layers, arch)

            networks.append(_Network(name, make, (16, 32, 64, 128, 256)))
    arch = bench.arch.replace(dram_bytes_per_s=BYTES_PER_S, link_bytes_per_s=BYTES_PER_S)
    found = {network.name: _found(network, arch) for network in networks}
    rows = tuple(
        rounded(
            *(name, n_chips, one.spmat_bytes, one.ptr_bytes, one.blocks, one.kept_bytes, one.load_bytes),
            *(one.latency_us, one.wait_us, one.energy_uj, one.dram_uj, one.link_uj),
        )
        for name, of in found.items()
        for n_chips, points in of.items()
        for one in points
    )
    columns = (
        *("network", "chips", "spmat bytes a PE", "ptr bytes a PE", "blocks", "kept bytes", "loaded bytes"),
        *("latency us", "waiting us", "energy uJ", "DRAM uJ", "link uJ"),
    )
    panels = [panel for name, of in found.items() for panel in _panels(name, of)]
    weights = "the authors' weights" if path is not None else "drawn weights"
    rate = f"{BYTES_PER_S / 1e9:g} GB/s"
    foot = f"SqueezeNet with {weights}; other weights drawn, seed {bench.seed}; DRAM and link of {rate}"
    drawn = plots.curve_panels(CurvePanels(tuple(panels), foot, columns=2))
    notes = (
        f"One inference: SqueezeNet ({weights}) of one photo; an LSTM of the size of NT-LSTM over {LSTM_STEPS} words; "
        "the fully connected layers of AlexNet and of VGG-16, one after another, with inputs of the published density.",
        f"The DRAM of each chip gives {rate} (a channel of DDR3-1600) at 20 pJ a bit, and the link "
        "between chips as much at 10 pJ a bit. The pointer SRAM is that of the network: it holds the pointers of all "
        "matrices, whole.",
        "Convolutions use each weight thousands of times: what SqueezeNet loads takes next to no time. Fully connected "
        "and recurrent layers use it once a load, so that the DRAM sets their latency and their energy.",
        *(_finding(name, of) for name, of in found.items()),
        "A matrix in blocks is loaded once for all input vectors of a convolution, but at every step of a recurrence; "
        "each block broadcasts all inputs again and has pointers of its own.",
        "Chips divide the rows of a matrix and not its columns: each has pointers of its own to every column, and "
        "broadcasts every input.",
    )
    return Study("sram_sizes", "SRAM a PE, and what it does not hold", columns, rows, drawn, _gains(found), notes)


def _found(network: _Network, arch: ArchConfig) -> Found:
    benched = network.make(arch)
    sizes = [size * _KB for size in network.sizes]
    return {
        n_chips: sram_sizes(
            replace(benched.plan, arch=benched.plan.arch.replace(n_chips=n_chips)), benched.inputs, sizes
        )
        for n_chips in N_CHIPS
    }


def _least(points: list[Arranged]) -> Arranged:
    """The machine of the least energy."""
    return min(points, key=lambda one: one.energy_uj)


def _panels(name: str, of: Found) -> list[CurvePanel]:
    starved, least = of[1][0], _least(of[1])
    findings = {
        "latency_us": f"{name} at {starved.sram_kb:.3g} KB: {100 * starved.wait_us / starved.latency_us:.2g} % waiting",
        "energy_uj": f"{name}: least energy at {least.sram_kb:.3g} KB",
    }
    panels = []
    for what, finding in findings.items():
        curves = tuple(
            Curve(
                "1 chip" if n_chips == 1 else f"{n_chips} chips",
                tuple(one.sram_kb for one in points),
                tuple(getattr(one, what) for one in points),
            )
            for n_chips, points in of.items()
        )
        values = [value for curve in curves for value in curve.y]
        wide = max(values) > _LOG_FROM * min(values)
        limits = None if wide else (0.0, 1.1 * max(values))
        label = f"{what.partition('_')[0]}, {what.partition('_')[2].replace('uj', 'uJ')}"
        panels.append(CurvePanel(finding, "SRAM a PE, KB", label, curves, log_x=True, log_y=wide, y_limits=limits))
    return panels


def _finding(name: str, of: Found) -> str:
    loading = [one for one in of[1] if one.load_bytes]
    resident = [one for one in of[1] if not one.load_bytes]
    if not loading or not resident:
        return f"{name} {'fits' if resident else 'does not fit'} all of these sizes."
    last, first, largest = loading[-1], resident[0], resident[-1]
    more = largest.energy_uj / first.energy_uj
    beyond = "" if largest is first else f"; with {largest.sram_kb:.3g} KB, whose reads cost more, {more:.4g} times"
    return (
        f"{name} fits {first.sram_kb:.3g} KB a PE of one chip: {first.latency_us:,.1f} us, {first.energy_uj:,.1f} uJ. "
        f"With {last.sram_kb:.3g} KB it loads {last.load_bytes / 1e6:.3g} MB an inference and takes "
        f"{last.latency_us / first.latency_us:.4g} times as long and {last.energy_uj / first.energy_uj:.4g} times the "
        f"energy{beyond}."
    )


def _gains(found: Mapping[str, Found]) -> tuple[Gain, ...]:
    """The size of the least energy against the smallest, and four chips against one."""
    of_least = {name: _least(of[1]) for name, of in found.items()}
    cost = ", ".join(f"{name} {one.sram_kb:.3g}" for name, one in of_least.items())
    return (
        Gain(
            "SRAM of the least energy instead of the least SRAM, network by network",
            {name: one.latency_us / found[name][1][0].latency_us for name, one in of_least.items()},
            {name: one.energy_uj / found[name][1][0].energy_uj for name, one in of_least.items()},
            f"KB a PE: {cost}",
        ),
        Gain(
            f"{N_CHIPS[1]} chips instead of 1, SRAM of the least energy",
            {name: _least(of[N_CHIPS[1]]).latency_us / _least(of[1]).latency_us for name, of in found.items()},
            {name: _least(of[N_CHIPS[1]]).energy_uj / _least(of[1]).energy_uj for name, of in found.items()},
            f"{N_CHIPS[1]} times the area, a link of {BYTES_PER_S / 1e9:g} GB/s",
        ),
    )
