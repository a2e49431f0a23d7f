"""Sizes of AlexNet, VGG-16 and SqueezeNet at the published densities and bits, and of the authors' real SqueezeNet.

The weights of the first are drawn (from a normal and from a Laplace distribution, positions without order), so that no
accuracy is said of them: what is compared is what density, code width and index width come to by the rule of the
paper's tables, and what the streams of a real .dcz file take. The real SqueezeNet is read where the environment
variable EIE_SIM_SQUEEZENET names the folder of compressed_SqueezeNet.net; nothing is fetched. Layers that were counted
are kept in --runs.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from benchmarks.figures.sizes import SizePair, SizePanel, SizePanels, size_panels
from benchmarks.harness import Figure, Report, Table, command
from benchmarks.reproduction.files import as_csv, as_markdown, write_texts
from benchmarks.reproduction.model_sizes import (
    NET_VARIABLE,
    REAL_NET_BYTES,
    SQUEEZENET_DENSE_BYTES,
    SQUEEZENET_PUBLISHED_BYTES,
    Distribution,
    find_net,
    layer_task,
    plans,
    real_squeezenet,
    rule_of,
    squeezenet_name,
    total,
)
from benchmarks.reproduction.tasks import Kept, Result, run_tasks
from compressor.accounting import PaperRule
from compressor.published import ALEXNET, VGG_16, PublishedCompression, PublishedNetwork
from eie_sim.report import plots

PAPERS = {"alexnet": ALEXNET, "vgg-16": VGG_16}

SHARED_BAR_PCT, HUFFMAN_BAR_PCT = 12.0, 35.0
"""How far the total size of drawn weights may be from the paper's: fillers between positions without order are more
than between those of a trained network, and the codes of a normal tail are used unlike its own."""

DCZ_HUFFMAN_BAR = 553_000
"""Bytes of the authors' SqueezeNet as .dcz, at most."""

COLUMNS = (
    *(
        "network",
        "drawn_from",
        "layer",
        "n",
        "kept_pct",
        "fillers_pct",
        "w",
        "w_huffman",
        "paper_w_huffman",
        "i",
        "i_huffman",
    ),
    *("paper_i_huffman", "pq_pct", "paper_pq_pct", "pq_deviation_pct", "pqh_pct", "paper_pqh_pct"),
    *("pqh_deviation_pct", "dcz_bytes"),
)

NOTE = "weights drawn (see drawn_from), seed {seed}; density, code and index bits as published"
PICTURE_NOTE = "weights drawn from a normal distribution, seed {seed}; density, code and index bits as published"

ABOUT = """
Sizes are by the rule of the paper's tables. At fixed width (pq) they follow from density and bits, but for the fillers:
positions drawn without order need more of them than a trained network's, which shows in the sparsest layers. What
Huffman coding gains (pqh) depends on how evenly the codes are used. A k-means that runs until it stands still spreads
its centroids so that the codes are used rather evenly; stopped after one iteration from its linear start, it leaves the
many small weights to few codes, and then Huffman coding gains about what the paper prints. `dcz_bytes` are the codebook
and the streams in a `.dcz` file, its header and biases apart.
""".strip()

Name: TypeAlias = tuple[str, Distribution]
"""A network, and what its weights are drawn from."""


def row(
    name: Name, layer: str, rule: PaperRule, paper: PublishedCompression | None, file_bytes: int
) -> tuple[object, ...]:
    """A line of the table; None where the paper has no value."""
    shared, huffman = 100 * rule.shared_rate, 100 * rule.huffman_rate
    fillers = 100 * (1 - rule.n_kept / rule.n_entries)
    cells = (*name, layer, rule.n_weights, round(100 * rule.kept, 2), round(fillers, 2), round(rule.weight_bits, 2))
    lengths = (round(rule.weight_bits_huffman, 2), round(rule.index_bits_huffman, 2))
    if paper is None:
        sizes = (round(shared, 3), None, None, round(huffman, 3), None, None)
        return (*cells, lengths[0], None, round(rule.index_bits, 2), lengths[1], None, *sizes, file_bytes)
    off = (_off_pct(shared, paper.shared_pct), _off_pct(huffman, paper.huffman_pct))
    sizes = (round(shared, 3), paper.shared_pct, off[0], round(huffman, 3), paper.huffman_pct, off[1])
    bits = (lengths[0], paper.weight_huffman_bits, round(rule.index_bits, 2), lengths[1], paper.index_huffman_bits)
    return (*cells, *bits, *sizes, file_bytes)


def _off_pct(ours: float, theirs: float) -> float:
    return round(100 * (ours / theirs - 1), 1)


def rows_of(name: Name, results: dict[str, Result]) -> list[tuple[object, ...]]:
    """The layers of a network, then their total."""
    paper, rules = PAPERS.get(name[0]), {layer: rule_of(result) for layer, result in results.items()}
    rows = [
        row(name, layer, rule, paper and paper.layers[layer], results[layer]["file_bytes"])
        for layer, rule in rules.items()
    ]
    file_bytes = sum(result["file_bytes"] for result in results.values())
    return [*rows, row(name, "total", total(list(rules.values())), paper and paper.total, file_bytes)]


def drawn_figures(by_network: dict[Name, dict[str, Result]], judged: bool) -> list[Figure]:
    """Sizes of the totals beside the paper's; with bars where the layers are whole."""
    found = []
    for name, results in by_network.items():
        rule = total([rule_of(result) for result in results.values()])
        if name[0] in PAPERS:
            # A bar for one of the two: which tail trained weights have is not known here.
            found += _published_figures(name, PAPERS[name[0]], rule, judged and name[1] == "normal")
    for bits, published in SQUEEZENET_PUBLISHED_BYTES.items():
        rule = total([rule_of(result) for result in by_network[squeezenet_name(bits), "normal"].values()])
        n_bytes = rule.shared_bits / 8
        note = f"paper {published:,.0f} ({_off_pct(n_bytes, published):+.1f} %), biases not counted"
        found.append(Figure(f"{squeezenet_name(bits)}, pruned and shared", round(n_bytes), "bytes", note=note))
    return found


def _published_figures(name: Name, paper: PublishedNetwork, rule: PaperRule, judged: bool) -> list[Figure]:
    pairs = (
        ("pruned and shared", 100 * rule.shared_rate, paper.total.shared_pct, SHARED_BAR_PCT),
        ("and Huffman coded", 100 * rule.huffman_rate, paper.total.huffman_pct, HUFFMAN_BAR_PCT),
    )
    return [
        Figure(
            f"{name[0]} ({name[1]}), {what}, off by",
            abs(_off_pct(ours, theirs)),
            "%",
            bar if judged else None,
            note=f"{ours:.2f} % of the dense size (paper {theirs:g} %), {100 / ours:.1f}x",
        )
        for what, ours, theirs, bar in pairs
    ]


def real_figures(found: Result | None) -> list[Figure]:
    """The authors' file; not measured, and said so, where it is not here."""
    if found is None:
        note = f"{NET_VARIABLE} names no folder with compressed_SqueezeNet.net"
        return [Figure("authors' SqueezeNet", None, "bytes", note=note)]
    published = SQUEEZENET_PUBLISHED_BYTES[8]
    rate = found["dense_bytes"] / found["net_bytes"]
    dense = f"dense {found['dense_bytes']:,} (paper {SQUEEZENET_DENSE_BYTES:,.0f}), {rate:.2f}x"
    note = f"paper {published:,.0f} ({_off_pct(found['net_bytes'], published):+.1f} %); {dense}"
    return [
        Figure("authors' SqueezeNet, written again, bytes of", found["net_bytes"], "", REAL_NET_BYTES, note=note),
        Figure("  the same bytes", float(found["rewritten"]), "", 1.0, "at least"),
        Figure("  as .dcz, Huffman coded", found["dcz_huffman_bytes"], "bytes", DCZ_HUFFMAN_BAR),
        Figure("  and with the graph", found["dcz_with_graph_bytes"], "bytes"),
    ]


# Files ----------------------------------------------------------------------------------------------------------------


def panel(network: str, results: dict[str, Result]) -> SizePanel:
    """The picture of one network."""
    paper = PAPERS[network]
    rules = {layer: rule_of(result) for layer, result in results.items()}
    rules["total"] = whole = total(list(rules.values()))
    papers = {**paper.layers, "total": paper.total}
    pairs = tuple(
        SizePair(
            layer,
            100 * rule.shared_rate,
            papers[layer].shared_pct,
            100 * rule.huffman_rate,
            papers[layer].huffman_pct,
        )
        for layer, rule in rules.items()
    )
    return SizePanel(f"{network}: {1 / whole.huffman_rate:.1f} times smaller (paper: {paper.huffman_rate:g})", pairs)


def markdown(
    by_network: dict[Name, dict[str, Result]], real: Result | None, note: str, figures: Sequence[Figure]
) -> str:
    """Everything as one page."""
    parts = ["# Sizes of the large networks", "", f"Data: {note}.", "", ABOUT, ""]
    parts += [as_markdown(("figure", "value", "unit", "note"), [_figure_cells(figure) for figure in figures]), ""]
    for (network, drawn_from), results in by_network.items():
        rows = [line[2:] for line in rows_of((network, drawn_from), results)]
        source = f", beside {PAPERS[network].source}" if network in PAPERS else ""
        columns = [at for at in range(2, len(COLUMNS)) if any(row[at - 2] is not None for row in rows)]
        cells = [[row[at - 2] for at in columns] for row in rows]
        title = f"## {network} ({drawn_from}){source}"
        parts += [title, "", as_markdown([COLUMNS[at] for at in columns], cells), ""]
    if real is not None:
        cells = [(name.replace("_", " "), f"{value:,}") for name, value in real.items() if isinstance(value, int)]
        parts += ["## The authors' SqueezeNet", "", as_markdown(("what", "value"), cells), ""]
    return "\n".join(parts)


def _figure_cells(figure: Figure) -> tuple[object, ...]:
    value = "not measured"
    if figure.value is not None:
        value = f"{figure.value:,.0f}" if figure.value == int(figure.value) else f"{figure.value:g}"
    return figure.name.strip(), value, figure.unit, figure.note


def measure(options: argparse.Namespace) -> Report:
    began = time.perf_counter()
    wanted = plans(options.quick)
    kept = Kept(options.runs, "model-sizes", [options.quick, options.seed, [plan.shape for plan in wanted]])
    results = run_tasks([layer_task(plan, options.seed) for plan in wanted], kept)
    by_network: dict[Name, dict[str, Result]] = {}
    for plan in wanted:
        by_network.setdefault((plan.network, plan.drawn_from), {})[plan.layer] = results[plan.key]
    net = find_net()
    real = None if net is None else real_squeezenet(net)
    figures = [*drawn_figures(by_network, not options.quick), *real_figures(real)]
    cut = "; layers cut small (--quick)" if options.quick else ""
    note, picture_note = (text.format(seed=options.seed) + cut for text in (NOTE, PICTURE_NOTE))
    rows = [line for name, of_network in by_network.items() for line in rows_of(name, of_network)]
    texts = {"model_sizes.csv": as_csv(COLUMNS, rows), "model_sizes.md": markdown(by_network, real, note, figures)}
    written = write_texts(options.out, texts)
    drawn = SizePanels(tuple(panel(network, by_network[network, "normal"]) for network in PAPERS), picture_note)
    written.append(plots.save(size_panels(drawn), options.out / "model_sizes.png"))
    facts = {
        "data": note,
        "written": ", ".join(map(str, written)),
        "seconds": round(time.perf_counter() - began, 1),
    }
    shown = tuple(tuple("" if cell is None else cell for cell in line) for line in rows if line[2] == "total")
    return Report(tuple(figures), (Table("Totals", COLUMNS, shown),), facts)


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--quick", action="store_true", help="layers cut small: to try it out")
    parser.add_argument("--seed", type=int, default=0, help="of the drawn weights (default 0)")
    parser.add_argument("--out", type=Path, default=Path("docs/reproduction"), metavar="DIR", help="results")
    parser.add_argument("--runs", type=Path, default=Path("out/model_sizes"), metavar="DIR", help="what is kept")


if __name__ == "__main__":
    sys.exit(command("model_sizes", __doc__, measure, add_options=add_options))
