"""The notebooks: each asks a question, runs from top to bottom to what is stored in it, and is small and clean."""

import re

import pytest

from benchmarks.notebooks import FOLDER, VARIES, differing, executed, read
from tests.extras import needs_verilator

NOTEBOOKS = sorted(path.name for path in FOLDER.glob("*.ipynb"))

MOST_BYTES = 300_000

NEEDS = {"11_hardware.ipynb": needs_verilator}
"""Notebooks that print another line where a tool is missing."""


def cells(name, kind):
    return [cell for cell in read(FOLDER / name)["cells"] if cell["cell_type"] == kind]


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


@pytest.mark.slow
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_runs_from_top_to_bottom_and_says_what_is_stored(name, tmp_path):
    pytest.importorskip("nbclient", reason="needs the extra dev: pip install -e '.[dev]'")
    pytest.importorskip("ipykernel", reason="needs the extra dev: pip install -e '.[dev]'")
    if name in NEEDS:
        NEEDS[name]()
    now = executed(FOLDER / name, tmp_path)
    code = [cell for cell in now["cells"] if cell["cell_type"] == "code"]
    assert all(cell["execution_count"] for cell in code)
    assert differing(read(FOLDER / name), now) == []


def a_notebook(*outputs, tags=()):
    return {"cells": [{"cell_type": "code", "metadata": {"tags": list(tags)}, "outputs": list(outputs)}]}


def test_a_cell_that_prints_something_else_is_found_unless_it_varies():
    one, other = {"text": ["1 us\n"]}, {"text": ["2 us\n"]}
    assert differing(a_notebook(one), a_notebook(one)) == []
    assert (
        differing(a_notebook(one, other), a_notebook(other, one))
        == differing(a_notebook(one), a_notebook(one, one))
        == [1]
    )
    assert differing(a_notebook(one), a_notebook(other)) == differing(a_notebook(one), a_notebook()) == [1]
    assert differing(a_notebook(one, tags=[VARIES]), a_notebook(other, tags=[VARIES])) == []
    first, second, whole = ({"output_type": "stream", "name": "stdout", "text": [t]} for t in ("a\n", "b\n", "a\nb\n"))
    assert differing(a_notebook(first, second), a_notebook(whole)) == []
    assert differing(a_notebook(first, second), a_notebook(second, first)) == [1]
    pictures = [{"data": {"image/png": text, "text/plain": text}} for text in ("a", "b")]
    assert differing(a_notebook(pictures[0]), a_notebook(pictures[1])) == []
