"""Text that the simulator writes for others to read: JSON files that say what they are, TOML, CSV and Markdown.

Names of layers, files and machines come from files that nobody has vouched for. Each form has one function here that
escapes them; for terminals it is `compressor.console.printer.printable`, and pages escape what is not `Markup`.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from typing import Any

from compressor.messages import printable
from compressor.storage.strict_json import strict_json
from compressor.storage.text_file import read_text


@dataclass(frozen=True)
class JsonKind:
    """One kind of JSON file: an object with ``format`` and ``format_version``.

    Attributes
    ----------
    name : str
        What a message calls the file, such as ``"results file"``.
    format, version : str, int
        Of the object's ``format`` and ``format_version``.
    most_bytes : int
        Longest file that is read.
    others : mapping of str to str
        What to say of files of another format.
    """

    name: str
    format: str
    version: int
    most_bytes: int
    others: Mapping[str, str] = field(default_factory=dict)

    @property
    def head(self) -> dict[str, Any]:
        """The keys that say what the file is."""
        return {"format": self.format, "format_version": self.version}

    def read(self, path: str | PathLike[str]) -> dict[str, Any]:
        """The object in a file, without the keys that say what it is; the rest is not checked.

        Raises
        ------
        ValueError
            When it is something else.
        OSError
            When it cannot be read.
        """
        document = strict_json(f"not a {self.name}", read_text(path, self.name, self.most_bytes))
        if not isinstance(document, dict) or document.get("format") != self.format:
            found = document.get("format") if isinstance(document, dict) else None
            if isinstance(found, str) and found in self.others:
                raise ValueError(self.others[found])
            raise ValueError(f"not a {self.name}: it must be a JSON object with format {self.format!r}")
        version = document.get("format_version")
        if type(version) is not int or version != self.version:
            raise ValueError(f"format_version: {version!r}, but this version reads {self.version}")
        return {key: value for key, value in document.items() if key not in self.head}


def literal(value: object) -> str:
    """A string, a Boolean or a finite number as TOML."""
    if isinstance(value, str):
        # TOML escapes what JSON does, and DEL.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return str(value).lower() if isinstance(value, bool) else repr(value)


def assignments(fields: Mapping[str, object]) -> str:
    """One line ``name = value`` of TOML for each field; Python's own library reads TOML and does not write it."""
    return "".join(f"{name} = {literal(value)}\n" for name, value in fields.items())


# CSV ------------------------------------------------------------------------------------------------------------------

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What begins a formula in a spreadsheet, at the beginning of a cell."""


def csv_line(cells: Iterable[object]) -> str:
    """One row of CSV, with its newline; None is an empty cell.

    A string that a spreadsheet would take for a formula gets an apostrophe before it, which spreadsheets hide. Quoted
    is what holds a comma, a quote or any end of a line: Python's own module quotes carriage returns from 3.13 on.
    """
    return ",".join(map(_csv_cell, cells)) + "\n"


def csv_text(columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> str:
    """A table as CSV: the names of its columns, then its rows."""
    lines = (csv_line(row[name] for name in columns) for row in rows)
    return "".join([csv_line(columns), *lines])


def _csv_cell(cell: object) -> str:
    text = "" if cell is None else str(cell)
    if isinstance(cell, str) and cell.startswith(_FORMULA):
        text = "'" + text
    return '"' + text.replace('"', '""') + '"' if any(mark in text for mark in ',"\r\n') else text


# Markdown -------------------------------------------------------------------------------------------------------------

_MARKDOWN = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", **{mark: "\\" + mark for mark in "\\`*[]|~"}},
)


def markdown(text: str) -> str:
    """A string in one line that Markdown shows as it is, in a cell of a table too: neither HTML nor a link nor code."""
    return printable(text).translate(_MARKDOWN)
