"""Points of a plan as tasks for workers: how many go together, and what becomes of a task whose worker died."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from eie_sim.arch import ArchConfig
from eie_sim.sweep.plan import SweepPlan
from eie_sim.sweep.records import Answer, Point, Task

MOST_POINTS = 2048
"""Points of one task: a worker that is killed loses a second or two."""

MOST_SIMULATIONS = 256
"""Runs of a machine of one task, for the same reason."""

_TASKS_A_WORKER = 8
"""Into how many tasks a small sweep is cut for each worker: all have work until the end, and little is lost when it is
interrupted. Points of one packing are packed once for each task that they are in."""

MOST_ATTEMPTS = 3
"""Workers that one point may kill before it is recorded as failed."""


class Sharing(NamedTuple):
    """What points of one workload can share: a packing where these agree but for `timed_by`, else a simulation.

    Sorted by it, points of one packing stand together, and among them those of one simulation.
    """

    n_pe: int
    index_bits: int
    timed_by: str

    @classmethod
    def of(cls, machine: ArchConfig) -> "Sharing":
        """What points of a machine can share with others."""
        return cls(machine.n_pe, machine.index_bits, repr(machine.timed_by))

    @property
    def packing(self) -> tuple[int, int]:
        """What a layer is packed for."""
        return self.n_pe, self.index_bits


def tasks_of(planned: SweepPlan, workers: int = 1) -> list[Task]:
    """The missing points of a plan as tasks, those of the most points first, so that workers end together."""
    orders, _ = planned.points.groups(("order",))
    groups: dict[tuple[int, int], list[Point]] = {}
    for at in planned.missing.tolist():
        if isinstance(planned.machine(at), ArchConfig):
            groups.setdefault((int(planned.request_of[at]), int(orders[at])), []).append(planned.point(at))
    tasks: list[Task] = []
    # Rounded up, so that a sweep of fewer simulations than tasks has tasks of one.
    most = min(MOST_SIMULATIONS, -(-planned.simulations() // (_TASKS_A_WORKER * workers)))
    # Tasks of one workload stand together, so that a worker makes it once and finds it packed.
    for members in sorted(groups.values(), key=len, reverse=True):
        sharing = {point.number: Sharing.of(point.machine) for point in members}
        members.sort(key=lambda point: (sharing[point.number], point.number))
        request = planned.request(members[0].number)
        order = str(planned.points.value("order", members[0].number))
        parts = cut([sharing[point.number] for point in members], members, most)
        tasks += [Task(request, order, tuple(part), baselines=planned.baselines) for part in parts]
    return tasks


def cut(sharing: Sequence[Sharing], members: Sequence[Point], most: int) -> Iterator[Sequence[Point]]:
    """Sorted points in parts of some simulations each; where packings change, half as many are enough for a part."""
    begin = simulations = 0
    for at, (this, before) in enumerate(zip(sharing, [None, *sharing], strict=False)):
        changed = before is None or this.packing != before.packing
        if at > begin and this != before:
            full = simulations >= most or (changed and 2 * simulations >= most)
            if full:
                yield members[begin:at]
                begin, simulations = at, 0
        if at - begin >= MOST_POINTS:
            yield members[begin:at]
            begin, simulations = at, 0
        simulations += this != before or at == begin
    yield members[begin:]


def again(task: Task) -> tuple[list[Task], list[Answer]]:
    """What to do with a task whose worker died: its halves again, or give up on the one point that is left."""
    if len(task.points) > 1:
        # Halves find the one point that kills in log2 steps, and attempts count only for a point that is alone.
        middle = len(task.points) // 2
        halves = [task.points[:middle], task.points[middle:]]
        return [replace(task, points=half, attempt=0) for half in halves], []
    if task.attempt + 1 < MOST_ATTEMPTS:
        return [replace(task, attempt=task.attempt + 1)], []
    return [], [Answer(task.points[0].number, None, f"its worker died {MOST_ATTEMPTS} times")]
