"""What README.md shows works, and what it points to is there; test_docs.py goes through every block of every page."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def python_of(page):
    return re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)


SIMULATE = python_of("README.md")[0]


def run(code, folder):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=folder, check=True).stdout


@pytest.mark.compiled_only
def test_the_example_of_a_simulation_runs_and_prints_what_it_says(tmp_path):
    printed = run(SIMULATE, tmp_path)
    assert re.fullmatch(r"\d+ cycles, \d+\.\d\d us, load balance \d\d\.\d%\n\d+ rows read, \d+ bypasses\n", printed)


def test_the_documentation_begins_with_the_same_example():
    assert SIMULATE.startswith(python_of("docs/index.md")[0])


@pytest.mark.compiled_only
def test_the_example_of_energy_prints_what_it_says(tmp_path):
    printed = run(python_of("docs/how-to/energy.md")[0], tmp_path).splitlines()
    assert re.fullmatch(r"\d+ nJ, \d\.\d\d W, \d+\.\d pJ a useful MAC \(table2-8cycle\)", printed[0])
    assert re.fullmatch(r"\{'table2-8cycle': '\d+ nJ', .*'paper-constant-table5': '\d+ nJ'\}", printed[1])
    assert printed[2:] == ["40.8 mm2"]


@pytest.mark.compiled_only
def test_the_example_of_a_compression_runs_and_prints_the_size_of_its_file(tmp_path):
    printed = run(python_of("docs/how-to/compress.md")[0], tmp_path)
    assert printed == f"{(tmp_path / 'small.dcz').stat().st_size} bytes\n"


PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
LINKS = [(str(page.relative_to(ROOT)), target) for page in PAGES
         for target in re.findall(r"\]\(([^)#]+)\)", page.read_text("utf-8"))]  # fmt: skip


@pytest.mark.parametrize(("page", "target"), LINKS)
def test_every_link_leads_to_something_in_the_project(page, target):
    assert "://" in target or ((ROOT / page).parent / target).exists()


NAMED = {name for page in PAGES for name in re.findall(r"python -m benchmarks\.([a-z]\w*)", page.read_text("utf-8"))}


@pytest.mark.parametrize("name", sorted(NAMED))
def test_every_benchmark_that_is_named_exists(name):
    assert (ROOT / "benchmarks" / f"{name}.py").is_file()


def test_nothing_is_left_to_be_filled_in():
    names = {"EIE_SIM_ALEX8", "EIE_SIM_SQUEEZENET"}
    assert set(re.findall(r"\b[A-Z]+_[A-Z0-9_]+\b", README)) <= names
