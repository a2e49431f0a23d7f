"""The machines of a store, as they can be compared: of one sweep, at one price, each over all that ran on it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from eie_sim.columns import Row
from eie_sim.sweep.columns import CONDITIONS, INPUTS, PRICING
from eie_sim.sweep.expressions import Condition, condition
from eie_sim.sweep.select import Candidate, candidates, matching, one_price
from eie_sim.sweep.store import FAILED, PROVENANCE, Store


@dataclass(frozen=True)
class Machines:
    """The machines of a store that can be compared, and what was left out.

    Attributes
    ----------
    found : list of Candidate
        One at least.
    rows : int
        Of the store, that were looked at.
    failed : int
        Of these, the points that failed.
    notes : tuple of str
        What was left out so that all have one price, and how to ask for it; and whether the machines hold what ran.
    sweep : str
        Name of the sweep that was run last; that of the store's file if none is noted.
    workloads, versions : tuple of str
        What ran, and the versions of eie-sim that computed it.
    conditions : tuple of str
        Those of the sweep, then those given; every machine meets them.
    """

    found: list[Candidate]
    rows: int
    failed: int
    notes: tuple[str, ...]
    sweep: str
    workloads: tuple[str, ...]
    versions: tuple[str, ...]
    conditions: tuple[str, ...]


def machines_of(
    store: Store,
    metrics: Sequence[str],
    where: Sequence[str] = (),
    all_sweeps: bool = False,
    shown: Sequence[str] = (),
) -> Machines:
    """The machines of the sweep that was run last, that meet its conditions and those given.

    Parameters
    ----------
    store : Store
    metrics : sequence of str
        Columns that a machine must have.
    where : sequence of str
        More conditions, such as ``"area_mm2 < 10"``.
    all_sweeps : bool
        Take the points of every sweep into the store.
    shown : sequence of str
        Columns that a machine may have.

    Raises
    ------
    ValueError
        If a condition cannot be parsed, or no machine is left; the message says why.
    """
    sweeps = store.sweeps()
    texts = (*conditions_of(store), *where)
    conditions = [condition(text, CONDITIONS) for text in texts]
    asked = {name for one in conditions for name in one.names}
    columns = dict.fromkeys([*INPUTS, *metrics, *shown, *sorted(asked), "status", "fits_sram", *PROVENANCE])
    rows = list(store.rows(list(columns), of_last_sweep=not all_sweeps))
    done = [row for row in rows if row["status"] != FAILED]
    # Prices are not machines: those of the sweep's first value count, unless a condition asks for others.
    axes = json.loads(sweeps[-1].space).get("axes", {}) if sweeps else {}
    order = {name: axes[name] if isinstance(axes.get(name), list) else [] for name in PRICING}
    of_prices = [one for one in conditions if one.names <= set(PRICING)]
    priced, notes = one_price(matching(done, of_prices), order)
    found = candidates(priced, metrics, conditions, shown)
    if not found:
        unmet = conditions if conditions and candidates(priced, metrics) else []
        raise ValueError(f"{store.path}: {_why_none(unmet, priced, len(rows) - len(done))}")
    if without := sum(not one.fits for one in found):
        too_large = _fit_nowhere(priced)
        none_holds = f"none holds {' or '.join(too_large)}; " if too_large else ""
        notes.append(
            f"{without:,} of {len(found):,} machines do not hold every workload in their SRAMs, and are simulated as "
            f"if they did; {none_holds}--where fits_sram leaves them out"
        )
    return Machines(
        found=found,
        rows=len(rows),
        failed=len(rows) - len(done),
        notes=tuple(notes),
        sweep=sweeps[-1].name if sweeps else store.path.stem,
        workloads=tuple(dict.fromkeys(str(row["workload"]) for row in done)),
        versions=tuple(dict.fromkeys(str(row["package_version"]) for row in done)),
        conditions=texts,
    )


def conditions_of(store: Store) -> list[str]:
    """The conditions of the sweep that was run last."""
    sweeps = store.sweeps()
    return list(json.loads(sweeps[-1].conditions)) if sweeps else []


def _fit_nowhere(rows: Sequence[Row]) -> list[str]:
    """Workloads that the SRAMs of no machine hold."""
    fits: dict[str, bool] = {}
    for row in rows:
        name = str(row["workload"])
        fits[name] = fits.get(name, False) or row["fits_sram"] != 0
    return [name for name, somewhere in fits.items() if not somewhere]


def _why_none(unmet: Sequence[Condition], priced: Sequence[Row], failed: int) -> str:
    """Why there is no machine to show: its rows meet conditions by which there would be some, or cannot be compared."""
    if unmet:
        too_large = _fit_nowhere(priced) if any("fits_sram" in one.names for one in unmet) else []
        why = f"; the SRAMs of none hold {' or '.join(too_large)}" if too_large else ""
        return f"no machine meets {' and '.join(one.text for one in unmet)}{why}"
    if not priced:
        return "no point of it was computed" + f", {failed:,} failed; `eie-sim sweep query` tells why" * bool(failed)
    return (
        "no machine ran every workload and seed that the others ran, so that none can be compared over all; a "
        "condition on workload and seed, such as \"workload == 'Alex-7'\", picks those to compare by"
    )
