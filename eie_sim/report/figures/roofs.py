"""The data of a roofline: what machines can do at most, and what they do with each layer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from eie_sim.baselines.devices import Device
from eie_sim.baselines.roofline import dense_work, sparse_work
from eie_sim.columns import Row, digits, percent
from eie_sim.report.baseline_rows import ALL
from eie_sim.report.comparison import RunReport
from eie_sim.report.figures.costs import baselines_of


@dataclass(frozen=True)
class Roof:
    """What a machine can do at most, and what it does with each layer.

    Attributes
    ----------
    name : str
    peak_gops : float
        Billions of operations a second; a multiply-add is two.
    bandwidth_gb_s : float
        Billions of bytes a second.
    points : mapping of str to sequence of (str, float, float)
        For each kind of library, or of machine: layer, operations a byte, and billions of operations a second.
    """

    name: str
    peak_gops: float
    bandwidth_gb_s: float
    points: Mapping[str, Sequence[tuple[str, float, float]]]

    def at(self, ops_per_byte: float) -> float:
        """Most billions of operations a second at that many operations a byte."""
        return min(self.peak_gops, self.bandwidth_gb_s * ops_per_byte)


_MOST_NAMED = 9
"""Layers whose speeds a note can tell."""


@dataclass(frozen=True)
class Roofline:
    """Machines with their roofs, and the layers on them; EIE is the first.

    Attributes
    ----------
    roofs : tuple of Roof
    layers : tuple of str
    batch : int
        Input vectors that the devices compute together.
    baselines : tuple of str
        Names of all of the report, those without a roof too, as of `eie_sim.report.figures.costs.baselines_of`.
    """

    roofs: tuple[Roof, ...]
    layers: tuple[str, ...]
    batch: int
    baselines: tuple[str, ...]

    @property
    def finding(self) -> str:
        """What share of its peak EIE reaches."""
        eie = self.roofs[0]
        if not eie.points:
            return "EIE walked no weight"
        shares = [100 * gops / eie.peak_gops for points in eie.points.values() for _, _, gops in points]
        low, high = percent(min(shares)), percent(max(shares))
        return (
            f"EIE reaches {low if low == high else f'{low} to {high}'} % of its peak of {digits(eie.peak_gops)} GOP/s"
        )

    @property
    def note(self) -> str:
        """What the axes mean, and which point of EIE is which."""
        told = (
            "Operations: two for each weight that a machine multiplies (EIE: those not zero, with an active input).\n"
            "Bytes: of EIE, rows of the sparse-matrix SRAMs read; of the devices, float32 matrix, indices and vectors "
            "in DRAM.\nA device can be above its slope: its cache may hold a layer from one call to the next."
        )
        # Several input vectors of a layer are points of one name.
        speeds: dict[str, list[float]] = {}
        for layer, _, gops in (one for of_kind in self.roofs[0].points.values() for one in of_kind):
            speeds.setdefault(layer, []).append(gops)
        if not speeds or len(speeds) > _MOST_NAMED:
            return told
        named = ", ".join(f"{layer} {digits(sum(found) / len(found))}" for layer, found in speeds.items())
        return f"{told}\nGOP/s of EIE{' on average' * (max(map(len, speeds.values())) > 1)}: {named}."


def roofline(report: RunReport, batch: int = 1) -> Roofline:
    """EIE and the devices of a report with their roofs, and where each layer lies.

    For EIE the roof is one multiply-add a cycle in each PE, the slope one row of the sparse-matrix SRAM a cycle in each
    PE; its bytes are those of the rows that were read. For a device both are those of `Device`, and its bytes those of
    `eie_sim.baselines.roofline`. A baseline that is no device has no roof and is left out.

    Parameters
    ----------
    report : RunReport
    batch : int
        Input vectors that the devices compute together.
    """
    arch, by_name = report.machine, {one.name: one for one in report.devices}
    rows = report.tables["COMPUTE_REPORT"]
    row_bytes = arch.spmat_width_bits / 8
    giga_cycles = arch.n_pe * arch.clock_hz / 1e9
    points = []
    for row, spent in zip(rows, report.energies, strict=True):
        reads = sum(x.count for x in spent.rows if x.cause == "spmat_row_reads")
        if reads and spent.macs:  # a layer without an active input reads nothing, and is on no slope
            points.append((str(row["layer"]), 2 * spent.macs / (reads * row_bytes), _value(row, "gops")))
    eie = Roof("EIE", 2 * giga_cycles, giga_cycles * row_bytes, {"EIE": points} if points else {})
    of_device: dict[str, list[Row]] = {}
    for row in report.tables["COMPARISON_REPORT"]:
        if row["baseline"] in by_name and row["batch"] == batch and row["layer"] != ALL:
            of_device.setdefault(str(row["baseline"]), []).append(row)
    sizes = {str(row["layer"]): (int(_value(row, "n_cols")), int(_value(row, "n_rows"))) for row in rows}
    densities = report.weight_densities
    roofs = [_roof_of_device(by_name[name], found, sizes, densities, batch) for name, found in of_device.items()]
    return Roofline((eie, *roofs), tuple(sizes), batch, baselines_of(report))


def _roof_of_device(
    device: Device,
    rows: Sequence[Row],
    sizes: Mapping[str, tuple[int, int]],
    densities: Mapping[str, float | None],
    batch: int,
) -> Roof:
    points: dict[str, dict[str, tuple[str, float, float]]] = {}
    for row in rows:
        kind, layer = str(row["kind"]), str(row["layer"])
        density = densities.get(layer)
        if kind == "sparse" and not density:
            continue
        work = (
            dense_work(*sizes[layer], batch) if kind == "dense" else sparse_work(*sizes[layer], density or 0.0, batch)
        )
        ops_per_byte = work.flops / (work.matrix_bytes + work.vector_bytes)
        gops = work.flops / batch / _value(row, "baseline_us") / 1e3
        of_kind = points.setdefault(kind, {})
        if layer not in of_kind or row["made_by"] != "modelled":  # what was timed goes before what was modelled
            of_kind[layer] = (layer, ops_per_byte, gops)
    found = {kind: list(of_kind.values()) for kind, of_kind in points.items()}
    return Roof(device.name, device.peak_flops_per_s / 1e9, device.bandwidth_bytes_per_s / 1e9, found)


def _value(row: Row, name: str) -> float:
    value = row[name]
    assert isinstance(value, (int, float))
    return value
