"""What README.md shows works, and what it points to is there."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from eie_sim.baselines.devices import read_device
from eie_sim.sweep.space import Space

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


SIMULATE, ENERGY, COMPRESS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def run(code, folder):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=folder, check=True).stdout


@pytest.mark.compiled_only
def test_the_example_of_a_simulation_runs_and_prints_what_it_says(tmp_path):
    printed = run(SIMULATE, tmp_path)
    assert re.fullmatch(r"\d+ cycles, \d+\.\d\d us, load balance \d\d\.\d%\n\d+ rows read, \d+ bypasses\n", printed)


@pytest.mark.compiled_only
def test_the_example_of_energy_goes_on_from_there_and_prints_what_it_says(tmp_path):
    printed = run(SIMULATE + ENERGY, tmp_path).splitlines()[2:]
    assert re.fullmatch(r"\d+ nJ, \d\.\d\d W, \d+\.\d pJ a useful MAC \(table2-8cycle\)", printed[0])
    assert re.fullmatch(r"\{'table2-8cycle': '\d+ nJ', .*'paper-constant-table5': '\d+ nJ'\}", printed[1])
    assert printed[2:] == ["40.8 mm2"]


@pytest.mark.compiled_only
def test_the_example_of_a_compression_runs_and_prints_the_size_of_its_file(tmp_path):
    assert run(COMPRESS, tmp_path) == f"{(tmp_path / 'model.dcz').stat().st_size} bytes\n"


DEVICE, SPACE = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)


def test_the_example_of_a_space_is_one(tmp_path):
    (tmp_path / "space.toml").write_text(SPACE, encoding="utf-8")
    assert len(Space.from_toml(tmp_path / "space.toml").points()) > 100


def test_the_example_of_a_device_is_one(tmp_path):
    (tmp_path / "my.toml").write_text(DEVICE, encoding="utf-8")
    assert read_device(tmp_path / "my.toml").name == "My card"


PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
LINKS = [(str(page.relative_to(ROOT)), target) for page in PAGES
         for target in re.findall(r"\]\(([^)#]+)\)", page.read_text("utf-8"))]  # fmt: skip


@pytest.mark.parametrize(("page", "target"), LINKS)
def test_every_link_leads_to_something_in_the_project(page, target):
    assert "://" in target or ((ROOT / page).parent / target).exists()


PROGRAMS = {"eie-sim": "eie_sim", "eie-compress": "compressor"}


@pytest.mark.parametrize(
    ("program", "command"),
    sorted({(p, c) for p in PROGRAMS for c in re.findall(rf"^    {p} (\w+)", README, re.MULTILINE)}),
)
def test_every_command_that_is_named_exists(program, command):
    def help_of(*words):
        run = [sys.executable, "-m", PROGRAMS[program], *words, "--help"]
        return subprocess.run(run, capture_output=True, text=True, check=True).stdout

    help_text = help_of(command)
    if command == "sweep":
        inner = sorted(set(re.findall(rf"^    {program} {command} (\w+)", README, re.MULTILINE)))
        assert inner
        help_text += "".join(help_of(command, name) for name in inner)
    named = {option for line in README.splitlines() if f"{program} {command}" in line
             for option in re.findall(r" (--[a-z-]+)", line)}  # fmt: skip
    assert all(option in help_text for option in named), named


@pytest.mark.parametrize("name", sorted(set(re.findall(r"python -m benchmarks\.(\w+)", README))))
def test_every_benchmark_that_is_named_exists(name):
    assert (ROOT / "benchmarks" / f"{name}.py").is_file()


def test_nothing_is_left_to_be_filled_in():
    names = {"EIE_SIM_ALEX8", "COMPUTE_REPORT", "ENERGY_REPORT"}
    assert set(re.findall(r"\b[A-Z]+_[A-Z0-9_]+\b", README)) <= names
