"""Points of a plan as tasks for workers: how many go together, and what becomes of a task whose worker died."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from eie_sim.arch import ArchConfig
from eie_sim.sweep.columns import PRICING
from eie_sim.sweep.evaluate import Answer, Priced, Task
from eie_sim.sweep.plan import Plan
from eie_sim.sweep.space import Points

MOST_POINTS = 2048
"""Points of one task: a worker that is killed loses a second or two."""

MOST_SIMULATIONS = 256
"""Runs of a machine of one task, for the same reason."""

_TASKS_A_WORKER = 8
"""Into how many tasks a small sweep is cut for each worker: all have work until the end, and little is lost when it is
interrupted. Points of one packing are packed once for each task that they are in."""

MOST_ATTEMPTS = 3
"""Workers that one point may kill before it is recorded as failed."""


def tasks_of(planned: Plan, workers: int = 1) -> list[Task]:
    """The missing points of a plan as tasks, those of the most points first, so that workers end together."""
    points = planned.points
    order_of, _ = points.groups(("order",))
    priced_of, first = points.groups(tuple(PRICING))
    priced = [_priced(points, int(at)) for at in first]
    groups: dict[tuple[int, int], list[int]] = {}
    for at in planned.missing.tolist():
        if isinstance(planned.machines[planned.machine_of[at]], ArchConfig):
            groups.setdefault((int(planned.request_of[at]), int(order_of[at])), []).append(at)
    tasks = []
    most = min(MOST_SIMULATIONS, -(-planned.simulations() // (_TASKS_A_WORKER * workers)))
    # Tasks of one workload stand together, so that a worker makes it once and finds it packed.
    for (request, _), members in sorted(groups.items(), key=lambda group: -len(group[1])):
        # Points of one packing stand together, and in it those of one simulation.
        machines = {at: planned.machines[planned.machine_of[at]] for at in members}
        members.sort(key=lambda at: (packing_of(machines[at]), at))
        order = str(points.value("order", members[0]))
        for part in cut([packing_of(machines[at]) for at in members], members, most):
            task_points = tuple((at, machines[at], priced[priced_of[at]]) for at in part)
            tasks.append(Task(planned.requests[request], order, task_points, baselines=planned.baselines))
    return tasks


def cut(sorts: Sequence[tuple[int, int, str]], members: Sequence[int], most: int) -> Iterator[Sequence[int]]:
    """Sorted points in parts of some simulations each; where packings change, half as many are enough for a part."""
    begin = simulations = 0
    for at, (sort, before) in enumerate(zip(sorts, [None, *sorts], strict=False)):
        changed = before is None or sort[:2] != before[:2]
        if at > begin and sort != before:
            full = simulations >= most or (changed and 2 * simulations >= most)
            if full:
                yield members[begin:at]
                begin, simulations = at, 0
        if at - begin >= MOST_POINTS:
            yield members[begin:at]
            begin, simulations = at, 0
        simulations += sort != before or at == begin
    yield members[begin:]


def packing_of(machine: ArchConfig | str) -> tuple[int, int, str]:
    """What a layer is packed for, and what decides its cycles then."""
    assert isinstance(machine, ArchConfig)
    return machine.n_pe, machine.index_bits, repr(machine.timed_by)


def _priced(points: Points, at: int) -> Priced:
    calibration, rule, baseline, batch = (points.value(name, at) for name in PRICING)
    assert isinstance(batch, int)
    return str(calibration), str(rule), str(baseline), batch


def again(task: Task) -> tuple[list[Task], list[Answer]]:
    """What to do with a task whose worker died: its halves again, or give up on the one point that is left."""
    if len(task.points) > 1:
        middle = len(task.points) // 2
        halves = [task.points[:middle], task.points[middle:]]
        return [replace(task, points=half, attempt=0) for half in halves], []
    if task.attempt + 1 < MOST_ATTEMPTS:
        return [replace(task, attempt=task.attempt + 1)], []
    (number, _, _) = task.points[0]
    return [], [Answer(number, None, f"its worker died {MOST_ATTEMPTS} times", 0.0)]
