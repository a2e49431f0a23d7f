"""The part of a page about one layer: its map, its pictures, its PEs, its memories."""

from collections.abc import Sequence
from dataclasses import dataclass

from compressor.types.packed import PackedLayer
from eie_sim.capacity import capacity_report
from eie_sim.columns import Row, digits
from eie_sim.report.html import heat_map
from eie_sim.report.html.album import Album
from eie_sim.report.html.markup import Markup, element, join
from eie_sim.report.report_columns import Definitions
from eie_sim.result import SimResult

CAPACITY: Definitions = {
    "layer": {"unit": "", "definition": "Name of the layer."},
    "memory": {"unit": "", "definition": "Memory of a PE, as in the machine's parameters."},
    "counted_in": {"unit": "", "definition": "What the next two columns count."},
    "used": {"unit": "", "definition": "What the fullest PE needs."},
    "available": {"unit": "", "definition": "What each PE has."},
    "share": {"unit": "ratio", "definition": "used / available; above 1 the layer does not fit."},
    "fits": {"unit": "", "definition": "yes, or no: it is simulated as if it fitted."},
}


@dataclass(frozen=True, eq=False)
class Detail:
    """A layer that ran, with everything that happened.

    Attributes
    ----------
    layer : PackedLayer
    result : SimResult
        Of one input vector, with its schedule.
    """

    layer: PackedLayer
    result: SimResult


def capacity_rows(details: Sequence[Detail]) -> list[Row]:
    """What each layer needs of each memory, with the columns of `CAPACITY`."""
    return [
        {
            "layer": one.layer.name,
            "memory": need.memory,
            "counted_in": need.unit,
            "used": need.used,
            "available": need.available,
            "share": need.used / need.available if need.available else None,
            "fits": "yes" if need.fits else "no",
        }
        for one in details
        for need in capacity_report(one.layer, one.result.arch)
    ]


def layer_part(number: int, detail: Detail, album: Album) -> Markup:
    """The layer as a part of the page that opens; `number` tells its ids from those of other layers."""
    layer, result = detail.layer, detail.result
    name = f"layer-{number}"
    told = (
        f": {layer.n_rows:,} outputs, {layer.n_cols:,} inputs, {100 * layer.density:.3g} % of the weights, "
        f"{digits(result.time_us)} µs, {100 * result.load_balance:.1f} % busy"
    )
    return element(
        "details",
        element("summary", layer.name, element("span", told)),
        join(
            heat_map.drawn_by_script(name, layer.name),
            heat_map.in_words(f"{name}-time", result),
            album.of_layer(layer, result),
            heat_map.each_pe(f"{name}-pes", layer, result),
        ),
        class_="layer",
    )
