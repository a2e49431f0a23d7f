"""A network as one page: what ran, node by node, beside the baselines, and the machine."""

from eie_sim.columns import Row, digits
from eie_sim.network.result import NODE_COLUMNS
from eie_sim.report import figures
from eie_sim.report.html.album import Album
from eie_sim.report.html.markup import Markup, element
from eie_sim.report.html.page import Section, page
from eie_sim.report.html.report_page import machine_part
from eie_sim.report.html.tables import data_table, pairs
from eie_sim.report.network_report import BASELINES, LIMITS, NetworkReport
from eie_sim.report.report_columns import Definitions

_HOST: Definitions = {
    "nodes": {"unit": "", "definition": "Operators that ONNX Runtime computes between nodes of the machine."},
    "time_us": {"unit": "us", "definition": "Of an inference, the mean; measured on this host."},
}


def network_page(report: NetworkReport) -> str:
    """The page of a network; the same run gives the same bytes, but for the times that were measured.

    Parameters
    ----------
    report : NetworkReport
    """
    result, album = report.result, Album()
    count = len(result)
    host: list[Row] = [
        {"nodes": ", ".join(segment.nodes), "time_us": segment.seconds * 1e6 / count} for segment in result.host
    ]
    sections = [
        Section("summary", "What was simulated", _summary(report)),
        Section(
            "nodes",
            "Node by node",
            (
                album.path(figures.network_path(result, report.name)),
                data_table("all-nodes", "Nodes on the machine", _columns(), result.rows()),
                data_table("host", "On the host", _HOST, host) if host else None,
            ),
        ),
        Section(
            "baselines",
            "Beside the baselines",
            (
                data_table("devices", "An inference on each", BASELINES, report.baselines()),
                element("p", LIMITS, class_="note"),
            ),
        ),
        Section("machine", "The machine", machine_part(result.arch)),
    ]
    written = page(
        f"{report.name} on {result.arch.name}",
        f"A whole network on EIE, simulated cycle by cycle by eie-sim {result.version}, engine {result.engine}.",
        sections,
        ("page.js",),
        album.sheet(),
    )
    return album.put_into(written)


def _columns() -> Definitions:
    return {column.name: {"unit": column.unit, "definition": column.definition} for column in NODE_COLUMNS}


def _summary(report: NetworkReport) -> tuple[Markup | None, ...]:
    result = report.result
    found = result.summary()
    facts: list[tuple[str, str | Markup]] = [
        ("Inferences", f"{len(result):,}: {result.products:,} products, {result.cycles:,} cycles"),
        *((name.replace("_", " "), digits(value)) for name, value in found.items() if isinstance(value, (int, float))),
        ("Lowering", result.lowering),
    ]
    cards = [
        (f"{digits(report.time_us)} µs", "of the machine for an inference"),
        (f"{digits(report.energy_uj)} µJ", "of the machine for an inference"),
        (f"{result.products // len(result):,}", "products for an inference"),
    ]
    notes = [element("li", note) for note in report.notes]
    return (
        element(
            "ul", *(element("li", element("strong", value), element("span", what)) for value, what in cards),
            class_="cards",
        ),
        pairs(facts),
        element("h3", "Notes") if notes else None,
        element("ul", *notes, class_="note") if notes else None,
    )  # fmt: skip
