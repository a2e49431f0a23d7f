"""Parts of the package that need an optional extra: skipped where it is not installed, unless that is forbidden."""

import os
import shutil
from importlib import import_module
from typing import Any

import pytest


def needs(module: str, extra: str) -> Any:
    """The library `module`, which the extra `extra` brings; skips the tests of a file that calls this at its top.

    With ``EIE_SIM_EXTRAS=1``, as the gate sets it, a missing library is an error: nothing is skipped silently there.
    """
    if os.environ.get("EIE_SIM_EXTRAS") == "1":
        return import_module(module)
    return pytest.importorskip(module, reason=f"needs the extra: pip install 'eie-sim[{extra}]'")


def needs_verilator() -> None:
    """Skips where the engine `rtl` cannot be built, and says what is missing.

    With ``EIE_SIM_EXTRAS=1`` a missing Verilator is an error; a missing compiler, which no extra brings, is not.
    """
    from eie_sim.rtl.build import tools

    try:
        tools()
    except ValueError as missing:
        if os.environ.get("EIE_SIM_EXTRAS") == "1" and "compiler" not in str(missing):
            raise
        pytest.skip(str(missing), allow_module_level=True)


def needs_icarus() -> None:
    """Skips where there is no Icarus Verilog, which no extra brings: Debian has it as ``iverilog``."""
    if not (shutil.which("iverilog") and shutil.which("make")):
        pytest.skip("needs Icarus Verilog and make: apt-get install iverilog make")
