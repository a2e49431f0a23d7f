"""Figures of Deep Compression and of "Learning both Weights and Connections", reproduced on LeNet-300-100 and LeNet-5.

Accuracy against size (Fig. 6), bits against accuracy (Fig. 7), initialisations (Fig. 8); regularisation and retraining
(NIPS 2015, Fig. 5), sensitivity (Fig. 6), weights before and after (Fig. 8). The papers draw most of them for AlexNet
on ImageNet: what is compared is where a curve breaks, not its height. The images for testing are read once for each
point; what was chosen was chosen with --held-out. Networks and points are kept in --runs, so that what was interrupted
goes on. Nothing is fetched: MNIST is looked for in the folder mnist of EIE_SIM_DATA and in node_modules/mnist-
data/data.
"""

import argparse
import sys
import time
from pathlib import Path
from types import ModuleType

import torch

from benchmarks.harness import Figure, Report, command
from benchmarks.reproduction import (
    against_size,
    bench,
    bits,
    histograms,
    initialisations,
    regularisation,
    sensitivity,
)
from benchmarks.reproduction.bench import Bench
from benchmarks.reproduction.data import Images, Mode, load_images
from benchmarks.reproduction.found import Found
from benchmarks.reproduction.tasks import Kept, Task, run_tasks

FIGURES: dict[str, ModuleType] = {
    "against-size": against_size,
    "initialisations": initialisations,
    "regularisation": regularisation,
    "histograms": histograms,
    "sensitivity": sensitivity,
    "bits": bits,
}
"""Each has `tasks` and `found`; in the order in which they are run."""

SETTINGS = [
    *(bench.BATCH, bench.L1, bench.L2, bench.RATE, bench.DENSE_EPOCHS, bench.DENSE_CUTS, bench.PRUNED_ROUNDS),
    *(bench.LENET_5_EPOCHS, bench.LENET_5_RATE, bench.LENET_5_DENSITIES, dict(bench.TABLE_RATIOS)),
    *(against_size.EPOCHS, against_size.TUNE_EPOCHS, against_size.TUNE_RATE, against_size.DENSE_TUNE_RATE),
    *(initialisations.TUNE_EPOCHS, initialisations.TUNE_RATE, regularisation.EPOCHS, regularisation.RETRAINED),
    *(against_size.FACTOR_RATE, against_size.BITS_OF_BOTH, sensitivity.DENSITIES),
]
"""What is kept depends on these besides images, seed and key, so that nothing outlives a change."""

WHAT_IS_MEASURED: dict[Mode, str] = {
    "test": "the images for testing, once for each point",
    "held-out": "images for training, held out",
    "quick": "drawn images",
}


def reproduce(images: Images, mode: Mode, seed: int, runs: Path, names: list[str]) -> list[Found]:
    """The figures of these names."""
    kept = Kept(runs, "compression-figures", [mode, seed, images.digest, SETTINGS])
    kept.stem.parent.mkdir(parents=True, exist_ok=True)
    stand = Bench(images, mode, seed, kept.stem)
    # Figures share the networks they stand on: each is a task once.
    tasks: dict[str, Task] = {task.key: task for name in names for task in FIGURES[name].tasks(stand)}
    results = run_tasks(list(tasks.values()), kept)
    note = f"{images.source}; errors on {WHAT_IS_MEASURED[mode]}; one seed ({seed})"
    return [FIGURES[name].found(results, note) for name in names]


def measure(options: argparse.Namespace) -> Report:
    torch.set_num_threads(1)
    mode: Mode = "quick" if options.quick else "held-out" if options.held_out else "test"
    began = time.perf_counter()
    found = reproduce(load_images(mode), mode, options.seed, options.runs, options.figures)
    written = [path for one in found for path in one.write(options.out)]
    figures: list[Figure] = [figure for one in found for figure in one.figures()]
    facts = {
        "data": found[0].note,
        "torch": torch.__version__,
        "written": ", ".join(map(str, written)),
        "seconds": round(time.perf_counter() - began, 1),
    }
    return Report(tuple(figures), (), facts)


def figure_names(text: str) -> list[str]:
    """Names separated by commas; the `type` of an option."""
    names = text.split(",")
    if strangers := [name for name in names if name not in FIGURES]:
        raise argparse.ArgumentTypeError(f"{strangers[0]!r}, but it must be of {', '.join(FIGURES)}")
    return names


def add_options(parser: argparse.ArgumentParser) -> None:
    names = ",".join(FIGURES)
    parser.add_argument("--quick", action="store_true", help="an epoch each on drawn images: to try it out")
    parser.add_argument("--held-out", action="store_true", help="train on 50,000 images, measure on the other 10,000")
    parser.add_argument("--figures", type=figure_names, default=names, help=f"default {names}")
    parser.add_argument("--seed", type=int, default=0, help="default 0")
    parser.add_argument("--out", type=Path, default=Path("docs/reproduction"), metavar="DIR", help="results")
    parser.add_argument(
        "--runs", type=Path, default=Path("out/compression_figures"), metavar="DIR", help="what is kept"
    )


if __name__ == "__main__":
    sys.exit(command("compression_figures", __doc__, measure, add_options=add_options))
