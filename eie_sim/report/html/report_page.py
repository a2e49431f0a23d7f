"""A run as one page: what was simulated, how it compares, each layer, energy, capacity, the machine."""

from collections.abc import Sequence

from eie_sim import paper
from eie_sim.arch import ArchConfig, preset
from eie_sim.columns import Cell, Row, digits
from eie_sim.report import figures
from eie_sim.report.comparison import RunReport, headline
from eie_sim.report.html.album import Album
from eie_sim.report.html.details import CAPACITY, Detail, capacity_rows, layer_part
from eie_sim.report.html.heat_map import heat_map
from eie_sim.report.html.markup import Markup, element, join, json_block
from eie_sim.report.html.page import Section, page
from eie_sim.report.html.tables import data_table, pairs
from eie_sim.report.report_columns import HEADLINE, REPORTS, Definitions, by_unit
from eie_sim.report.report_text import cell_text, energy_by_unit, means_of
from eie_sim.report.results_file import Results
from eie_sim.report.tables import COMPARED, column_definitions
from eie_sim.text_formats import assignments

_SCRIPTS = ("page.js", "heat.js")

_PAPER_RATIOS: Definitions = {
    "paper_speedup": {"unit": "x", "definition": "The same in the abstract of the paper, over the nine layers."},
    "paper_energy_ratio": {"unit": "x", "definition": "The same in the abstract of the paper."},
}


def report_page(
    results: Results,
    report: RunReport,
    details: Sequence[Detail],
    left_out: str = "",
    album: Album | None = None,
) -> str:
    """The page of a run. The same run gives the same bytes: no date and no path stands in it.

    Parameters
    ----------
    results : Results
    report : RunReport
        Of these results.
    details : sequence of Detail
        The layers with their schedules, the first input vector of each; those that there are.
    left_out : str
        Why a layer has none, for a reader.
    album : Album or None
        A new one for its pictures, which may draw in several processes; None: they are drawn in this one.
    """
    machine, album = report.machine, album or Album()
    by_units = energy_by_unit(report.tables["ENERGY_REPORT"])
    by = f"energy by {report.calibration}" + (f", scaling rule {report.rule}" if report.rule else "")
    areas = _of_report("areas", "Area by unit", "AREA_REPORT", report)
    sections = [
        Section("summary", "What was simulated", _summary(results, report, by)),
        Section("comparison", "Beside the paper and the baselines", _comparison(results, report, album)),
        Section("layers", "Layer by layer", _layers(report, details, left_out, album)),
        Section(
            "energy",
            "Energy",
            (
                _first_alone(report) if details else None,
                album.energies([one.result for one in details], report),
                _of_report("calibrations", "By every calibration", "CALIBRATION_REPORT", report),
                data_table("units", f"By unit, {report.calibration}", by_unit(list(by_units[0])[2:]), by_units),
                _of_report("events", f"By event, {report.calibration}", "ENERGY_REPORT", report),
            ),
        ),
        Section(
            "capacity",
            "Capacity and traffic",
            (
                data_table("needs", "What the fullest PE needs", CAPACITY, capacity_rows(details)) if details else None,
                _note(left_out),
                _of_report("bandwidth", "Traffic", "BANDWIDTH_REPORT", report),
            ),
        ),
        Section("machine", "The machine", machine_part(machine, areas)),
    ]
    maps = {f"layer-{number}": heat_map(one.result).data() for number, one in enumerate(details)}
    written = page(
        f"{machine.name}: {machine.n_pe} PE{'s' * (machine.n_pe > 1)}, {machine.clock_hz / 1e6:g} MHz, "
        f"{machine.technology_nm:g} nm",
        f"EIE, simulated cycle by cycle by eie-sim {report.version}, engine {report.engine}; {by}.",
        sections,
        _SCRIPTS,
        join(json_block("heat-data", maps), album.sheet()),
    )
    return album.put_into(written)


def _of_report(name: str, caption: str, table: str, report: RunReport) -> Markup:
    return data_table(name, caption, REPORTS[table], report.tables[table])


# What was simulated ---------------------------------------------------------------------------------------------------


def _summary(results: Results, report: RunReport, by: str) -> tuple[Markup | None, ...]:
    layers = list(dict.fromkeys(str(row["layer"]) for row in results.rows))
    inputs = len({row["input"] for row in results.rows})
    # Layers of one origin stand together.
    by_origin: dict[str, list[str]] = {}
    for layer, origin in report.origins.items():
        by_origin.setdefault(origin, []).append(layer)
    chained = ", each on the outputs of the one before" if report.chained else ", each on inputs of its own"
    facts: list[tuple[str, str | Markup]] = [
        ("Layers", f"{', '.join(layers)}{chained if len(layers) > 1 else ''}"),
        ("Input vectors", f"{inputs:,}, one after another, each on an empty machine"),
        ("Machine", f"{report.machine.name}; every parameter is below"),
        ("Made by", f"eie-sim {report.version}, engine {report.engine}"),
        ("Energy", f"{by}: {'; '.join(report.assumptions)}"),
        *((f"Weights and inputs of {', '.join(of_one)}", origin) for origin, of_one in by_origin.items()),
    ]
    notes = [element("li", note) for note in report.notes]
    cards = []
    for value, what, beside in _cards(results, report):
        small = element("span", beside, class_="beside") if beside else None
        cards.append(element("li", element("strong", value), element("span", what), small))
    return (
        element("ul", *cards, class_="cards"),
        pairs(facts),
        element("h3", "Notes") if notes else None,
        element("ul", *notes, class_="note") if notes else None,
    )


def _cards(results: Results, report: RunReport) -> list[tuple[str, str, str]]:
    """Headline figures: the figure, what it is, and what stands beside it."""
    rows = report.tables["INFERENCE_REPORT"] or report.tables["COMPUTE_REPORT"]
    what = "one inference" if report.chained else "one layer"
    times = figures.layer_times(results.rows)
    cards = [
        (f"{_span(rows, 'time_us')} µs", f"for {what}", times.times_finding if _published(results) else ""),
        (f"{_span(rows, 'energy_nj')} nJ", f"for {what}", f"calibration {report.calibration}"),
        (f"{_span(rows, 'power_w')} W", "mean power", _paper_of(report.machine, "power_w", "W")),
    ]
    area_mm2 = report.tables["COMPUTE_REPORT"][0]["area_mm2"]
    if area_mm2 is not None:
        cards.append((f"{cell_text(area_mm2)} mm²", "area", _paper_of(report.machine, "area_mm2", "mm²")))
    for row in _headline(results, report):
        if row["kind"] != "dense" or not row["shown"]:
            continue
        told = [] if row["paper_speedup"] is None else [f"the paper: {cell_text(row['paper_speedup'])} times"]
        if row["paper_energy_ratio"] is not None:
            told.append(f"{cell_text(row['paper_energy_ratio'])} times less energy")
        ratio = row["energy_ratio"]
        energy = "" if ratio is None else f"; {_compared(ratio, 'less energy', 'more energy')}"
        against = f"{row['baseline']}, dense, batch {row['batch']}, {row['made_by']}{energy}"
        cards.append((_compared(row["speedup"], "faster than", "slower than"), against, ", ".join(told)))
    return cards


def _compared(ratio: Cell, above: str, below: str) -> str:
    assert isinstance(ratio, (int, float))
    return f"{digits(ratio)} times {above}" if ratio >= 1 else f"{digits(1 / ratio)} times {below}"


def _span(rows: Sequence[Row], column: str) -> str:
    values = [value for row in rows if isinstance(value := row[column], (int, float))]
    low, high = digits(min(values)), digits(max(values))
    return low if low == high else f"{low} to {high}"


def _paper_of(machine: ArchConfig, row: str, unit: str) -> str:
    """A figure of EIE Table V, where the machine is that of the table."""
    known = machine.replace(strict_capacity=False) == preset(paper.MACHINE)
    return f"the paper: {paper.TABLE_V.given(row, 'EIE 64 PEs'):g} {unit}" if known else ""


# Beside the paper and the baselines -----------------------------------------------------------------------------------


def _published(results: Results) -> bool:
    return any(row.get(one.paper_column) is not None for row in results.rows for one in COMPARED)


def _headline(results: Results, report: RunReport) -> list[Row]:
    """The rows of `comparison.headline` with the paper's means; ``shown``: no better one of that device and kind."""
    layers = {row["layer"] for row in results.rows if row.get("paper_time_us") is not None}
    nine = layers == {row["layer"] for row in results.rows} == set(paper.LAYERS)
    found: list[Row] = []
    seen: set[tuple[Cell, ...]] = set()
    for row in headline(report):
        told = paper.TABLE_IV_PLATFORMS.get(str(row["baseline"]))
        given = nine and not report.chained and row["kind"] == "dense" and row["batch"] == 1 and told is not None
        key = (row["baseline"], row["kind"], row["batch"])
        found.append(
            {
                **row,
                "paper_speedup": paper.HEADLINES[f"speed_vs_{told}"] if given else None,
                "paper_energy_ratio": paper.HEADLINES[f"energy_vs_{told}"] if given else None,
                "shown": key not in seen,
            }
        )
        seen.add(key)
    return found


def _comparison(results: Results, report: RunReport, album: Album) -> tuple[Markup | None, ...]:
    definitions = column_definitions()
    columns = ["layer", "input", *(c for x in COMPARED for c in (x.measured, x.paper_column, x.deviation_column))]
    beside = [{name: row.get(name) for name in columns} for row in results.rows]
    means = _headline(results, report)
    # The columns of the paper's means are there where it has any.
    of_means = {**HEADLINE, **(_PAPER_RATIOS if any(row["paper_speedup"] is not None for row in means) else {})}
    every = report.tables["COMPARISON_REPORT"]
    batches = [row["batch"] for row in every if isinstance(row["batch"], int)]
    return (
        album.times(figures.layer_times(results.rows)),
        data_table("paper", "Beside the paper's figures", {name: definitions[name] for name in columns}, beside)
        if _published(results)
        else element("p", "The paper has no figures for these layers on this machine.", class_="note"),
        data_table("means", f"Against the baselines: {means_of(report)}", of_means, means) if means else None,
        # That of most baselines: the accelerators of Table V stand beside at batch 1 alone.
        *album.baselines(report, max(sorted(set(batches)), key=batches.count, default=1)),
        _of_report("baselines", "Every layer beside every baseline", "COMPARISON_REPORT", report) if every else None,
    )


# Layers ---------------------------------------------------------------------------------------------------------------


def _layers(report: RunReport, details: Sequence[Detail], left_out: str, album: Album) -> tuple[Markup | None, ...]:
    return (
        _of_report("compute", "Each layer", "COMPUTE_REPORT", report),
        _of_report("inference", "Whole inferences", "INFERENCE_REPORT", report) if report.chained else None,
        _first_alone(report) if details else None,
        album.cycles([one.result for one in details]),
        element("h3", "Every cycle of each layer") if details else None,
        _note(f"Open a layer. With several input vectors, it is the first one.{' ' * bool(left_out)}{left_out}")
        if details
        else _note(left_out),
        *(layer_part(number, one, album) for number, one in enumerate(details)),
    )


def _first_alone(report: RunReport) -> Markup | None:
    """That a picture shows less than the tables beside it."""
    several = len({row["input"] for row in report.tables["COMPUTE_REPORT"]}) > 1
    return _note("The picture is of the first input vector of each layer, the tables are of more." * several)


def _note(told: str) -> Markup | None:
    return element("p", told, class_="note") if told else None


# The machine ----------------------------------------------------------------------------------------------------------


_PARAMETERS: Definitions = {
    "parameter": {"unit": "", "definition": "Field of the machine's TOML file."},
    "value": {"unit": "", "definition": "Its value; empty: none was chosen."},
    "meaning": {"unit": "", "definition": "What it is, its unit and where the paper gives it."},
}


def machine_part(machine: ArchConfig, areas: Markup | None = None) -> tuple[Markup | None, ...]:
    """Every parameter of a machine, its areas where they are given, and the machine as a file."""
    fields = machine.model_dump()
    rows: list[Row] = [
        {
            "parameter": name,
            "value": None if (value := getattr(machine, name)) is None else str(value),
            "meaning": str(field.description),
        }
        for name, field in ArchConfig.model_fields.items()
    ]
    given = {name: value for name, value in fields.items() if value is not None}
    toml = assignments(given)
    return (
        data_table("parameters", "Every parameter", _PARAMETERS, rows),
        areas,
        element("h3", "The machine as a file"),
        element("p", element("label", "For --arch FILE.toml of eie-sim run:", for_="toml")),
        element("textarea", toml, id_="toml", rows=len(given), readonly=True, data_copy=True, spellcheck="false"),
    )
