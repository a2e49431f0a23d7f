"""Result files of a reproduction: CSV and Markdown tables from one list of rows."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path


def as_csv(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A line of names, then a line for each row; None is an empty cell."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue()


def as_markdown(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table; columns whose cells are all numbers, or texts that begin like one, stand to the right."""
    lines = [["" if cell is None else str(cell) for cell in row] for row in rows]
    sides = ["---:" if all(_is_number(line[at]) for line in lines) else "---" for at in range(len(columns))]
    return "\n".join("| " + " | ".join(line) + " |" for line in [list(columns), sides, *lines])


def _is_number(text: str) -> bool:
    return not text or text.lstrip("+-*")[:1].isdigit()


def write_texts(folder: Path, texts: Mapping[str, str]) -> list[Path]:
    """Write each text to the file of its name; returns the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in texts]
