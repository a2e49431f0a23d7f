"""Results as files: one JSON document, or one CSV row a layer and input vector; both with the columns of `tables`.

The same results give the same bytes: a document holds no date and no path of the machine that wrote it.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compressor._version import __version__
from compressor.storage.files import errors_name, replacing
from eie_sim.columns import MEASURED, Row
from eie_sim.origin import Origin
from eie_sim.report.classifications import DEFINITIONS
from eie_sim.report.tables import COLUMNS, KEYS, by_layer, column_definitions, summary
from eie_sim.text_formats import JsonKind, csv_text

_NETWORK = "results of a whole network; give the model and --inputs in their place"
KIND = JsonKind(
    "results file", "eie-sim-results", version=1, most_bytes=2**30, others={"eie-sim-network": _NETWORK}
)  # fmt: skip
"""Largest results file that is read."""


@dataclass(frozen=True)
class LayerFacts:
    """What the rows of a layer do not tell of it.

    Attributes
    ----------
    weight_density : float
        Real weights over all, 0 .. 1, the bias apart.
    missing_bytes : int
        Entries and pointers for which the SRAMs have no place, all PEs together.
    """

    weight_density: float
    missing_bytes: int


@dataclass(frozen=True)
class Results:
    """Rows of results, and what they came from.

    Attributes
    ----------
    rows : list of dict
        As `eie_sim.report.tables.result_row` makes them.
    arch : mapping
        Every field of the machine.
    engine : str
    origins : mapping of str to Origin
        For each layer, where weights and inputs come from.
    notes : sequence of str
        What a reader should know, such as that a layer was repacked or does not fit.
    chained : bool
        Whether each layer's output was the next one's input; then there are totals.
    version : str
        Version of eie-sim that made the results.
    classifications : list of dict
        As `eie_sim.report.classifications.classification_row` makes them; of networks that ran beside the layers.
    layers : mapping of str to LayerFacts
        What rows do not tell of a layer; empty for results of a version that did not keep it.
    outputs : mapping of str to ndarray
        For each layer, where they were kept: its outputs before the activation function, shape (n_rows,), or
        (B, n_rows) for B input vectors. No part of the JSON document or the CSV.
    """

    rows: Sequence[Row]
    arch: Mapping[str, Any]
    engine: str
    origins: Mapping[str, Origin] = field(default_factory=dict)
    notes: Sequence[str] = ()
    chained: bool = False
    version: str = __version__
    classifications: Sequence[Row] = ()
    layers: Mapping[str, LayerFacts] = field(default_factory=dict)
    outputs: Mapping[str, NDArray[np.floating]] = field(default_factory=dict, compare=False)

    @property
    def totals(self) -> list[Row]:
        """Cycles and time of all layers together, for each input vector; empty when they are not a chain."""
        sums: dict[int, Row] = {}
        for row in self.rows if self.chained else ():
            number = row["input"]
            assert isinstance(number, int)
            total = sums.setdefault(number, {"input": number, "cycles": 0, "time_us": 0})
            for name in ("cycles", "time_us"):
                cell, so_far = row[name], total[name]
                assert isinstance(cell, (int, float))
                assert isinstance(so_far, (int, float))
                total[name] = so_far + cell
        return [sums[number] for number in sorted(sums)]


def to_json(results: Results) -> str:
    """The results as a JSON document; numbers in full precision.

    Raises
    ------
    ValueError
        If a number is not finite, which JSON cannot say; it names the column.
    """
    for row in results.rows:
        for name, value in row.items():
            if isinstance(value, float) and not math.isfinite(value):
                of = f"layer {row['layer']!r}, input {row['input']}"
                raise ValueError(f"{name}: {value} for {of}, but JSON has finite numbers only")
    per_layer = by_layer(results.rows)
    names = [column.name for column in MEASURED]
    document: dict[str, Any] = {
        **KIND.head,
        "eie_sim_version": results.version,
        "engine": results.engine,
        "machine": dict(results.arch),
        "origins": {name: str(origin) for name, origin in results.origins.items()},
        "origin_fields": {name: origin.plain() for name, origin in results.origins.items()},
        "notes": list(results.notes),
        "chained": results.chained,
        "layers": {name: asdict(facts) for name, facts in results.layers.items()},
        "columns": column_definitions(),
        "results": list(results.rows),
    }
    if results.classifications:
        document["classification_columns"] = DEFINITIONS
        document["classifications"] = list(results.classifications)
    if any(len(rows) > 1 for rows in per_layer.values()):
        document["summary"] = {layer: summary(rows, names) for layer, rows in per_layer.items()}
    if results.chained:
        document["totals"] = results.totals
    return json.dumps(document, indent=2, allow_nan=False)


def to_csv(results: Results) -> str:
    """The results as CSV: a heading, then one row a layer and input vector; no figure is an empty cell."""
    return csv_text(COLUMNS, results.rows)


def write_text(text: str, path: str | PathLike[str]) -> None:
    """Write `text` and a final newline to `path`, whole or not at all.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    with replacing(Path(path)) as file:
        file.write((text if text.endswith("\n") else text + "\n").encode())


def read_results(path: str | PathLike[str]) -> Results:
    """Read and check a JSON document of `to_json`; of a folder of `eie-sim run --out`, its results.json.

    Columns this version does not know are kept, so that files of other versions can be compared.

    Raises
    ------
    FormatError
        If it is no results file; a ValueError that names the file and the thing.
    OSError
        If it cannot be read.
    """
    file = Path(path)
    if (file / "results.json").is_file():
        file /= "results.json"
    refuse_table(file)
    with errors_name(file):
        return _checked(KIND.read(file))


def refuse_table(file: Path) -> None:
    """Refuse the CSV of a run, which lacks the machine.

    Raises
    ------
    ValueError
        If `file` is one; it says what to give.
    """
    if file.suffix.lower() == ".csv" and file.is_file():
        with file.open("rb") as content:
            if content.read(12) == b"layer,input,":
                raise ValueError(f"{file}: a table of results; give results.json, which `eie-sim run --out` writes too")


def _checked(document: Mapping[str, Any]) -> Results:
    machine, rows = document.get("machine"), document.get("results")
    if not isinstance(machine, dict):
        raise ValueError("machine: must be an object")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError("results: must be a list of objects")
    for number, row in enumerate(rows):
        for key, kind in zip(KEYS, (str, int), strict=True):
            if type(row.get(key)) is not kind:
                raise ValueError(f"results: row {number} has {key} {row.get(key)!r}, but it must be {kind.__name__}")
        for name, value in row.items():
            if value is not None and type(value) not in (str, int, float):
                what = f"results: {name} of row {number} is {type(value).__name__}"
                raise ValueError(f"{what}, but must be a number or text")
            if isinstance(value, float) and not math.isfinite(value):
                raise ValueError(f"results: {name} of row {number} is {value}, but must be finite")
    # Tables and comparisons find a row by these two.
    keys = [(row["layer"], row["input"]) for row in rows]
    if len(set(keys)) != len(keys):
        raise ValueError("results: a layer and input are there twice")
    notes = document.get("notes", [])
    if not isinstance(notes, list):
        raise ValueError("notes: must be a list")
    return Results(
        rows,
        machine,
        str(document.get("engine", "unknown")),
        origins=_origins(document),
        notes=tuple(_texts("notes", dict(enumerate(notes))).values()),
        chained=document.get("chained") is True,
        version=str(document.get("eie_sim_version", "unknown")),
        layers=_facts(document.get("layers", {})),
    )


def _texts(name: str, found: object) -> dict[Any, str]:
    if not isinstance(found, dict) or not all(isinstance(text, str) for text in found.values()):
        raise ValueError(f"{name}: must hold texts")
    return found


def _origins(document: Mapping[str, Any]) -> dict[str, Origin]:
    """Origins as data where the file has them; of a file of an earlier version, their sentences."""
    sentences = _texts("origins", document.get("origins", {}))
    fields = document.get("origin_fields", {})
    if not isinstance(fields, dict) or not all(isinstance(one, dict) for one in fields.values()):
        raise ValueError("origin_fields: must hold objects")
    if unknown := fields.keys() - sentences.keys():
        raise ValueError(f"origin_fields: {min(unknown)!r} is not in origins")
    origins = {}
    for name, sentence in sentences.items():
        try:
            origin = Origin.of_plain(fields[name]) if name in fields else Origin("given", sentence)
        except ValueError as error:
            raise ValueError(f"origin_fields: {name}: {error}") from None
        # A sentence that was changed by hand, or that another version words otherwise, stays what it says.
        origins[name] = origin if str(origin) == sentence else Origin("given", sentence)
    return origins


def _facts(found: object) -> dict[str, LayerFacts]:
    if not isinstance(found, dict):
        raise ValueError("layers: must be an object")
    facts = {}
    for name, one in found.items():
        given = one if isinstance(one, dict) else {}
        density, missing = given.get("weight_density"), given.get("missing_bytes")
        if not isinstance(density, (int, float)) or not 0 <= density <= 1:
            raise ValueError(f"layers: {name}: weight_density {density!r}, but it must be 0 .. 1")
        if not isinstance(missing, int) or missing < 0:
            raise ValueError(f"layers: {name}: missing_bytes {missing!r}, but it must be a whole number of at least 0")
        facts[name] = LayerFacts(float(density), missing)
    return facts
