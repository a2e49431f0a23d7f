"""Every code block of README and docs is run, or read by what it is written for; a block that is not says why."""

import configparser
import re
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib import import_module
from types import ModuleType

import pytest
import typer

import compressor
import eie_sim
from benchmarks import verified
from compressor.cli.app import app as eie_compress
from compressor.cli.settings import settings_of
from eie_sim.arch import ArchConfig
from eie_sim.baselines.devices import read_device
from eie_sim.cli.app import app as eie_sim_app
from eie_sim.sweep.space import Space
from tests.command_line import call
from tests.extras import needs
from tests.pages import BLOCKS, PAGES, ROOT, SHELL

APPS = {"eie-sim": eie_sim_app, "eie-compress": eie_compress}

TEXTS = {"docs/cycle-contract.md": "the recurrence, in formulas; tests/naive.py is it as a program"}
"""Pages with blocks that are neither code nor a file, and what they are."""

PARSED_ALONE = {
    "docs/command-line.md": "one line of each kind; the how-tos run them, on files that are there",
    "docs/reproduction.md": "trains for hours",
}
"""Pages whose command lines are read by the real parsers and not run, and why."""

NOT_RUN = {
    "pip install": "the gate installs every extra in fresh environments",
    "python3 -m venv": "README's two commands, which the gate runs in fresh environments",
    "pytest": "README's second command",
    "eie-sim run": "README's first command, alone on its line; tests/cli/test_run.py",
    "python -m sphinx": "the gate runs it",
    "dask ": "tests/sweep/test_dask.py starts a scheduler and workers",
    "eie-sim sweep run space.toml --store dask.sqlite": "needs that cluster; tests/sweep/test_dask.py",
    "eie-sim sweep export dask.sqlite": "of that sweep",
    "mpiexec": "needs an MPI library; its script is run, with threads in the place of ranks",
    "eie-sim run --eie-simulator": "the authors' data; tests/contract/test_alex8.py",
    "eie-compress report compressed_SqueezeNet.net": "the authors' file; tests/compressor/importers",
    "eie-sim run compressed_SqueezeNet.net": "the authors' file; tests/network/test_squeezenet.py",
    "eie-sim report compressed_SqueezeNet.net": "the authors' file; tests/network/test_squeezenet.py",
    "eie-compress info compressed_SqueezeNet.net": "the authors' file; tests/compressor/importers",
    "eie-sim info compressed_SqueezeNet.net": "the authors' file; tests/compressor/importers",
    "eie-compress unpack compressed_SqueezeNet.net": "the authors' file; tests/compressor/importers",
    "eie-compress compress model.onnx -o model.dcz --settings": "layers of a larger network; tests/cli_compress",
    "eie-compress train": "trains; tests/cli_compress/test_train.py",
    "eie-compress demo": "trains; tests/cli_compress/test_demo.py",
    "eie-sim sweep run space.toml --jobs": "minutes, in processes of its own; docs/how-to/cluster.md runs a small one",
    "eie-sim sweep best": "of that sweep; tests/sweep/test_cli_sweep.py",
    "eie-sim sweep plot": "of that sweep; tests/sweep/test_cli_sweep.py",
    "eie-sim sweep export space.sqlite": "of that sweep",
    "eie-sim report --html": "the nine layers; tests/cli/test_report.py",
    "eie-sim plot --layers": "pictures of a large layer; tests/cli/test_plot.py",
    "eie-sim trace model.eie --layer fc2": "a file of the reader's own; tests/trace",
    "eie-sim sweep html": "of that sweep; tests/sweep/test_cli_sweep.py",
    "gtkwave ": "a viewer",
    "vcd2fst ": "tests/trace",
    "make -C hardware": "other tools; tests/rtl/test_export.py",
    "eie-sim trace random:64x48": "needs the extra vcd; tests/rtl/test_waveforms.py",
    "eie-sim sweep search": "200 trials; tests/sweep/test_search.py",
}
"""Beginnings of command lines that are read by the real parsers and not run, and why; `eie-sim run`: the whole line."""

NEEDS = {
    "README.md": ("onnx", "onnx"),
    "docs/how-to/onnx.md": ("onnx", "onnx"),
    "docs/how-to/compress.md": ("onnx", "onnx"),
    "docs/how-to/calibrate.md": ("onnx", "onnx"),
}
"""Pages that cannot be run without an extra: its library and its name."""

BENCHMARK_NEEDS = {"benchmarks.deep_compression": ("torch", "train")}
"""Benchmarks whose options cannot be told without an extra."""

MODEL = "docs/how-to/onnx.md"
"""The page whose first Python block makes the files that others begin with: ``model.onnx`` and ``acts.npy``."""

DIRECTIVES = ("{toctree}", "{eval-rst}", "{include}")
KINDS = ("python", "toml", *SHELL, *DIRECTIVES)


def of_kind(*languages):
    return [pytest.param(b, id=f"{b.page}-{b.number}") for b in BLOCKS if b.language in languages]


LINES = sorted({(b.page, line) for b in BLOCKS if b.language in SHELL for line in b.commands})


def is_run(page, line):
    if page in PARSED_ALONE:
        return False
    return not any(line == "eie-sim run" if start == "eie-sim run" else line.startswith(start) for start in NOT_RUN)


# What there is -------------------------------------------------------------------------------------------------------


def test_every_block_is_of_a_kind_that_is_checked_or_says_what_it_is():
    unknown = [(b.page, b.number, b.language) for b in BLOCKS if b.language not in KINDS and b.page not in TEXTS]
    assert unknown == []


def test_what_is_not_run_is_there():
    assert set(TEXTS) <= {b.page for b in BLOCKS if b.language not in KINDS}
    assert set(PARSED_ALONE) | set(NEEDS) <= {b.page for b in BLOCKS}
    assert [start for start in NOT_RUN if not any(line.startswith(start) for _, line in LINES)] == []


# Python --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("block", of_kind("python"))
def test_python_compiles(block):
    compile(block.text, f"{block.page}, block {block.number}", "exec")


@pytest.fixture
def ranks(monkeypatch):
    """An `mpi4py` whose ranks are threads of this process."""
    futures = ModuleType("mpi4py.futures")
    futures.MPIPoolExecutor = lambda: ThreadPoolExecutor(2)
    monkeypatch.setitem(sys.modules, "mpi4py", ModuleType("mpi4py"))
    monkeypatch.setitem(sys.modules, "mpi4py.futures", futures)


def do(block, names):
    """What a reader does with a block: save it, or run it."""
    if block.language in SHELL:
        for line in block.commands:
            if is_run(block.page, line):
                run_line(line)
        return
    if block.file:
        with open(block.file, "w", encoding="utf-8") as file:  # noqa: PTH123 (a name in the current folder)
            file.write(block.text)
    if block.language == "python":
        exec(compile(block.text, f"{block.page}, block {block.number}", "exec"), names)


def run_line(line):
    program, *words = shlex.split(line)
    result = call(APPS[program], *words)
    assert result.exit_code == 0, f"{line}\n{result.stderr}"


RUNNABLE = [
    page
    for page in PAGES
    if any(
        b.page == page
        and (b.language == "python" or (b.language in SHELL and any(is_run(page, c) for c in b.commands)))
        for b in BLOCKS
    )
]


@pytest.mark.slow
@pytest.mark.compiled_only
@pytest.mark.parametrize("page", RUNNABLE)
def test_a_page_runs_from_its_first_block_to_its_last(page, tmp_path, monkeypatch, ranks):
    if page in NEEDS:
        needs(*NEEDS[page])
        if page != MODEL:
            monkeypatch.chdir(tmp_path)
            do(next(b for b in BLOCKS if b.page == MODEL and b.language == "python"), {"__name__": "__main__"})
    monkeypatch.chdir(tmp_path)
    if page == "README.md":  # its commands are for a clone of the repository
        (tmp_path / "benchmarks").symlink_to(ROOT / "benchmarks")
    names = {"__name__": "__main__"}
    for block in BLOCKS:
        if block.page == page and block.language in ("python", "toml", *SHELL):
            do(block, names)


# Files ---------------------------------------------------------------------------------------------------------------

READERS = {
    "machine": ArchConfig.from_toml,
    "device": read_device,
    "space": lambda path: Space.from_toml(path).points(),
    "settings": lambda path: settings_of({}, path),
}


@pytest.mark.parametrize("block", of_kind("toml"))
def test_a_toml_file_is_read_by_the_class_of_its_kind_and_by_no_other(block, tmp_path):
    path = tmp_path / "file.toml"
    path.write_text(block.text, encoding="utf-8")
    accepted = []
    for kind, read in READERS.items():
        try:
            read(path)
            accepted.append(kind)
        except ValueError:
            continue
    assert len(accepted) == 1, accepted


# Command lines -------------------------------------------------------------------------------------------------------


def parse(command, words):
    """Read `words` as the command would, and each command inside it; an unknown option is an error."""
    context = command.make_context(command.name, list(words), ignore_unknown_options=False)
    if hasattr(command, "commands") and (rest := [*context._protected_args, *context.args]):
        _, inner, left = command.resolve_command(context, rest)
        parse(inner, left)


@cache
def extras():
    setup = configparser.ConfigParser(interpolation=None)
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    return set(setup["options.extras_require"])


@cache
def help_of(module):
    run = [sys.executable, "-m", module, "--help"]
    return subprocess.run(run, capture_output=True, text=True, check=True, cwd=ROOT).stdout


def of_python(words):
    assert words[:1] == ["-m"]
    module, options = words[1], [word for word in words[2:] if word.startswith("-")]
    if module == "venv":
        assert options == []
    elif module == "sphinx":
        needs("sphinx", "docs")
        import_module("sphinx.cmd.build").get_parser().parse_args(words[2:])
    else:
        assert module.split(".")[0] == "benchmarks"
        assert (ROOT / f"{module.replace('.', '/')}.py").is_file()
        if options and module in BENCHMARK_NEEDS:
            needs(*BENCHMARK_NEEDS[module])
        assert [option for option in options if option not in help_of(module)] == []


def of_pip(words):
    assert words[0] == "install"
    named = {extra for word in words for found in re.findall(r"\[(.*?)\]", word) for extra in found.split(",")}
    assert named <= extras()


def of_dask(words):
    needs("distributed", "distributed")
    main = import_module(f"distributed.cli.dask_{words[0]}").main
    main.make_context(words[0], words[1:])


def of_a_viewer(words):
    """A program that is not ours, and opens a file that one of ours has written."""
    assert re.search(r"\.(vcd|fst)(\.gz)?$", words[0])


def of_make(words):
    """Of the Makefile of an exported folder."""
    folder, target, *variables = words[1:]
    assert (words[0], folder) == ("-C", "hardware")
    rules = (ROOT / "eie_sim" / "rtl" / "harness" / "Makefile").read_text(encoding="utf-8")
    assert f"\n{target}:" in rules
    assert [one for one in variables if f"$({one.partition('=')[0]})" not in rules] == []


def of_mpi(words):
    assert words[:2] == ["-n", "3"]
    assert words[2:5] == ["python", "-m", "mpi4py.futures"]


def of_pytest(words):
    words = words[2:] if words[:2] == ["-n", "auto"] else words
    assert [word for word in words if not (ROOT / word).exists()] == []


OTHERS = {
    "python": of_python,
    "python3": of_python,
    "pip": of_pip,
    "dask": of_dask,
    "make": of_make,
    "mpiexec": of_mpi,
    "gtkwave": of_a_viewer,
    "vcd2fst": of_a_viewer,
    "pytest": of_pytest,
}


@pytest.mark.parametrize(("page", "line"), LINES)
def test_every_command_line_is_one_of_a_real_command(page, line):
    program, *words = shlex.split(line)
    if program in APPS:
        parse(typer.main.get_command(APPS[program]), words)
    else:
        OTHERS[program](words)


@pytest.mark.parametrize("line", ["eie-sim run --nothing", "eie-sim nothing", "eie-sim sweep run", "eie-compress info"])
def test_a_command_line_that_is_none_is_found_out(line):
    program, *words = shlex.split(line)
    with pytest.raises(Exception, match=r"No such|Missing parameter"):
        parse(typer.main.get_command(APPS[program]), words)


# Tables --------------------------------------------------------------------------------------------------------------


def test_the_tables_of_the_pages_are_those_that_the_command_makes():
    assert verified.stale() == [], "python -m benchmarks.verified --write"
    assert all(f"<!-- table {name}:" in "".join(PAGES.values()) for name in verified.TABLES)


def test_a_table_that_says_something_else_is_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text((ROOT / "README.md").read_text("utf-8").replace("48 random layers", "49 random layers"), "utf-8")
    assert verified.stale([page]) == [page]


def test_the_api_begins_with_every_public_name_of_both_packages():
    listed = set(re.findall(r"^   ~(\w+(?:\.\w+)+)$", PAGES["docs/api/index.md"], re.MULTILINE))
    public = {f"{home}.{name}" for package in (compressor, eie_sim) for name, home in package._HOMES.items()}
    assert listed == public


def resolved(name):
    """Whether a name of the glossary leads to something: a module, a class, a field or a property."""
    if name.startswith("compressor."):
        return import_module(name)
    owner, *rest = name.split(".")
    homes = [eie_sim, compressor, *(import_module(f"eie_sim.{m}") for m in GLOSSARY_MODULES)]
    found = next(getattr(home, owner) for home in homes if hasattr(home, owner))
    found = getattr(found, "__origin__", found)
    for part in rest:
        known = {*dir(found), *getattr(found, "__annotations__", {}), *getattr(found, "model_fields", {})}
        init = getattr(found, "__init__", None)
        with_init = set(re.findall(r"self\.(\w+)", "")) if init is None else set(init.__code__.co_names)
        assert part in known | with_init, name
    return found


GLOSSARY_MODULES = (
    *(f"machine.{m}" for m in ("act_queue", "act_rw", "arithmetic", "ccu", "lnzd", "pe", "ptr_read", "spmat_read")),
    *("cost", "cost.area", "cost.energy", "networks.statistics", "baselines.platforms"),
)


def test_every_name_of_the_glossary_is_in_the_code():
    rows = [line.split(" | ") for line in PAGES["docs/glossary.md"].splitlines() if line.startswith("| ")]
    names = [name for row in rows for name in re.findall(r"`([\w.]+)`", row[1])]
    assert len(names) > 40
    assert all(resolved(name) for name in names if name != "acts")
