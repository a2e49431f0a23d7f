"""Beyond the paper: what other choices would have given EIE, by the exact model, on one page with pictures.

    python -m benchmarks.beyond --out DIR     README.md, a table and a picture of each study

Layers are drawn with the statistics of the published ones; Alex-8 also comes from the EIE authors' data, and SqueezeNet
from the Deep Compression authors', where that is: --alex8, and the folder that EIE_SIM_SQUEEZENET names.
"""

import argparse
import sys
import time
from importlib import import_module
from pathlib import Path

from benchmarks.harness import Figure, Report, Table, add_alex8_option, as_if_it_fitted, command
from benchmarks.studies.study import GAIN_COLUMNS, Bench, Study, mean_ratio, write_page

OF_LAYERS = (
    "more_pes", "orders", "index_width", "empty_columns", "depth_and_width", "broadcast_latency", "partitioning",
)  # fmt: skip
OF_NETWORKS = ("sram_sizes",)
STUDIES = (*OF_LAYERS, *OF_NETWORKS)

_NOTE = (
    "Seven studies of `eie_sim.studies` on the nine layers of the paper, drawn with their statistics (seed "
    "{seed}){real}, and one on whole networks; 64 PEs, 800 MHz, 45 nm unless a study says otherwise. "
    "`python -m benchmarks.beyond` makes this page. [Recurrent layers over real time](recurrent.md) are on a page of "
    "their own."
)


def studied(name: str, bench: Bench) -> Study:
    """One study of all layers."""
    found: Study = import_module(f"benchmarks.studies.{name}").study(bench)
    return found


def measure(options: argparse.Namespace) -> Report:
    began = time.perf_counter()
    found = []
    with as_if_it_fitted():
        bench = Bench.of(options.seed, options.alex8)
        for number, name in enumerate(STUDIES, 1):
            found.append(studied(name, bench))
            print(f"{name}: {number} of {len(STUDIES)}, {time.perf_counter() - began:.0f} s", file=sys.stderr)
    note = _NOTE.format(real=", and on the real Alex-8" if options.alex8 else "", seed=options.seed)
    written = write_page(found, options.out, note)
    gains = [gain for study in found for gain in study.gains]
    figures = [Figure(gain.change, mean_ratio(gain.cycles), "of EIE's cycles") for gain in gains]
    table = Table("what each would have given EIE", GAIN_COLUMNS, tuple(gain.cells() for gain in gains))
    facts = {"seed": options.seed, "alex8": options.alex8 or "not here", "written": f"{len(written)} files"}
    return Report(tuple(figures), (table,), {**facts, "seconds": round(time.perf_counter() - began, 1)})


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, default=Path("out/beyond"), metavar="DIR", help="default out/beyond")
    parser.add_argument("--seed", type=int, default=0, help="of the drawn layers (default 0)")
    add_alex8_option(parser)


if __name__ == "__main__":
    sys.exit(command("beyond", __doc__, measure, add_options=add_options))
