"""Who may import whom, as ARCHITECTURE.md draws it, and what the bare import loads."""

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import compressor
import eie_sim
from tests.extras import needs

ROOT = Path(__file__).resolve().parents[1]

PUBLIC = {
    "compressor": [
        "compress_layer", "compress_model", "pack_codes", "pack_sparse", "PackedLayer", "PackedModel",
        "CompressedModel", "DenseModel", "DenseTensor", "load_compressed", "load_model",
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
    "eie_sim": ["ArchConfig", "simulate", "simulate_batch", "simulate_model", "preset"],
}  # fmt: skip

# The house from its foundation up: a module may import from rooms below its own and from its own, never from beside or
# above. A prefix names a module and all below it; the longest one counts.
FLOORS = [
    {"compressor"},
    {
        "eie_sim.sources.acts", "eie_sim.arch", "eie_sim.capacity", "eie_sim.columns", "eie_sim.convolution",
        "eie_sim.fixed_point", "eie_sim.records", "eie_sim.text_formats",
        "eie_sim.networks", "eie_sim.origin", "eie_sim.paper", "eie_sim.result",
        "eie_sim.workload",
    },
    {"eie_sim.machine", "eie_sim.engines._kernels"},
    {"eie_sim.engines", "eie_sim.cost", "eie_sim.baselines"},
    {"eie_sim.inference"},
    {"eie_sim.sources"},
    {"eie_sim.sweep", "eie_sim.studies", "eie_sim.trace", "eie_sim.views"},
    {"eie_sim.report"},
    {"eie_sim.cli", "eie_sim.__main__"},
]  # fmt: skip
# Data types are one room; views are what traces and studies draw on; `python -m eie_sim` is the command line.
OPEN_FLOORS = {1, 6, 8}
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
}


def modules():
    """Every module of both packages and the names it imports, wherever in the module it does so."""
    found = {}
    for package in ("compressor", "eie_sim"):
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            found[name] = imports_of(path)
    return found


def imports_of(path):
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


MODULES = modules()


def is_under(name, *prefixes):
    return any(name == prefix or name.startswith(prefix + ".") for prefix in prefixes)


def room_of(name):
    """(floor, room) of a module, or None of a package's own face, which only forwards names."""
    if name.startswith("eie_sim.engines._"):
        name = "eie_sim.engines._kernels"  # the private modules of the fast engine are its kernels
    rooms = [(at, room) for at, floor in enumerate(FLOORS) for room in floor if is_under(name, room)]
    return max(rooms, key=lambda found: len(found[1]), default=None)


def own(names):
    return {name for name in names if is_under(name, "eie_sim", "compressor")}


def test_the_modules_are_found():
    assert {"compressor.types.packed", "eie_sim.arch", "eie_sim.engines.base"} <= set(MODULES)


@pytest.mark.parametrize("name", [name for name in MODULES if name != "eie_sim"])
def test_every_module_has_a_room(name):
    assert room_of(name) is not None


@pytest.mark.parametrize("name", [name for name in MODULES if name != "eie_sim"])
def test_a_module_imports_only_from_below(name):
    floor, room = room_of(name)
    for imported in own(MODULES[name]):
        found = room_of(imported)
        if found is None:
            # `from eie_sim import simulate`: a name of the public face lives where its home is.
            home = eie_sim._HOMES.get(imported.removeprefix("eie_sim."))
            assert imported in ("eie_sim", "eie_sim.__version__") or home, f"{name} imports {imported}"
            found = room_of(home) if home else (0, "compressor")
        below, beside = found[0] < floor, found[0] == floor and floor in OPEN_FLOORS
        assert below or beside or found[1] == room, f"{name} imports {imported}"


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
