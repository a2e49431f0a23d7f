"""What a sweep has to do: the points of a space, the digest that each is known by, and which a store has already."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from os import PathLike
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from compressor._version import __version__
from eie_sim.arch import ArchConfig
from eie_sim.sweep.columns import MACHINE, NO_BASELINE, PRICING
from eie_sim.sweep.evaluate import Baseline, parsed_baseline
from eie_sim.sweep.space import Points, Space, check_alone
from eie_sim.sweep.store import Store, is_begun
from eie_sim.sweep.workloads import WorkloadName


@dataclass
class Plan:
    """The points of a space that a store does not have.

    Attributes
    ----------
    space : Space
    points : Points
    keys : list of str
        Of every point.
    machines : list of ArchConfig or str
        Every machine that occurs, or why there is none.
    machine_of : ndarray of int64
        Which of them each point has.
    missing : ndarray of int64
        Points to compute.
    there : int
    """

    space: Space
    points: Points
    keys: list[str]
    machines: list[ArchConfig | str]
    machine_of: NDArray[np.int64]
    missing: NDArray[np.int64]
    there: int
    baselines: Mapping[str, Baseline] = field(default_factory=dict)
    requests: list[WorkloadName] = field(default_factory=list)
    request_of: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))

    @property
    def distinct(self) -> int:
        """Points that are not another one by a second name."""
        return len(self.missing) + self.there

    def simulations(self) -> int:
        """Runs of a machine that the missing points need."""
        machines = {arch.timed_by: at for at, arch in enumerate(self.machines) if isinstance(arch, ArchConfig)}
        timing = np.array([machines[a.timed_by] if isinstance(a, ArchConfig) else -1 for a in self.machines], np.int64)
        orders, _ = self.points.groups(("order",))
        which = np.stack([self.request_of, orders, timing[self.machine_of]])[:, self.missing]
        return int(np.unique(which[:, which[2] >= 0], axis=1).shape[1])


def plan(space: Space, store: Store | None, retry_failed: bool = False) -> Plan:
    """Find the points of `space`, check them, and leave out those that `store` has.

    Raises
    ------
    ValueError, OSError
        When the space is empty, a value can stand in no machine, or a workload or a baseline is none.
    """
    points = space.points()
    check_alone(points, space.machine)
    baselines = {
        str(name): parsed_baseline(str(name), space.folder) for name in points.values["baseline"] if name != NO_BASELINE
    }
    request_of, first = points.groups(("workload", "fit", "seed"))
    requests = [_request(space, points, int(at)) for at in first]
    for request in {(one.name, one.folder): one for one in requests}.values():
        request.check()
    machine_of, first = points.groups(MACHINE)
    machines = [_machine(points, int(at)) for at in first]
    keys = _keys(points, [one.digest for one in requests], request_of, machines, machine_of, baselines)
    there = store.keys(failed_too=not retry_failed) if store is not None else set()
    _, distinct = np.unique(np.array(keys), return_index=True)
    missing = np.array([at for at in np.sort(distinct) if keys[at] not in there], np.int64)
    there_already = len(distinct) - len(missing)
    return Plan(space, points, keys, machines, machine_of, missing, there_already, baselines, requests, request_of)


def plan_for(space: Space, store: str | PathLike[str], retry_failed: bool = False) -> Plan:
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


def _request(space: Space, points: Points, at: int) -> WorkloadName:
    name, fit, seed = (points.value(column, at) for column in ("workload", "fit", "seed"))
    assert isinstance(seed, int)
    return WorkloadName(str(name), str(space.folder), str(fit), seed, space.acts, space.act_density)


def _machine(points: Points, at: int) -> ArchConfig | str:
    try:
        return ArchConfig.from_dict({name: points.value(name, at) for name in MACHINE})
    except ValueError as error:
        return str(error)


def _keys(
    points: Points,
    contents: Sequence[str],
    request_of: NDArray[np.int64],
    machines: Sequence[ArchConfig | str],
    machine_of: NDArray[np.int64],
    baselines: Mapping[str, Baseline],
) -> list[str]:
    """The digest of everything that determines each point."""
    of_machine = []
    _, first = points.groups(MACHINE)
    for machine, at in zip(machines, first, strict=True):
        valid = isinstance(machine, ArchConfig)
        fields = {n: getattr(machine, n) if valid else points.value(n, int(at)) for n in MACHINE}
        of_machine.append(_digest(fields))
    rest = ("order", *PRICING)
    rest_of, first = points.groups(rest)
    of_rest = [_digest(_told_of(points, rest, int(at), baselines)) for at in first]
    version = f"eie-sim sweep 1 {__version__}".encode()
    return [
        sha256(b"\0".join((version, contents[r].encode(), of_machine[m], of_rest[p]))).hexdigest()
        for r, m, p in zip(request_of.tolist(), machine_of.tolist(), rest_of.tolist(), strict=True)
    ]


def _told_of(points: Points, names: Sequence[str], at: int, baselines: Mapping[str, Baseline]) -> dict[str, object]:
    """Some inputs of a point; of a baseline its contents, not the name of its file."""
    found: dict[str, object] = {name: points.value(name, at) for name in names}
    if found["baseline"] != NO_BASELINE:
        device, kind = baselines[str(found["baseline"])]
        found["baseline"] = [device.model_dump(mode="json"), kind]
    return found


def _digest(fields: Mapping[str, object]) -> bytes:
    return sha256(json.dumps(fields, sort_keys=True, allow_nan=False).encode()).hexdigest().encode()
