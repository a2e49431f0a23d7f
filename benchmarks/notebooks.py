"""How long the notebooks run, and whether they say what is stored in them: ``python -m benchmarks.notebooks``.

Each runs in a process and a kernel of its own, in an empty folder, once. Texts that cells print are compared with those
stored; pictures are not, for they are other bytes with another release of matplotlib, and cells whose tag is
``nbval-ignore-output`` print times. ``--write`` stores what came out.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness import Figure, Report, Table, command
from compressor.storage.files import replacing

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"
MOST_S = 40.0
SECONDS_FOR_A_CELL = 120
"""Far more than one takes: a cell that hangs ends."""

VARIES = "nbval-ignore-output"
"""Tag of a cell that prints what differs from run to run, as tools that compare notebooks know it."""

# In a process of its own: Jupyter's sockets and event loop stay out of ours. The kernel is this interpreter, whatever
# kernels the user has installed.
_EXECUTE = """
import sys
import nbformat
from jupyter_client import KernelManager
from nbclient import NotebookClient

path, folder, seconds = sys.argv[1:]
notebook = nbformat.read(path, as_version=4)
manager = KernelManager()
manager.kernel_spec.argv[0] = sys.executable
NotebookClient(notebook, km=manager, timeout=int(seconds), resources={"metadata": {"path": folder}}).execute()
nbformat.write(notebook, path)
"""

Notebook = dict[str, Any]


def read(path: Path) -> Notebook:
    """A notebook as its JSON has it."""
    found: Notebook = json.loads(path.read_text(encoding="utf-8"))
    return found


def executed(path: Path, folder: Path) -> Notebook:
    """The notebook as it comes out of a new kernel that runs in `folder`, without the times of its cells.

    Raises
    ------
    ValueError
        When a cell fails, or takes too long.
    """
    copy = Path(shutil.copy(path, folder))
    own = {name: str(folder) for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR")}
    done = subprocess.run(
        [sys.executable, "-c", _EXECUTE, str(copy), str(folder), str(SECONDS_FOR_A_CELL)],
        capture_output=True, text=True, check=False, cwd=folder, env={**os.environ, **own},
    )  # fmt: skip
    if done.returncode:
        raise ValueError(f"{path.name}: {done.stderr}")
    found = {**read(copy), "metadata": read(path)["metadata"]}  # without the release of Python
    for cell in found["cells"]:
        cell["metadata"].pop("execution", None)
    return found


def texts(notebook: Notebook) -> Iterator[tuple[int, str]]:
    """What each cell that does not vary printed, with the number of the cell."""
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    for number, cell in enumerate(code, 1):
        if VARIES not in cell["metadata"].get("tags", ()):
            shown, before = [], None
            for output in cell["outputs"]:
                of_data = output.get("data", {})
                text = "".join(output.get("text", of_data.get("text/plain", "")))
                stream = output["name"] if output.get("output_type") == "stream" else None
                if stream is not None and stream == before:
                    shown[-1] += text  # into how many pieces a kernel cuts what it prints depends on its speed
                else:
                    shown.append("a picture" if "image/png" in of_data else text)
                before = stream
            yield from ((number, one) for one in shown)


def differing(stored: Notebook, now: Notebook) -> list[int]:
    """Numbers of the code cells that print something else than is stored."""
    found: list[dict[int, list[str]]] = []
    for notebook in (stored, now):
        of_cells: dict[int, list[str]] = {}
        for number, text in texts(notebook):
            of_cells.setdefault(number, []).append(text)
        found.append(of_cells)
    before, after = found
    return sorted(number for number in {*before, *after} if before.get(number) != after.get(number))


def measure(options: argparse.Namespace) -> Report:
    figures, rows, differ = [], [], 0
    for path in _chosen(options.names):
        with tempfile.TemporaryDirectory() as folder:
            began = time.perf_counter()
            now = executed(path, Path(folder))
            seconds = time.perf_counter() - began
        other = differing(read(path), now)
        figures.append(Figure(path.stem, seconds, "s", MOST_S))
        differ += len(other)
        rows.append((path.stem, ", ".join(map(str, other)) or "none"))
        if options.write:
            with replacing(path) as file:
                file.write((json.dumps(now, indent=1, ensure_ascii=False) + "\n").encode())
    if not options.write:
        figures.append(Figure("cells that print something else than is stored", differ, "", 0))
    return Report(
        tuple(figures), (Table("cells that print something else than is stored", ("notebook", "cells"), tuple(rows)),)
    )


def _chosen(names: Sequence[str]) -> list[Path]:
    """The notebooks whose names begin so, or all."""
    there = sorted(FOLDER.glob("*.ipynb"))
    found = [path for path in there if not names or path.name.startswith(tuple(names))]
    if not found:
        raise SystemExit(f"notebooks: none begins with {' or '.join(names)}")
    return found


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", nargs="*", metavar="NAME", help="notebooks, as they begin: 03; default all")
    parser.add_argument("--write", action="store_true", help="store what came out")


if __name__ == "__main__":
    sys.exit(command("notebooks", __doc__, measure, add_options=add_options))
