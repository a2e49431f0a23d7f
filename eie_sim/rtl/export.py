"""A machine and one layer as a folder of SystemVerilog, memory images and a testbench that any simulator runs."""

import re
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from compressor._version import __version__
from compressor.types.packed import PackedLayer
from eie_sim.result import SimResult
from eie_sim.rtl.build import SOURCES, UNITS
from eie_sim.rtl.engine import Inputs, memory_images, work_of
from eie_sim.rtl.model import COUNTERS, Work
from eie_sim.rtl.parameters import Parameters

TESTBENCH = "testbench.sv"
LAYER = "layer.svh"

_EXACT = 2**53
"""A sum beyond it is not exact in the float64 outputs of a `SimResult`."""

_PARAMETER = re.compile(r"^    parameter (\w+) (\w+) = (.+?)(,?)( *//.*)?$", re.MULTILINE)


def exported_files(layer: PackedLayer, acts: Inputs, result: SimResult, source: str) -> dict[str, str]:
    """The files of a folder that runs one layer on its machine and checks every number of it.

    Parameters
    ----------
    layer : PackedLayer
    acts : array_like of float, shape (n_cols,)
    result : SimResult
        Of this layer and these inputs, with outputs, by any engine: what the testbench expects; its `arch` is the
        machine.
    source : str
        Where layer and inputs come from, for the reader.

    Returns
    -------
    dict of str to str
        Contents by the name of the file.

    Raises
    ------
    ValueError
        As for the engine ``rtl``; if the result has no outputs, or a sum is not exact in float64.
    """
    arch = result.arch
    parameters = Parameters.of(arch, layer)
    work, act_frac_bits = work_of(layer, np.asarray(acts, np.float64), arch)
    sums = _stored_sums(layer, result, act_frac_bits)
    images = memory_images(layer, arch, parameters)
    pointers = [_interleaved(even, odd) for even, odd, _ in images]
    rows = [_words(of_pe) for _, _, of_pe in images]
    longest = max(1, *map(len, rows))
    files = {f"{unit}.sv": (SOURCES / f"{unit}.sv").read_text(encoding="utf-8") for unit in UNITS}
    files["eie.sv"], constants = _with_parameters(files["eie.sv"], parameters)
    files[TESTBENCH], files["Makefile"] = (_of_harness(name) for name in (TESTBENCH, "Makefile"))
    files[LAYER] = _layer_constants(constants, work, result, len(pointers[0]), longest)
    files["pointers.hex"] = _hex_of_pes(pointers)
    files["spmat.hex"] = _hex_of_pes([words + [0] * (longest - len(words)) for words in rows])
    files["codebook.hex"] = _hex(_unsigned(work.codebook, parameters.bits))
    files["inputs.hex"] = _hex(_unsigned(work.inputs, parameters.reg_bits))
    if work.bias is not None:
        files["bias.hex"] = _hex(_unsigned(work.bias, parameters.reg_bits))
    files["sums.hex"] = _hex(_unsigned(sums, parameters.reg_bits))
    counts = np.stack([getattr(result.counts, name) for name in COUNTERS], axis=1)
    files["counters.hex"] = f"// {' '.join(COUNTERS)}\n" + _hex_of_pes(counts.tolist())
    files["README.md"] = _readme(layer, result, parameters, work, act_frac_bits, source)
    return files


def _of_harness(name: str) -> str:
    return (SOURCES / "harness" / name).read_text(encoding="utf-8")


def _stored_sums(layer: PackedLayer, result: SimResult, act_frac_bits: int) -> NDArray[np.int64]:
    """The integers that the outputs are, in the order in which the hardware holds them."""
    if result.output is None:
        raise ValueError("result: has no outputs, which the testbench compares; simulate with output=True")
    integers = np.ldexp(result.output, act_frac_bits)
    if layer.row_permutation is not None:
        integers = integers[layer.row_permutation]
    if np.abs(integers).max() >= _EXACT:
        raise ValueError(
            f"acc_bits: {result.arch.acc_bits}, and a sum of {np.abs(integers).max():.0f}, but results are exact below "
            "2**53; set acc_bits=53 or fewer act_frac_bits"
        )
    return np.asarray(integers, np.int64)


# SystemVerilog --------------------------------------------------------------------------------------------------------


def _with_parameters(text: str, parameters: Parameters) -> tuple[str, str]:
    """``eie.sv`` whose defaults are those of the machine, and its parameters as constants for the testbench."""
    values = dict(parameters.verilog)
    constants = []

    def set_default(line: re.Match[str]) -> str:
        kind, name, default, comma, comment = line.groups()
        value = str(values.pop(name, default))
        constants.append(f"localparam {kind} {name} = {value};")
        return f"    parameter {kind} {name} = {value}{comma}{comment or ''}"

    header, found, body = text.partition("\n) (\n")
    header = _PARAMETER.sub(set_default, header)
    if not found or values:
        raise AssertionError(f"eie.sv has no parameter {', '.join(values)}")
    return header + found + body, "\n".join(constants)


def _layer_constants(constants: str, work: Work, result: SimResult, pointers: int, rows: int) -> str:
    counts = result.counts
    of_layer = {
        "N_INPUTS": len(work.inputs),
        "N_ROWS": work.n_rows,
        "SHIFT": work.shift,
        "HAS_BIAS": int(work.bias_value is not None),
        "BIAS_VALUE": work.bias_value or 0,
        "PRELOADS_BIAS": int(work.bias is not None),
        "PTR_LOADED": pointers,
        "SPMAT_LOADED": rows,
        "LIMIT": work.limit,
    }
    expected = {
        "CYCLES": result.cycles,
        "BROADCASTS": counts.broadcasts,
        "STALLS": counts.broadcast_stalls,
        "BUBBLES": counts.scan_bubbles,
    }
    parts = ["// The machine: the parameters of eie.sv.", constants]
    parts += ["", "// The layer, and the words that are loaded in each PE."]
    parts += [f"localparam int {name} = {value};" for name, value in of_layer.items()]
    parts += ["", "// What is expected, apart from sums.hex and counters.hex."]
    parts += [f"localparam int {name} = {value};" for name, value in expected.items()]
    return "\n".join(parts) + "\n"


# Memory images --------------------------------------------------------------------------------------------------------


def _words(rows: NDArray[np.uint8]) -> list[int]:
    """Rows of little-endian bytes as integers."""
    return [int.from_bytes(row.tobytes(), "little") for row in rows]


def _interleaved(even: NDArray[np.uint8], odd: NDArray[np.uint8]) -> list[int]:
    """Pointers in order, from the bank of even and that of odd ones."""
    found = [0] * (len(even) + len(odd))
    found[::2], found[1::2] = _words(even), _words(odd)
    return found


def _unsigned(values: NDArray[np.int64], bits: int) -> list[int]:
    """Two's complement of `bits` bits."""
    mask = (1 << bits) - 1
    return [value & mask for value in values.tolist()]


def _hex(words: Iterable[int]) -> str:
    return "".join(f"{word:x}\n" for word in words)


def _hex_of_pes(words: Iterable[list[int]]) -> str:
    return "".join(f"// PE {pe}\n{_hex(of_pe)}" for pe, of_pe in enumerate(words))


# For people -----------------------------------------------------------------------------------------------------------


def _readme(
    layer: PackedLayer, result: SimResult, parameters: Parameters, work: Work, act_frac_bits: int, source: str
) -> str:
    def cell(text: str) -> str:
        return "".join(c if c.isprintable() else "?" for c in text).replace("|", "\\|")

    bias = "| `bias.hex` | what the accumulators start at, in the order of the sums |\n"
    permuted = ", in the stored order of a layer whose rows are permuted" if layer.row_permutation is not None else ""
    return _of_harness("export.md").format(
        layer=cell(layer.name), version=__version__, n_rows=layer.n_rows, n_cols=layer.n_cols,
        n_entries=layer.n_entries, source=cell(source), machine=cell(result.arch.name),
        parameters=", ".join(f"{name}={value}" for name, value in parameters.verilog.items()),
        bits=parameters.bits, act_frac_bits=act_frac_bits, shift=work.shift, cycles=result.cycles,
        broadcasts=result.counts.broadcasts, stalls=result.counts.broadcast_stalls,
        units=", ".join(f"`{unit}.sv`" for unit in UNITS[1:]),
        n_pe=parameters.n_pe, bias=bias if work.bias is not None else "", permuted=permuted,
    )  # fmt: skip
