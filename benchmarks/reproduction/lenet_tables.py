"""The tables of the two LeNets from the runs, beside Tables 2 and 3 of Deep Compression, as CSV and Markdown."""

import csv
import io
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

from benchmarks.reproduction.runs import RunResult
from compressor.accounting import PaperRule, paper_rule
from compressor.published import NETWORKS, PublishedCompression

INDEX_BITS = 5
"""Bits of a run in Tables 2 and 3 of the paper."""

FLOAT_BYTES = 4

ROW_COLUMNS = ("network", "seed", "layer", "n", "kept_pct", "w", "w_huffman", "i", "i_huffman", "pq_pct", "pqh_pct")
RUN_COLUMNS = (
    "network",
    "seed",
    "epochs",
    "error_before_pct",
    "error_after_pct",
    "rate_pq",
    "rate_pqh",
    "rate_pqh_best_index",
    "dcz_bytes",
    "dcz_rate",
    "cpu_s",
    "data",
)


@dataclass(frozen=True)
class LayerSizes:
    """A row of Table 2 or 3, or the total of one.

    Attributes
    ----------
    layer : str
    paper : PublishedCompression
    rule : PaperRule
        At `INDEX_BITS`.
    """

    layer: str
    paper: PublishedCompression
    rule: PaperRule

    @property
    def cells(self) -> tuple[int | float, ...]:
        """What `ROW_COLUMNS` names after the layer."""
        r = self.rule
        bits = (r.weight_bits, r.weight_bits_huffman, r.index_bits, r.index_bits_huffman)
        sizes = (round(100 * r.shared_rate, 3), round(100 * r.huffman_rate, 3))
        return (r.n_weights, round(100 * r.kept, 2), *(round(x, 2) for x in bits), *sizes)


@dataclass(frozen=True, eq=False)
class RunSizes:
    """The sizes that one run reached.

    Attributes
    ----------
    result : RunResult
    rows : tuple of LayerSizes
        Layers, then the total.
    best_index_bits : float
        Size after Huffman coding in bits, where each layer takes the index width that suits it best.
    """

    result: RunResult
    rows: tuple[LayerSizes, ...]
    best_index_bits: int

    @property
    def total(self) -> PaperRule:
        """All layers."""
        return self.rows[-1].rule

    @property
    def rate(self) -> float:
        """Times smaller by the paper's rule after Huffman coding."""
        return 1 / self.total.huffman_rate

    @property
    def file_rate(self) -> float:
        """Times smaller in the file, with all that is in it, biases counted on both sides."""
        n_biases = sum(0 if t.bias is None else t.bias.size for t in self.result.model.tensors)
        return FLOAT_BYTES * (self.total.n_weights + n_biases) / self.result.file_bytes

    @property
    def cells(self) -> tuple[object, ...]:
        """What `RUN_COLUMNS` names after the seed."""
        found, best = self.result, self.total.dense_bits / self.best_index_bits
        errors = (round(100 * found.control_error, 4), round(100 * found.error, 4))
        rates = tuple(round(rate, 2) for rate in (1 / self.total.shared_rate, self.rate, best))
        file = (found.file_bytes, round(self.file_rate, 2))
        return (found.epochs, *errors, *rates, *file, round(found.seconds), found.data)


def sizes_of(result: RunResult) -> RunSizes:
    """The rows of the paper's table for one run."""
    published = NETWORKS[result.network]
    rules = [paper_rule(tensor, INDEX_BITS) for tensor in result.model.tensors]
    named = zip(published.layers.items(), rules, strict=True)
    rows = [LayerSizes(layer, paper, rule) for (layer, paper), rule in named]
    best = sum(paper_rule(tensor).huffman_bits for tensor in result.model.tensors)
    return RunSizes(result, (*rows, LayerSizes("total", published.total, _sum(rules))), best)


def _sum(rules: Sequence[PaperRule]) -> PaperRule:
    return PaperRule(*(sum(getattr(rule, field.name) for rule in rules) for field in fields(PaperRule)))


def mean_errors_pct(runs: Sequence[RunSizes]) -> tuple[float, float]:
    """Error of the control and of the compressed network in percent, mean of the seeds."""
    before = statistics.fmean(100 * run.result.control_error for run in runs)
    return before, statistics.fmean(100 * run.result.error for run in runs)


# Files ----------------------------------------------------------------------------------------------------------------


def layers_csv(runs: Iterable[RunSizes]) -> str:
    """A line for each layer of each run, and the total."""
    rows = ((run.result.network, run.result.seed, row.layer, *row.cells) for run in runs for row in run.rows)
    return _csv(ROW_COLUMNS, rows)


def runs_csv(runs: Iterable[RunSizes]) -> str:
    """A line for each run."""
    return _csv(RUN_COLUMNS, ((run.result.network, run.result.seed, *run.cells) for run in runs))


def _csv(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue()


def markdown(network: str, runs: Sequence[RunSizes]) -> str:
    """The table of one network: errors and sizes of each seed, then the layers, the paper's values in brackets."""
    paper = NETWORKS[network]
    return "\n".join(
        [
            f"## {network}, beside {paper.source}",
            "",
            f"Data: {runs[0].result.data}. {runs[0].result.epochs} epochs before and after alike.",
            "",
            *_runs_markdown(network, runs),
            "",
            *_layers_markdown(runs),
            "",
        ]
    )


def _runs_markdown(network: str, runs: Sequence[RunSizes]) -> list[str]:
    paper, (before, after) = NETWORKS[network], mean_errors_pct(runs)
    lines = [
        "| | error before % | error after % | P+Q | P+Q+H | P+Q+H, best index width | `.dcz` bytes | `.dcz` rate |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for run in runs:
        cells = run.cells[1:8]
        rates = tuple(f"{rate:.1f}x" for rate in cells[2:5])
        texts = (f"{cells[0]:.2f}", f"{cells[1]:.2f}", *rates, f"{cells[5]:,}", f"{cells[6]:.1f}x")
        lines.append(f"| seed {run.result.seed} | " + " | ".join(texts) + " |")
    columns = list(zip(*(run.cells[3:8] for run in runs), strict=True))
    means = [statistics.fmean(column) for column in columns]
    rates = " | ".join(f"{rate:.1f}x" for rate in means[:3])
    lines.append(f"| **mean** | **{before:.2f}** | **{after:.2f}** | {rates} | {means[3]:,.0f} | {means[4]:.1f}x |")
    printed = f"{paper.error_before_pct:.2f} | {paper.error_after_pct:.2f} | {paper.shared_rate:g}x | "
    lines.append(f"| paper | {printed}{paper.huffman_rate:g}x | | {paper.bytes_after:,.0f} | |")
    rate = statistics.fmean(run.rate for run in runs)
    deviations = (before - paper.error_before_pct, after - paper.error_after_pct)
    points = " | ".join(f"{points:+.2f} points" for points in deviations)
    shared = 100 * (means[0] / paper.shared_rate - 1)
    lines.append(f"| deviation | {points} | {shared:+.0f} % | {100 * (rate / paper.huffman_rate - 1):+.0f} % | | | |")
    return lines


def _layers_markdown(runs: Sequence[RunSizes]) -> list[str]:
    lines = [
        "Mean of the seeds, in brackets the paper's; sizes are percent of the dense layer:",
        "",
        "| layer | n | kept % | w bits | wH | i bits | iH | P+Q % | P+Q+H % | P+Q+H, deviation |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for same in zip(*(run.rows for run in runs), strict=True):
        ours = [statistics.fmean(column) for column in zip(*(row.cells for row in same), strict=True)]
        paper = published_cells(same[0].paper)
        texts = [
            f"{mine:.{digits}f} ({theirs:g})" for mine, theirs, digits in zip(ours[1:], paper, _DIGITS, strict=True)
        ]
        off = 100 * (ours[-1] / paper[-1] - 1)
        lines.append(f"| {same[0].layer} | {ours[0]:,.0f} | " + " | ".join(texts) + f" | {off:+.0f} % |")
    return lines


_DIGITS = (1, 1, 2, 0, 2, 2, 2)


def published_cells(layer: PublishedCompression) -> tuple[float, ...]:
    """The paper's values for `LayerSizes.cells`, without the number of weights."""
    bits = (layer.weight_bits, layer.weight_huffman_bits, layer.index_bits, layer.index_huffman_bits)
    return (layer.kept_pct, *bits, layer.shared_pct, layer.huffman_pct)
