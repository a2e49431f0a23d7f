"""The tables and figures of the EIE paper, made again: each as CSV, Markdown and a picture beside the paper's values.

    python -m benchmarks                      all of them, into out/paper
    python -m benchmarks fig8 table5 --out DIR
    python -m benchmarks --summary            every item with its measures beside their limits

Layers are drawn with statistics fitted to the figures, by both fits; Alex-8 also comes from the EIE authors' data,
where that is.
"""

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path

from benchmarks.harness import Figure, Report, add_alex8_option, as_if_it_fitted, command, positive
from benchmarks.paper.bench import Bench
from benchmarks.paper.judge import judged, tolerances
from benchmarks.paper.reproduced import Reproduced
from benchmarks.reproduction.files import as_markdown, write_texts

ITEMS = (
    *("table1", "table2", "table3", "table4", "table5"),
    *("fig6", "fig7", "fig8", "fig9", "fig10", "fig11", "fig12", "fig13"),
)


def reproduced(name: str, bench: Bench) -> Reproduced:
    """One item, made again."""
    item: Reproduced = import_module(f"benchmarks.paper.{name}").reproduce(bench)
    return item


def measure(options: argparse.Namespace) -> Report:
    began = time.perf_counter()
    bench = Bench(options.seeds, options.alex8)
    present = frozenset({"alex8"} if options.alex8 else ())
    limits = tolerances()
    figures, written = [], []
    titles = {}
    with as_if_it_fitted():
        for number, name in enumerate(options.items, 1):
            item = reproduced(name, bench)
            titles[name] = item.title
            if not options.summary:
                written += item.write(options.out)
            figures += judged(item, limits[name], present)
            print(f"{name}: {number} of {len(options.items)}, {time.perf_counter() - began:.0f} s", file=sys.stderr)
    if not options.summary:
        written += write_texts(options.out, {"README.md": overview(titles, figures, bench)})
    facts = {
        "seeds": options.seeds,
        "alex8": options.alex8 or "not here",
        "written": f"{len(written)} files in {options.out}" if written else "nothing",
        "seconds": round(time.perf_counter() - began, 1),
    }
    return Report(tuple(figures), (), facts)


def overview(titles: Mapping[str, str], figures: Sequence[Figure], bench: Bench) -> str:
    """A page with every item that was made, and its measures beside their limits."""
    real = "" if bench.alex8 is None else "; Alex-8 also from the EIE authors' data"
    parts = [
        "# The EIE paper, made again",
        f"Layers drawn with statistics by both fits, seeds 0 to {bench.seeds - 1}{real}. `python -m benchmarks` "
        "makes these files; each page lists every point beside the paper's, its deviation, and what of the paper is "
        "known to be wrong.",
        "\n".join(f"- [{title}]({name}.md)" for name, title in titles.items()),
        "## Measures and their limits",
        as_markdown(
            ("measure", "here", "at most", "met", "why this limit"),
            [
                (f.name, _digits(f.value), _digits(f.bar), "" if f.bar is None else "yes" if f.met else "NO", f.note)
                for f in figures
            ],
        ),
        "The limits stand in `benchmarks/paper/tolerances.toml`; `python -m benchmarks --summary --check` judges anew.",
    ]
    return "\n\n".join(parts) + "\n"


def _digits(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"


def item_name(text: str) -> str:
    """One of `ITEMS`; the `type` of an argument (argparse compares the default of a list with choices as a whole)."""
    if text not in ITEMS:
        raise argparse.ArgumentTypeError(f"{text!r}, but it must be one of {', '.join(ITEMS)}")
    return text


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("items", nargs="*", type=item_name, default=ITEMS, metavar="ITEM", help="default all")
    parser.add_argument("--summary", action="store_true", help="judge alone, write no files")
    parser.add_argument("--out", type=Path, default=Path("out/paper"), metavar="DIR", help="default out/paper")
    parser.add_argument("--seeds", type=positive, default=8, help="draws of each layer (default 8)")
    add_alex8_option(parser)


if __name__ == "__main__":
    sys.exit(command("__main__", __doc__, measure, add_options=add_options))
