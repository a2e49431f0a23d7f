"""The accounting of a model as a JSON document and as two tables: the paper's columns, and the bytes of the file."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from rich.text import Text

from compressor.accounting import Accounting, AccountRow
from compressor.console.grid import Group, column, grid
from compressor.console.printer import Printer, plural, short

_PARTS = ("codebook", "bias", "tables", "codes", "runs")

_PAPER = (
    "By the rule of the Deep Compression tables: entries x (w + i) bits and the codebooks, of 32 bits a weight. w, i: "
    "bits of a code and of a run; H: their mean after Huffman coding. P: pruned, Q: shared, H: Huffman coded. Code "
    "tables, biases and headers are free."
)
_FILE = "Every byte of the file; %: of the weights, biases and other parameters at 32 bits, and the graph."


def accounting_document(account: Accounting) -> dict[str, Any]:
    """All of `account`, for JSON; rates are fractions."""
    return {
        "layers": [_row(row) for row in account.rows],
        "total": _row(account.total),
        "header_bytes": account.header_bytes,
        "n_others": account.n_others,
        "others_bytes": account.others_bytes,
        "graph_bytes": account.graph_bytes,
        "file_bytes": account.file_bytes,
        "dense_bytes": account.dense_bytes,
        "file_rate": account.file_rate,
    }


def _row(row: AccountRow) -> dict[str, Any]:
    paper = row.paper
    rule = {
        **asdict(paper),
        "kept": paper.kept,
        "weight_bits": paper.weight_bits,
        "weight_bits_huffman": paper.weight_bits_huffman,
        "index_bits": paper.index_bits,
        "index_bits_huffman": paper.index_bits_huffman,
        "shared_rate": paper.shared_rate,
        "huffman_rate": paper.huffman_rate,
    }
    return {
        "name": row.name,
        "stored": row.stored,
        "n_biases": row.n_biases,
        "paper": rule,
        "file": {**asdict(row.file), "total": row.file.total, "rate": row.file_rate},
    }


def print_accounting(account: Accounting, printer: Printer) -> None:
    """Print both tables and what their columns are."""
    paper = _PAPER
    if any(row.stored.endswith("dense") for row in account.rows):
        paper += " It has no dense mode: of layers that the file stores without an index it takes the best i."
    for groups, remark in ((_paper_groups(account), paper), (_file_groups(account), _FILE)):
        table = grid(groups, printer.out.width, printer.out)
        printer.lines([*table.lines, ""])
        printer.remark(remark)
        if left_out := table.remark("--json"):
            printer.remark(left_out)
        printer.lines([""])
    total = account.total.paper
    summary = Text.assemble(
        (f"{times(account.file_rate)} smaller", "bold"),
        f": {plural(account.file_bytes, 'byte')} of {account.dense_bytes:,}; ",
        "layers alone " if account.n_others else "",
        "by the paper's rule ",
        (times(total.huffman_rate), "bold"),
        f" (P {times(total.kept)}, P+Q {times(total.shared_rate)})",
    )
    printer.lines([summary, ""])


def times(rate: float) -> str:
    """A rate below 1 as how many times smaller it makes a thing."""
    return f"{1 / rate:.1f}x" if rate else "-"


def _names(account: Accounting, *closing: str) -> Group:
    names: list[Text] = [Text(short(row.name)) for row in account.rows]
    return column("layer", [*names, *(Text(name, "bold") for name in closing)], left=True)


def _paper_groups(account: Accounting) -> list[Group]:
    rows = [row.paper for row in (*account.rows, account.total)]

    def cells(*shown: Callable[[Any], str]) -> list[list[Text]]:
        return [[Text(show(rule)) for show in shown] for rule in rows]

    def percent(name: str) -> Callable[[Any], str]:
        return lambda rule: f"{100 * getattr(rule, name):.2f}"

    def bits(name: str) -> Callable[[Any], str]:
        return lambda rule: f"{getattr(rule, name):.2f}"

    return [
        _names(account, "total"),
        column("weights", [f"{rule.n_weights:,}" for rule in rows]),
        column("fillers", [f"{rule.n_entries - rule.n_kept:,}" for rule in rows], 2),
        Group("bits of a code", ("w", "w H"), cells(bits("weight_bits"), bits("weight_bits_huffman"))),
        Group("of a run", ("i", "i H"), cells(bits("index_bits"), bits("index_bits_huffman"))),
        Group("size %", ("P", "P+Q", "P+Q+H"), cells(percent("kept"), percent("shared_rate"), percent("huffman_rate"))),
        column("smaller", [times(rule.huffman_rate) for rule in rows], 1),
    ]


def _file_groups(account: Accounting) -> list[Group]:
    layers = (*account.rows, account.total)

    def part(name: str) -> list[str]:
        return [*(f"{getattr(row.file, name):,}" for row in layers), "", "", "", ""]

    whole = [row.file.total for row in layers] + [account.header_bytes, account.others_bytes]
    whole += [account.graph_bytes, account.file_bytes]
    rates: Sequence[str] = [f"{100 * row.file_rate:.2f}" for row in layers]
    return [
        _names(account, "total", "header", "other parameters", "graph", "file"),
        *(column(name, part(name), rank) for name, rank in zip(_PARTS, (3, 4, 1, 2, 2), strict=True)),
        column("bytes", [f"{count:,}" for count in whole]),
        column("%", [*rates, "", "", "", f"{100 * account.file_rate:.2f}"]),
        column("stored as", [*(row.stored for row in account.rows), *[""] * 5], 5, left=True),
    ]
