"""``eie-sim sweep search``: search the front of a space instead of computing all of it."""

from typing import Annotated

from eie_sim.cli.options import Json, option
from eie_sim.cli.sweep.shared import SpaceFile, Target, print_rows, split

_SEARCH_JOBS = "Processes; 1 (default): this one alone."


def search(
    space: SpaceFile,
    store: Target = None,
    objectives: Annotated[str, option("Rows", "Metrics to search the front of.", "A,B,...")] = "latency,energy,area",
    trials: Annotated[int, option("How to run", "Machines to have tried in the end. Default: 200.", "N", min=1)] = 200,
    sampler: Annotated[str, option("How to run", "nsga2 (default) or tpe.", "NAME")] = "nsga2",
    seed: Annotated[int, option("How to run", "Of the sampler. Default: 0.", "N", min=0)] = 0,
    jobs: Annotated[int | None, option("How to run", _SEARCH_JOBS, "N", min=1)] = 1,
    as_json: Json = False,
) -> None:
    """Search a space for its front instead of computing all of it (Optuna, extra: search); it can be resumed."""
    from eie_sim.cli.console import Printer
    from eie_sim.sweep import search as searching
    from eie_sim.sweep import select
    from eie_sim.sweep.space import Space

    printer = Printer()
    wanted = Space.from_toml(space)
    target = space.with_suffix(".sqlite") if store is None else store
    metrics = list(dict.fromkeys(select.metric(name) for name in split(objectives)))
    with printer.counting() as count:
        found = searching.search(
            wanted, target, metrics, trials, sampler, seed, jobs=jobs,
            progress=lambda done, of: count(done, of, wanted.name),
        )  # fmt: skip
    if as_json:
        rows = [{**a, **dict(zip(metrics, b, strict=True))} for a, b in zip(found.inputs, found.values, strict=True)]
        printer.json({"trials": found.trials, "front": rows})
        return
    if not found.inputs:
        printer.warn(
            f"no machine that was tried has a value above 0 of {', '.join(metrics)} and meets the conditions; "
            "`eie-sim sweep query` shows what became of them"
        )
        return
    axes = list(found.inputs[0])
    rows_shown = [[*(a[n] for n in axes), *b] for a, b in zip(found.inputs, found.values, strict=True)]
    print_rows(printer, [*axes, *metrics], rows_shown)
    printer.remark(f"{len(found.values):,} machines on the front of {found.trials:,} that were tried.")
