"""The notebooks: each runs from top to bottom, asks a question, and is stored small and clean."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"
NOTEBOOKS = sorted(path.name for path in FOLDER.glob("*.ipynb"))

MOST_BYTES = 300_000
SECONDS_FOR_A_CELL = 120
"""Far more than one takes: a cell that hangs ends."""


def cells(name, kind):
    content = json.loads((FOLDER / name).read_text(encoding="utf-8"))
    return [cell for cell in content["cells"] if cell["cell_type"] == kind]


def text_of(cell):
    return "".join(cell["source"])


def test_there_are_notebooks():
    assert NOTEBOOKS


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_begins_with_a_question_and_ends_with_a_picture(name):
    first_line = text_of(cells(name, "markdown")[0]).splitlines()[0]
    assert first_line.startswith("# ")
    assert first_line.endswith("?")
    shown = cells(name, "code")[-1]["outputs"]
    assert any("image/png" in output.get("data", {}) for output in shown)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_is_stored_small_as_it_ran_from_top_to_bottom(name):
    assert (FOLDER / name).stat().st_size < MOST_BYTES
    code = cells(name, "code")
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    kinds = {output["output_type"] for cell in code for output in cell["outputs"]}
    assert kinds <= {"execute_result", "display_data", "stream"}


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_no_path_of_a_machine_is_stored_in_a_notebook(name):
    assert not re.search(r"/home/|/work/|/Users/|[A-Z]:\\\\", (FOLDER / name).read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_the_list_of_notebooks_names_it_with_its_question(name):
    question = text_of(cells(name, "markdown")[0]).splitlines()[0].removeprefix("# ")
    assert f"({name}) | {question} |" in (FOLDER / "README.md").read_text(encoding="utf-8")


# In a process of its own: Jupyter's sockets and event loop stay out of the tests'. The kernel is this interpreter,
# whatever kernels the user has installed.
EXECUTE = """
import sys
import nbformat
from jupyter_client import KernelManager
from nbclient import NotebookClient

path, folder, seconds = sys.argv[1:]
notebook = nbformat.read(path, as_version=4)
manager = KernelManager()
manager.kernel_spec.argv[0] = sys.executable
NotebookClient(notebook, km=manager, timeout=int(seconds), resources={"metadata": {"path": folder}}).execute()
code = [cell for cell in notebook.cells if cell["cell_type"] == "code"]
assert code and all(cell["execution_count"] for cell in code)
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_runs_from_top_to_bottom(name, tmp_path):
    pytest.importorskip("nbclient", reason="needs the extra dev: pip install -e '.[dev]'")
    pytest.importorskip("ipykernel", reason="needs the extra dev: pip install -e '.[dev]'")
    copy = shutil.copy(FOLDER / name, tmp_path)
    folders = {name: str(tmp_path) for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR")}
    done = subprocess.run(
        [sys.executable, "-c", EXECUTE, copy, str(tmp_path), str(SECONDS_FOR_A_CELL)],
        capture_output=True, text=True, check=False, cwd=tmp_path, env={**os.environ, **folders},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
