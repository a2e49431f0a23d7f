"""The tables that README and docs show: what is verified and how well, and the columns of a result.

    python -m benchmarks.verified             prints the first
    python -m benchmarks.verified columns     prints another
    python -m benchmarks.verified --write     puts each anew into the pages that hold it
    python -m benchmarks.verified --check     fails where a page holds another

Every figure comes from what is kept: golden cases in ``tests/data``, results in ``docs/reproduction``, limits in
``benchmarks/paper/tolerances.toml``; the models of the baselines are fitted in a second. Nothing is simulated.
"""

import argparse
import csv
import json
import re
import statistics
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from benchmarks.baseline_models import ERROR_BAR_PCT
from benchmarks.leave_one_out import against_published, median_left_out_error_pct
from benchmarks.reproduction.files import as_markdown
from benchmarks.table4 import CYCLES_BAR_PCT, ENTRIES_BAR_PCT
from compressor.published import LENET_5, LENET_300_100
from eie_sim.baselines.devices import devices
from eie_sim.baselines.published import KINDS
from eie_sim.cost import CALIBRATIONS, calibration
from eie_sim.cost.technology import SCALINGS
from eie_sim.network.result import NODE_COLUMNS, OUTSIDE_COLUMNS
from eie_sim.report.report_columns import HEADLINE, REPORTS, UNITS, by_unit
from eie_sim.report.tables import column_definitions
from eie_sim.sweep import store

ROOT = Path(__file__).resolve().parents[1]
KEPT = ROOT / "docs" / "reproduction"


def rows_of(name: str) -> list[dict[str, str]]:
    """The rows of a kept CSV file."""
    with (KEPT / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def cases(name: str) -> int:
    """Golden cases in a file of ``tests/data``."""
    return len(json.loads((ROOT / "tests" / "data" / f"{name}.json").read_text(encoding="utf-8")))


def worst_of_table_iv(row: str) -> float:
    """Largest deviation of a drawn layer from Table IV in percent, over both fits."""
    points = [p for p in rows_of("eie/table4") if p["row"] == row and "real" not in p["made from"]]
    return max(abs(float(p["deviation %"])) for p in points)


def measures() -> tuple[int, int, int]:
    """Measures of the reproduction that are met, all of them, and the points with a published value behind them."""
    page = (KEPT / "eie" / "README.md").read_text(encoding="utf-8")
    verdicts = re.findall(r"\| (yes|NO) \|", page)
    points = sum(bool(p["paper"]) for file in (KEPT / "eie").glob("*.csv") for p in rows_of(f"eie/{file.stem}"))
    return verdicts.count("yes"), len(verdicts), points


def left_out_errors_pct() -> list[float]:
    """Median error on a layer that was left out, batch 1, of every device and kind."""
    return [median_left_out_error_pct(against_published(one, kind, 1)) for one in devices().values() for kind in KINDS]


def lenets() -> str:
    """Rate and errors of both LeNets, means of the seeds, beside the paper's."""
    found = []
    for network, paper in (("lenet-300-100", LENET_300_100), ("lenet-5", LENET_5)):
        runs = [run for run in rows_of("deep_compression_runs") if run["network"] == network]
        rate, before, after = (
            statistics.mean(float(run[key]) for run in runs)
            for key in ("rate_pqh", "error_before_pct", "error_after_pct")
        )
        found.append(
            f"{network} {rate:.1f} times smaller (paper {paper.huffman_rate}), error {after:.2f} % "
            f"(dense {before:.2f} %), {len(runs)} seeds"
        )
    return "; ".join(found)


def verified() -> str:
    """What is verified, and how well."""
    met, judged, points = measures()
    errors = left_out_errors_pct()
    entries, cycles = worst_of_table_iv("eie theoretical"), worst_of_table_iv("eie actual")
    return as_markdown(
        ("claim", "how", "how well", "command"),
        (
            (
                "cycles, SRAM reads, writes, stalls and outputs are those of the authors' simulator",
                f"what it counted on {cases('golden')} random layers and in 8 configurations of the real fc8, "
                "both engines",
                "equal (`==`)",
                "`pytest tests/contract`",
            ),
            (
                "schedules, bypasses, the classes of a PE's cycles, and corners that simulator cannot run",
                f"{cases('extra')} layers counted by two independent readings of the contract, both engines",
                "equal (`==`)",
                "`pytest tests/contract`",
            ),
            (
                "the two engines and a third, naive machine agree in every field",
                "property tests over random layers and machines",
                "equal (`==`)",
                "`pytest tests/equivalence`",
            ),
            (
                "the nine layers have the entries and cycles of Table IV",
                "calibrated generator, mean of 8 seeds, both fits",
                f"worst layer {entries:.1f} % off in entries (limit {ENTRIES_BAR_PCT} %), {cycles:.1f} % in cycles "
                f"(limit {CYCLES_BAR_PCT} %)",
                "`python -m benchmarks.table4 --check`",
            ),
            (
                "Tables I to V and Figs 6 to 13 of the paper",
                f"{points:,} points, each beside the published one",
                f"{met} of {judged} measures within their limits, which have reasons",
                "`python -m benchmarks --check`",
            ),
            (
                "Deep Compression of the LeNets",
                "trained on the full MNIST",
                lenets(),
                "`python -m benchmarks.deep_compression --check`",
            ),
            (
                "models of the paper's CPU, GPU and mobile GPU predict a layer they never saw",
                "leave one out, against Table IV, batch 1",
                f"median errors of {min(errors):.0f} to {max(errors):.0f} % (limit {ERROR_BAR_PCT:.0f} %)",
                "`python -m benchmarks.baseline_models --check`",
            ),
            (
                "pruning makes this CPU faster, as the paper's",
                "dense and sparse libraries on this host",
                "1.5 to 6 times: the limits of the check",
                "`python -m benchmarks.cpu_baseline --check`",
            ),
            (
                "a whole layer, cycle-exact, in less time than a dense GEMV takes here",
                "medians against numpy in the same run",
                "`docs/speed.md`",
                "`python -m benchmarks.engine_speed --check`",
            ),
            (
                "many vectors in less time than the dense multiplication takes here",
                "medians against numpy's SGEMM in the same run",
                "`docs/speed.md`",
                "`python -m benchmarks.batch_speed --check`",
            ),
            (
                "packing takes a few sorts' time and less than 2.5x the dense memory",
                "in the same run",
                "the limits of the check",
                "`python -m benchmarks.pack_speed --check`",
            ),
        ),
    )


def definitions(columns: Mapping[str, Mapping[str, str]]) -> str:
    """Name, unit and definition of columns."""
    return as_markdown(
        ("column", "unit", "meaning"),
        [(f"`{name}`", told["unit"], told["definition"].replace("|", "\\|")) for name, told in columns.items()],
    )


def columns() -> str:
    """Every column of ``results.csv``."""
    return definitions(column_definitions())


def nodes() -> str:
    """Every column of the nodes of a whole network."""
    every = (*NODE_COLUMNS, *OUTSIDE_COLUMNS)
    return definitions({column.name: {"unit": column.unit, "definition": column.definition} for column in every})


def reports() -> str:
    """Every column of the CSV files of ``eie-sim report``."""
    every = {"Against the baselines": HEADLINE, **REPORTS, "Energy by unit": by_unit(u for u in UNITS if " " not in u)}
    return "\n\n".join(f"### {name}\n\n{definitions(told)}" for name, told in every.items())


def calibrations() -> str:
    """Every calibration of energies, and every rule by which they shrink."""
    prices = [(f"`{name}`", "; ".join(calibration(name).assumptions)) for name in CALIBRATIONS]
    rules = [(f"`{name}`", scaling.source) for name, scaling in SCALINGS.items()]
    return (
        f"{as_markdown(('calibration', 'what it assumes'), prices)}\n\n{as_markdown(('scaling rule', 'source'), rules)}"
    )


def sweeps() -> str:
    """Every column of an export of a sweep."""
    return definitions({name: store.described(name) for name in store.EXPORTED})


TABLES: Mapping[str, Callable[[], str]] = {
    "verified": verified,
    "columns": columns,
    "nodes": nodes,
    "reports": reports,
    "sweeps": sweeps,
    "calibrations": calibrations,
}
PAGES = (ROOT / "README.md", ROOT / "docs" / "columns.md")


def renewed(page: str) -> str:
    """The page with every table between ``<!-- table NAME: ... -->`` and ``<!-- end NAME -->`` made anew."""

    def table(found: re.Match[str]) -> str:
        return f"{found[1]}\n\n{TABLES[found[2]]()}\n\n{found[3]}"

    return re.sub(r"(<!-- table (\w+): .*?-->)\n.*?(<!-- end \2 -->)", table, page, flags=re.DOTALL)


def stale(pages: Iterable[Path] = PAGES) -> list[Path]:
    """The pages that hold another table than is made now."""
    return [page for page in pages if (text := page.read_text(encoding="utf-8")) != renewed(text)]


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.verified", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("name", nargs="?", default="verified", choices=TABLES, metavar="NAME", help="default verified")
    parser.add_argument("--write", action="store_true", help="put the tables into the pages that hold them")
    parser.add_argument("--check", action="store_true", help="fail where a page holds another table")
    options = parser.parse_args(argv)
    old = stale() if options.write or options.check else []
    if options.write:
        for page in old:
            page.write_text(renewed(page.read_text(encoding="utf-8")), encoding="utf-8")
            print(f"wrote {page.relative_to(ROOT)}", file=sys.stderr)
        return 0
    if options.check:
        for page in old:
            print(f"{page.relative_to(ROOT)}: holds another table; --write mends it", file=sys.stderr)
        return 1 if old else 0
    print(TABLES[options.name]())
    return 0


if __name__ == "__main__":
    sys.exit(main())
