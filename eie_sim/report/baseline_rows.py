"""Baselines beside the layers of a run: published, modelled and measured times, and the rows that compare them."""

from collections.abc import Sequence
from dataclasses import dataclass

from eie_sim.baselines.cpu_measurement import LEAST_SAMPLES, CpuMeasurement
from eie_sim.baselines.devices import Device, Kind
from eie_sim.baselines.platforms import platforms
from eie_sim.baselines.published import KINDS, published_power_w, published_time_us
from eie_sim.baselines.roofline import dense_work, frame_time, sparse_work
from eie_sim.columns import Cell, Row
from eie_sim.networks import PublishedLayer, published_as, published_layer
from eie_sim.report.priced import PricedRow, by_input

ALL = "(all)"
"""In place of a layer's name: all layers of a chain together."""

_ALIKE = 1.3
"""A layer that is called as one of the paper's nine is taken for it when its densities are within this factor."""

_OTHER_INPUTS = 1.1
"""Densities further apart than this factor are reported: another layer, or other inputs, were measured."""

_TABLE_V_LAYER = "Alex-7"


@dataclass(frozen=True)
class Baseline:
    """One time beside a layer's.

    Attributes
    ----------
    name : str
    kind : str
        ``"dense"``, ``"sparse"``, ``"skipping"`` or ``"own"``.
    made_by : str
        Published, modelled or measured.
    batch : int
        Input vectors that it computes together.
    time_us : float
        For one input vector.
    energy_uj : float or None
        For one input vector; None where no power is known.
    energy_by : str
        Where the energy comes from.
    """

    name: str
    kind: str
    made_by: str
    batch: int
    time_us: float
    energy_uj: float | None
    energy_by: str

    @property
    def key(self) -> tuple[str, str, str, int]:
        """What tells it from the other baselines of a layer, and is the same for every layer."""
        return self.name, self.kind, self.made_by, self.batch


# Rows -----------------------------------------------------------------------------------------------------------------


def comparison_rows(ran: Sequence[PricedRow], beside: Sequence[Sequence[Baseline]], chained: bool) -> list[Row]:
    """The rows of ``COMPARISON_REPORT``.

    Parameters
    ----------
    ran : sequence of PricedRow
    beside : sequence of sequence of Baseline
        The baselines of each of `ran`.
    chained : bool
        Whether whole inferences stand beside each baseline that has a time for every layer.
    """
    rows = []
    for one, baselines in zip(ran, beside, strict=True):
        # Baselines are for one input vector: of a sum, the mean is compared.
        time_us, spent = one.energy.time_us / one.vectors, one.energy.total_nj / one.vectors
        keys: Row = {"layer": one.layer, "input": one.row["input"], "time_us": time_us}
        rows += [_row(keys, time_us, spent, baseline) for baseline in baselines]
    for number, places in by_input(ran).items() if chained else ():
        time_us = sum(ran[at].energy.time_us / ran[at].vectors for at in places)
        spent = sum(ran[at].energy.total_nj / ran[at].vectors for at in places)
        by_key = [{x.key: x for x in beside[at]} for at in places]
        for key, first in by_key[0].items():
            parts = [found[key] for found in by_key if key in found]
            if len(parts) < len(places):
                continue
            known = [x.energy_uj for x in parts if x.energy_uj is not None]
            energy_uj = sum(known) if len(known) == len(parts) else None
            whole = Baseline(*key, sum(x.time_us for x in parts), energy_uj, first.energy_by)
            rows.append(_row({"layer": ALL, "input": number, "time_us": time_us}, time_us, spent, whole))
    return rows


def _row(keys: Row, time_us: float, energy_nj: float, baseline: Baseline) -> Row:
    energy_uj = baseline.energy_uj
    ratio: Cell = None if energy_uj is None else energy_uj / (energy_nj * 1e-3)
    return {
        **keys,
        "energy_nj": energy_nj,
        "baseline": baseline.name,
        "kind": baseline.kind,
        "made_by": baseline.made_by,
        "batch": baseline.batch,
        "baseline_us": baseline.time_us,
        "speedup": baseline.time_us / time_us,
        "baseline_uj": energy_uj,
        "energy_ratio": ratio,
        "energy_by": baseline.energy_by,
    }


# Baselines ------------------------------------------------------------------------------------------------------------


def baselines_beside(
    one: PricedRow,
    devices: Sequence[Device],
    batches: Sequence[int],
    measured: CpuMeasurement | None,
    accelerators: bool,
    notes: list[str],
    mean_inputs: float,
) -> list[Baseline]:
    """The baselines of a layer; what a reader should know of those that are missing is added to `notes`.

    `mean_inputs` is the mean density of the layer's input vectors.
    """
    known = is_published(one)
    if not known and _namesake(one) is not None:
        notes.append(
            f"{one.layer}: has another density of weights or inputs than the paper's layer of this name, so that no "
            "published time stands beside it"
        )
    found: list[Baseline] = []
    for device in devices:
        for kind in KINDS:
            for batch in batches:
                found += _of_device(one, device, kind, batch, known, notes)
    if accelerators and known and one.layer == _TABLE_V_LAYER:
        # EIE's own columns are the machine itself, and TrueNorth has no time for this layer.
        found += [
            Baseline(p.name, "own", "published", 1, p.time_us, p.energy_uj, f"{p.source}{'; ' * bool(p.note)}{p.note}")
            for p in platforms().values()
            if p.kind in ("FPGA", "ASIC") and not p.name.startswith("EIE") and p.name != "TrueNorth"
        ]
    return found if measured is None else found + _measured(one, measured, batches, notes, mean_inputs)


def is_published(one: PricedRow) -> bool:
    """Whether a layer is one of the paper's nine: by name and size, and about by its densities."""
    layer = _namesake(one)
    return (
        layer is not None
        and _alike(one.weight_density, layer.weight_density, _ALIKE)
        and _alike(one.act_density, layer.act_density, _ALIKE)
    )


def _namesake(one: PricedRow) -> PublishedLayer | None:
    """The layer of the paper that has the name and the size of this one."""
    n_inputs, n_outputs = one.n_inputs_n_outputs
    return published_as(one.layer, n_outputs, n_inputs)


def baseline_density(one: PricedRow) -> float | None:
    """Density of weights by which sparse baselines are modelled: Table III for the paper's layers, else as packed."""
    return published_layer(one.layer).weight_density if is_published(one) else one.weight_density


def _alike(ours: float | None, theirs: float, factor: float) -> bool:
    return ours is not None and theirs / factor <= ours <= theirs * factor


def _of_device(one: PricedRow, device: Device, kind: Kind, batch: int, known: bool, notes: list[str]) -> list[Baseline]:
    """The published time of a device and the modelled one; both, so that the model is judged where it is used."""
    power_w, power_by = device.power_w, f"power of the device ({device.name})"
    found = []
    if device.published_as is not None and known and batch in (1, 64):  # the batch sizes of Table IV
        power_w, power_by = published_power_w(device, one.layer, kind, batch)
        time_us = published_time_us(device, one.layer, kind, batch)
        found.append(Baseline(device.name, kind, "published", batch, time_us, time_us * power_w, power_by))
    try:
        model = device.efficiency(kind, batch)
    except ValueError as error:
        notes.append(str(error))
        return found
    density = baseline_density(one)
    if kind == "sparse" and not density:
        notes.append(
            f"{one.layer}: nothing was walked, so that its density is not known: no sparse baseline is modelled"
        )
        return found
    shape = one.n_inputs_n_outputs
    work = dense_work(*shape, batch) if kind == "dense" else sparse_work(*shape, density or 0.0, batch)
    time_us = frame_time(device, work, model).time_us
    found.append(Baseline(device.name, kind, "modelled", batch, time_us, time_us * power_w, power_by))
    return found


def _measured(
    one: PricedRow, measured: CpuMeasurement, batches: Sequence[int], notes: list[str], mean_inputs: float
) -> list[Baseline]:
    layer = next((x for x in measured.layers if x.name == one.layer), None)
    if layer is None or (layer.n_cols, layer.n_rows) != one.n_inputs_n_outputs:
        notes.append(f"Not among the layers that were measured, or of another size there: {one.layer}")
        return []
    for what, ours, theirs in (
        ("weights", one.weight_density, layer.weight_density),
        ("inputs", mean_inputs, layer.act_density),  # over all vectors: a note for each would be hundreds
    ):
        if not _alike(ours, theirs, _OTHER_INPUTS):
            simulated = "an unknown share" if ours is None else f"{100 * ours:.1f} %"
            notes.append(
                f"{one.layer}: measured with {100 * theirs:.1f} % of its {what} not zero, simulated with {simulated}"
            )
    kinds = {method.name: method.kind for method in measured.methods}
    energy_by = "no source was named" if measured.energy is None else measured.energy.source
    found = []
    for cell in measured.cells:
        if cell.layer != layer.name or cell.batch not in batches or cell.median_us is None:
            continue
        few = len(cell.samples_us) < LEAST_SAMPLES
        made_by = f"measured, {len(cell.samples_us)} samples" if few else "measured"
        threads = f"{cell.threads} thread{'s' if cell.threads > 1 else ''}"
        name = f"{cell.method}, {threads}, {cell.cache}"
        found.append(Baseline(name, kinds[cell.method], made_by, cell.batch, cell.median_us, cell.energy_uj, energy_by))
    return found
