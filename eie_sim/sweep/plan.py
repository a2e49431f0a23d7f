"""What a sweep has to do: the points of a space, the digest that each is known by, and which a store has already."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compressor._version import __version__
from eie_sim.arch import ArchConfig
from eie_sim.columns import Row
from eie_sim.sweep.baseline import Baseline, parsed_baseline
from eie_sim.sweep.columns import INPUTS, MACHINE, NO_BASELINE, PRICING
from eie_sim.sweep.points import Points, check_alone
from eie_sim.sweep.records import Point, Prices
from eie_sim.sweep.space import Space
from eie_sim.sweep.store import Store, is_begun
from eie_sim.sweep.workloads import WorkloadName


@dataclass
class SweepPlan:
    """The points of a space, and which of them a store does not have.

    A space may have millions of points, so each is a number here, and what several share is kept once; `point`,
    `request` and `inputs` give one of them by name.

    Attributes
    ----------
    space : Space
    points : Points
    keys : list of str
        Of every point.
    machines : list of ArchConfig or str
        Every machine that occurs, or why it cannot be built.
    machine_of : ndarray of int64
        Which of them each point has.
    missing : ndarray of int64
        Points to compute.
    there : int
        Points that the store has.
    baselines : mapping of str to Baseline
        What the names of baselines stand for.
    requests : list of WorkloadName
        Every workload that occurs.
    request_of : ndarray of int64
        Which of them each point has.
    prices : list of Prices
        All that occur.
    prices_of : ndarray of int64
        Which of them each point has.
    """

    space: Space
    points: Points
    keys: list[str]
    machines: list[ArchConfig | str]
    machine_of: NDArray[np.int64]
    missing: NDArray[np.int64]
    there: int
    baselines: Mapping[str, Baseline]
    requests: list[WorkloadName]
    request_of: NDArray[np.int64]
    prices: list[Prices]
    prices_of: NDArray[np.int64]

    @property
    def distinct(self) -> int:
        """Points, those that are another one by a second name left out."""
        return len(self.missing) + self.there

    def machine(self, at: int) -> ArchConfig | str:
        """The machine of a point, or why it cannot be built."""
        return self.machines[int(self.machine_of[at])]

    def request(self, at: int) -> WorkloadName:
        """The workload of a point."""
        return self.requests[int(self.request_of[at])]

    def point(self, at: int) -> Point:
        """What a worker needs of a point whose machine can be built."""
        machine = self.machine(at)
        assert isinstance(machine, ArchConfig)
        return Point(at, machine, self.prices[int(self.prices_of[at])])

    def inputs(self, at: int) -> Row:
        """The columns `INPUTS` of a point's row."""
        machine = self.machine(at)
        # As the machine holds them, which makes the float of a clock that was written as an integer.
        fields = machine.__dict__ if isinstance(machine, ArchConfig) else {}
        return {name: fields[name] if name in fields else self.points.value(name, at) for name in INPUTS}

    def simulations(self) -> int:
        """Runs of a machine that the missing points need."""
        numbers = {arch.timed_by: at for at, arch in enumerate(self.machines) if isinstance(arch, ArchConfig)}
        timing = np.array([numbers[a.timed_by] if isinstance(a, ArchConfig) else -1 for a in self.machines], np.int64)
        timing_of = timing[self.machine_of][self.missing]
        orders, _ = self.points.groups(("order",))
        shared = np.stack([self.request_of[self.missing], orders[self.missing], timing_of])
        return int(np.unique(shared[:, timing_of >= 0], axis=1).shape[1])


def plan(space: Space, store: Store | None, retry_failed: bool = False) -> SweepPlan:
    """Find the points of `space`, check them, and leave out those that `store` has.

    Raises
    ------
    ValueError, OSError
        If the space is empty, no machine can have a value of an axis, or a workload or a baseline is unknown.
    """
    points = space.points()
    check_alone(points, space.machine)
    baselines = {
        str(name): parsed_baseline(str(name), space.folder) for name in points.values["baseline"] if name != NO_BASELINE
    }
    request_of, first = points.groups(("workload", "fit", "seed"))
    requests = []
    for row in map(points.row, first.tolist()):
        seed = row["seed"]
        assert isinstance(seed, int)
        name, fit, folder = str(row["workload"]), str(row["fit"]), str(space.folder)
        given = (space.acts, space.act_density, space.inputs, space.photo)
        requests.append(WorkloadName(name, folder, fit, seed, *given))
    for request in {(one.name, one.folder): one for one in requests}.values():
        request.check()  # once for all seeds: it may read a file
    machine_of, first = points.groups(MACHINE)
    machines: list[ArchConfig | str] = []
    of_machines = []
    for at in first.tolist():
        fields: dict[str, Any] = {name: points.value(name, at) for name in MACHINE}
        try:
            machine = ArchConfig(**fields)
        except ValueError as error:
            machines.append(str(error))
        else:
            machines.append(machine)
            fields = {name: getattr(machine, name) for name in MACHINE}  # 800000000 and 8e8 are one clock
        of_machines.append(_digest(fields))
    prices_of, first = points.groups(tuple(PRICING))
    prices = []
    for row in map(points.row, first.tolist()):
        batch = row["batch"]
        assert isinstance(batch, int)
        prices.append(Prices(str(row["calibration"]), str(row["scaling_rule"]), str(row["baseline"]), batch))
    keys = _keys(points, [one.digest for one in requests], request_of, of_machines, machine_of, baselines)
    there = store.keys(failed_too=not retry_failed) if store is not None else set()
    # A file by two names is one point, and so is a clock written as 8e8 and as 800000000.
    _, distinct = np.unique(np.array(keys), return_index=True)
    missing = np.array([at for at in np.sort(distinct) if keys[at] not in there], np.int64)
    return SweepPlan(
        space=space,
        points=points,
        keys=keys,
        machines=machines,
        machine_of=machine_of,
        missing=missing,
        there=len(distinct) - len(missing),
        baselines=baselines,
        requests=requests,
        request_of=request_of,
        prices=prices,
        prices_of=prices_of,
    )


def plan_for(space: Space, store: str | PathLike[str], retry_failed: bool = False) -> SweepPlan:
    """`plan`, for the file of a store that may not be there yet.

    Raises
    ------
    ValueError, OSError
        As for `plan`.
    """
    if not is_begun(Path(store)):
        return plan(space, None)
    with Store(store) as opened:
        return plan(space, opened, retry_failed)


def _keys(
    points: Points,
    requests: Sequence[str],
    request_of: NDArray[np.int64],
    machines: Sequence[bytes],
    machine_of: NDArray[np.int64],
    baselines: Mapping[str, Baseline],
) -> list[str]:
    """The digest of everything that determines each point, from those of its workload and of its machine."""
    rest_of, first = points.groups(("order", *PRICING))
    rest = []
    for at in first.tolist():
        fields: dict[str, object] = {name: points.value(name, at) for name in ("order", *PRICING)}
        if fields["baseline"] != NO_BASELINE:
            # By its contents: a file that was edited is another baseline, and one that was renamed is not.
            baseline = baselines[str(fields["baseline"])]
            fields["baseline"] = [baseline.device.model_dump(mode="json"), baseline.kind]
        rest.append(_digest(fields))
    version = f"eie-sim sweep 1 {__version__}".encode()
    return [
        sha256(b"\0".join((version, requests[r].encode(), machines[m], rest[p]))).hexdigest()
        for r, m, p in zip(request_of.tolist(), machine_of.tolist(), rest_of.tolist(), strict=True)
    ]


def _digest(fields: Mapping[str, object]) -> bytes:
    return sha256(json.dumps(fields, sort_keys=True, allow_nan=False).encode()).hexdigest().encode()
