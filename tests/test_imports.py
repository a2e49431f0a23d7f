"""Who may import whom, as ARCHITECTURE.md draws it, and what the bare import loads."""

import ast
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import compressor
import compressor.importers as compressor_importers
import eie_sim
from tests.extras import needs

ROOT = Path(__file__).resolve().parents[1]

PUBLIC = {
    "compressor": [
        "compress_calibrated", "compress_layer", "compress_model", "pack_codes", "pack_sparse", "PackedLayer",
        "PackedModel", "CompressedModel", "DenseModel", "DenseTensor", "load_compressed", "load_model",
        "save_compressed", "save_model",
    ],
    "compressor.importers": [
        "read_deep_compression_net", "read_eie_simulator", "read_matrix_market", "read_npz", "read_onnx",
        "read_pytorch", "read_safetensors", "write_deep_compression_net", "write_eie_simulator", "write_npz",
        "write_onnx", "write_pytorch", "write_safetensors",
    ],
    "eie_sim.cost": [
        "CALIBRATIONS", "CostTable", "EnergyReport", "area", "band", "by_calibration", "calibration", "energy",
        "missing_bytes", "model_energy",
    ],
    "eie_sim.studies": [
        "depths_and_widths", "index_widths", "more_pes", "partitionings", "permutations", "skip_empty_columns",
    ],
    "eie_sim.trace": ["read_perfetto", "trace_counts", "write_perfetto", "write_vcd"],
    "eie_sim": [
        "ArchConfig", "load", "plan_network", "preset", "run_network", "simulate", "simulate_batch", "simulate_model",
    ],
}  # fmt: skip

# Results are all that these rooms know of a simulation.
NEVER_ENGINES = ("eie_sim.cost", "eie_sim.baselines", "eie_sim.views", "eie_sim.trace")

LIBRARIES = {
    "simpy": ("eie_sim.machine", "eie_sim.engines.reference"),
    "matplotlib": ("eie_sim.report.plots",),
    "torch": (
        "compressor.training",
        "compressor.networks",
        "compressor.importers.pytorch",
        "eie_sim.baselines.cpu_methods",
    ),
    "scipy": ("eie_sim.baselines.cpu_methods",),
    "threadpoolctl": ("eie_sim.baselines.host",),
    "skimage": ("eie_sim.sources.photo",),
    "PIL": ("eie_sim.sources.photo",),
}


def files():
    """Every module of both packages by name, and its file."""
    found = {}
    for package in ("compressor", "eie_sim"):
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports_of(path):
    """The names that a file imports, wherever in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and "." in node.value:
            names |= {node.value} & FILES.keys()  # a module that `import_module` loads by its name
    return names


FILES = files()
MODULES = {name: imports_of(path) for name, path in FILES.items()}
FACES = {"compressor": compressor, "eie_sim": eie_sim}
"""Packages that only forward names, each loaded on first use."""


def is_under(name, *prefixes):
    return any(name == prefix or name.startswith(prefix + ".") for prefix in prefixes)


def home(imported):
    """The module of ours that an imported name is, or lives in; None of another project's, and of a face's own."""
    package, _, name = imported.rpartition(".")
    if imported in MODULES and imported not in FACES:
        return imported
    if package in FACES:  # `from eie_sim import simulate`: a name of the public face lives where its home is
        return FACES[package]._HOMES.get(name)
    return package if package in MODULES else None


GRAPH = {
    name: {found for one in imported if (found := home(one)) is not None} - {name}
    for name, imported in MODULES.items()
    if name not in FACES
}
"""Which module imports which, lazy imports and those for types included."""


def rooms():
    """The table of ARCHITECTURE.md: (modules, imports) of each room, from the foundation up."""
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    table = text.partition("<!-- rooms -->")[2].partition("<!-- end rooms -->")[0]
    found = {}
    for line in table.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("| ") and cells[0] != "room":
            room, modules, imports = cells
            found[room] = (re.findall("`([^`]+)`", modules), {one.strip() for one in imports.split(",") if one.strip()})
    return found


ROOMS = rooms()


def room_of(name):
    """The room of a module: that of the longest prefix."""
    fits = [
        (len(prefix), room) for room, (prefixes, _) in ROOMS.items() for prefix in prefixes if is_under(name, prefix)
    ]
    return max(fits, default=(0, None))[1]


def test_the_modules_are_found():
    assert {"compressor.types.packed", "eie_sim.arch", "eie_sim.engines.base"} <= set(MODULES)
    assert "eie_sim.engines.base" in GRAPH["eie_sim.engines.chain"]
    assert "eie_sim.engines.fast" in GRAPH["eie_sim.engines.base"]  # by its name


def test_every_module_is_in_a_room_and_every_prefix_of_the_table_is_there():
    assert [name for name in GRAPH if room_of(name) is None] == []
    prefixes = [prefix for modules, _ in ROOMS.values() for prefix in modules]
    assert [prefix for prefix in prefixes if not any(is_under(name, prefix) for name in GRAPH)] == []
    assert len(set(prefixes)) == len(prefixes)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_what_the_table_says_and_nothing_else(room):
    arrows = {}
    for name, imported in GRAPH.items():
        for other in imported:
            if room_of(name) == room != room_of(other):
                arrows.setdefault(room_of(other), f"{name} imports {other}")
    assert arrows.keys() == ROOMS[room][1], arrows


def test_a_room_imports_only_from_above_it_in_the_table():
    order = list(ROOMS)
    for room, (_, imports) in ROOMS.items():
        assert all(order.index(other) < order.index(room) for other in imports), room


def cycle_in(graph):
    """The modules of a cycle of imports; empty where there is none."""
    done, path = set(), []

    def visit(name):
        if name in path:
            return path[path.index(name) :]
        if name in done:
            return []
        path.append(name)
        found = next((cycle for other in sorted(graph.get(name, ())) if (cycle := visit(other))), [])
        path.pop()
        done.add(name)
        return found

    return next((cycle for name in sorted(graph) if (cycle := visit(name))), [])


def test_no_module_imports_itself_by_way_of_others():
    assert cycle_in({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c"]  # or this test shows nothing
    assert cycle_in(GRAPH) == []


OFFERED = {"compressor.__main__"}
"""`python -m compressor`: what nothing imports."""


def test_the_compressor_holds_nothing_that_only_the_simulator_uses():
    own = [name for name in GRAPH if is_under(name, "compressor")]
    used = {other for name in own for other in GRAPH[name]} | set(compressor._HOMES.values())
    used |= {name.rpartition(".")[0] for name in used}  # a package is used with its modules
    used |= {f"compressor.importers.{home}" for home in compressor_importers._HOMES.values()}
    assert {name for name in own if name not in used} == OFFERED


def test_the_compressor_never_imports_the_simulator():
    assert not [
        name for name in MODULES if is_under(name, "compressor") if any(n.startswith("eie_sim") for n in MODULES[name])
    ]


def test_the_machine_and_the_kernels_are_two_independent_answers():
    for name, imported in MODULES.items():
        if is_under(name, "eie_sim.machine"):
            assert not [n for n in imported if is_under(n, "eie_sim.engines")], name
        if is_under(name, "eie_sim.engines.fast") or name.startswith("eie_sim.engines._"):
            assert not [n for n in imported if is_under(n, "eie_sim.machine", "eie_sim.engines.reference")], name
        if is_under(name, "eie_sim.engines.reference"):
            forbidden = ("eie_sim.engines._kernels", "eie_sim.engines.fast")
            assert not [n for n in imported if is_under(n, *forbidden)], name


def test_costs_baselines_views_and_traces_know_results_and_no_engine():
    for name, imported in MODULES.items():
        if is_under(name, *NEVER_ENGINES):
            assert not [n for n in imported if is_under(n, "eie_sim.engines", "eie_sim.machine")], name


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_library_is_used_only_in_its_place(library):
    users = [name for name, imported in MODULES.items() if any(is_under(n, library) for n in imported)]
    assert [user for user in users if not is_under(user, *LIBRARIES[library])] == []


def test_simpy_runs_the_machine():
    assert any(is_under(n, "simpy") for name in MODULES if is_under(name, "eie_sim.machine") for n in MODULES[name])


def test_no_module_prints_but_the_command_lines():
    for name in MODULES:
        if not is_under(name, "eie_sim.cli", "compressor.cli"):
            path = ROOT.joinpath(*name.split("."))
            source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
            calls = [n for n in ast.walk(ast.parse(source.read_text(encoding="utf-8"))) if isinstance(n, ast.Call)]
            assert not [c for c in calls if isinstance(c.func, ast.Name) and c.func.id == "print"], name


# What is loaded when --------------------------------------------------------------------------------------------------


def loaded_after(statement):
    """Top-level modules that a fresh interpreter has loaded after `statement`."""
    code = f"{statement}\nimport sys\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(done.stdout.split())


HEAVY = {"simpy", "torch", "dask", "matplotlib"}


@pytest.mark.parametrize("statement", ["import eie_sim", "import compressor"])
def test_the_bare_import_loads_nothing_heavy(statement):
    assert not loaded_after(statement) & (HEAVY | {"numba", "numpy", "pydantic", "scipy", "pandas"})


def test_running_the_fast_engine_loads_no_simpy_nor_matplotlib():
    statement = (
        "from compressor import pack_codes; from eie_sim import ArchConfig, simulate\n"
        "simulate(pack_codes([[1]], [0, 1], 1), [1], ArchConfig(n_pe=1, weight_bits=1))"
    )
    assert not loaded_after(statement) & HEAVY


def test_running_the_reference_engine_loads_no_kernels_of_the_fast_one():
    statement = (
        "from compressor import pack_codes; from eie_sim import ArchConfig, simulate\n"
        "simulate(pack_codes([[1]], [0, 1], 1), [1], ArchConfig(n_pe=1, weight_bits=1), 'reference')\n"
        "import sys; assert not {'eie_sim.engines.fast', 'eie_sim.engines._kernels'} & set(sys.modules)"
    )
    assert "simpy" in loaded_after(statement)


# The public face ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("module", "name"), [(module, name) for module, names in PUBLIC.items() for name in names])
def test_a_public_name_is_importable(module, name):
    if name.endswith("pytorch"):
        needs("torch", "train")
    package = __import__(module, fromlist=[name])
    assert getattr(package, name) is not None
    if module in ("compressor", "eie_sim"):
        assert name in package.__all__
        assert name in dir(package)


@pytest.mark.parametrize("package", [compressor, eie_sim], ids=["compressor", "eie_sim"])
def test_everything_a_package_offers_is_there_and_has_a_docstring(package):
    for name in package.__all__:
        value = getattr(package, name)
        if inspect.isclass(value) or inspect.isfunction(value):
            assert value.__doc__, name


@pytest.mark.parametrize("package", [compressor, eie_sim], ids=["compressor", "eie_sim"])
def test_a_name_that_is_not_there_is_an_attribute_error(package):
    with pytest.raises(AttributeError, match=f"{package.__name__}.*no_such_name"):
        _ = package.no_such_name
    assert not hasattr(package, "no_such_name")


def test_both_packages_have_one_version():
    assert compressor.__version__ == eie_sim.__version__
