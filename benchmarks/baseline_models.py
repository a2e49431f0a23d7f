"""The models of CPU, GPU and mobile GPU against EIE Table IV: every layer, and the error of one left out of the fit.

For each processor, dense and sparse, batch 1 and 64: the published time, the model's, the prediction of a model that
was fitted to the other eight layers, and the energy that follows. The bar is on the median error of those predictions
at batch 1. Batch 64 has none: one efficiency cannot follow the kernels that a library chooses by shape. On the Tegra K1
the published rates of dense VGG-6 and Alex-7 differ by 6 times.

A roofline knows a layer by its size. Dense Alex-8 and VGG-8 are of one size, and the published CPU times of the two are
1134.9 and 774.2 us: no such model can be nearer than 19 % to both.
"""

import argparse
import sys
from pathlib import Path

from benchmarks.harness import Figure, Report, Table, command
from benchmarks.leave_one_out import against_published, median_left_out_error_pct
from eie_sim.baselines.devices import Device, Efficiency, Kind, devices, read_device
from eie_sim.baselines.platforms import platforms
from eie_sim.baselines.published import BATCHES, KINDS, layer_work
from eie_sim.baselines.roofline import frame_time
from eie_sim.paper import LAYERS, TABLE_V

ERROR_BAR_PCT = 25.0
"""Median over the nine layers of the leave-one-out error at batch 1."""

COLUMNS = ("layer", "published us", "model us", "off %", "left out us", "off %, left out", "power W", "of", "energy uJ")
FITTED_COLUMNS = ("device", "kind", "batch", "efficiency", "cache gain", "bound", "launch us", "fitted to")
OWN_COLUMNS = ("layer", "model us", "bound", "energy uJ at power_w")
PLATFORM_COLUMNS = ("platform", "kind", "nm", "frames/s", "power W", "frames/J", "time us", "note")


def compared(device: Device, kind: Kind, batch: int) -> tuple[Table, Figure]:
    """The nine layers of one device, kind and batch size, and the figure that sums them up."""
    rows = against_published(device, kind, batch)
    cells = tuple(
        (
            row.layer,
            row.published_us,
            round(row.modelled_us, 1),
            _percent(row.error_pct),
            round(row.left_out_us, 1),
            _percent(row.left_out_error_pct),
            round(row.power_w, 1),
            row.power_source,
            round(row.published_uj, 1),
        )
        for row in rows
    )
    what = f"{device.name} {kind}, batch {batch}"
    error, worst = median_left_out_error_pct(rows), max(abs(row.left_out_error_pct) for row in rows)
    bar = ERROR_BAR_PCT if batch == 1 else None
    figure = Figure(f"{what}: median error, left out", error, "%", bar, note=f"worst layer {worst:.0f} %")
    return Table(f"{what} (energy: published time x power)", COLUMNS, cells), figure


def fitted(device: Device) -> list[tuple[object, ...]]:
    """Every fitted parameter of a device."""
    return [
        (
            device.name,
            model.kind,
            model.batch,
            model.efficiency,
            model.cache_gain,
            "/".join(sorted({_bound(device, layer, model) for layer in LAYERS})),
            device.launch_us,
            model.source,
        )
        for model in device.efficiencies
    ]


def own(device: Device) -> list[Table]:
    """The nine layers on a device of one's own, a table for each of its efficiencies."""
    return [
        Table(
            f"{device.name} {model.kind}, batch {model.batch}: modelled, no published times",
            OWN_COLUMNS,
            tuple(_modelled(device, layer, model) for layer in LAYERS),
        )
        for model in device.efficiencies
    ]


def _modelled(device: Device, layer: str, model: Efficiency) -> tuple[object, ...]:
    time = frame_time(device, layer_work(layer, model.kind, model.batch), model)
    return layer, round(time.time_us, 1), time.bound, round(time.time_us * device.power_w, 1)


def _percent(error_pct: float) -> float:
    return round(error_pct, 1) + 0.0  # no -0


def _bound(device: Device, layer: str, model: Efficiency) -> str:
    return frame_time(device, layer_work(layer, model.kind, model.batch), model).bound


def table_v() -> Table:
    """The platforms of Table V as published."""
    rows = tuple(
        (x.name, x.kind, x.technology_nm, x.frames_per_s, x.power_w, x.frames_per_j, x.time_us, x.note)
        for x in platforms().values()
    )
    return Table(f"{TABLE_V.source}, as published: AlexNet FC7", PLATFORM_COLUMNS, rows)


def baseline_models(of_ones_own: tuple[Device, ...] = ()) -> Report:
    """Tables of every device, kind and batch size; a figure each."""
    cases = [(one, kind, batch) for batch in BATCHES for one in devices().values() for kind in KINDS]
    tables, figures = zip(*(compared(*case) for case in cases), strict=True)
    parameters = tuple(row for one in devices().values() for row in fitted(one))
    others = [table for one in of_ones_own for table in own(one)]
    return Report(figures, (*tables, *others, Table("Fitted parameters", FITTED_COLUMNS, parameters), table_v()))


def measure(options: argparse.Namespace) -> Report:
    return baseline_models(tuple(options.device))


def a_device(text: str) -> Device:
    try:
        return read_device(Path(text))
    except (ValueError, OSError) as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def add_options(parser: argparse.ArgumentParser) -> None:
    help_text = "a device of your own, a TOML file as those in eie_sim/baselines; may be given more than once"
    parser.add_argument("--device", type=a_device, action="append", default=[], metavar="FILE", help=help_text)


if __name__ == "__main__":
    sys.exit(command("baseline_models", __doc__, measure, add_options=add_options))
