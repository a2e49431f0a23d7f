"""Tasks whose results are kept: what was done is read, what is left is done with one bar and an estimate."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from compressor.storage.files import replacing

Result: TypeAlias = dict[str, Any]
"""Numbers and texts, as JSON has them."""

Tell: TypeAlias = Callable[[int, int, str], object]
"""Called with what is done of a task, of how much (0: not known), and a text."""

_SPEED_OVER_S = 300.0
"""Time remaining is estimated from this much of the past."""

_DIGITS = 10  # of a fingerprint in the name of a file


@dataclass(frozen=True)
class Task:
    """Something to compute.

    Parameters
    ----------
    key : str
        Its name among the tasks.
    cost : float
        How long it takes, in any unit that all tasks share.
    compute : function of a `Tell`
    """

    key: str
    cost: float
    compute: Callable[[Tell], Result]


class Kept:
    """Results in one JSON file, written anew after each task.

    Parameters
    ----------
    folder : Path
    name : str
    settings
        Whatever the results depend on, as JSON has it: other settings are another file.
    """

    def __init__(self, folder: Path, name: str, settings: object) -> None:
        digits = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:_DIGITS]
        self.stem = folder / f"{name}-{digits}"
        self._path = self.stem.with_suffix(".json")
        self.results: dict[str, Result] = json.loads(self._path.read_text("utf-8")) if self._path.exists() else {}

    def put(self, key: str, result: Result) -> None:
        """Keep one result."""
        self.results[key] = result
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(self._path) as file:
            file.write(json.dumps(self.results, indent=1).encode())


def run_tasks(tasks: Sequence[Task], kept: Kept) -> dict[str, Result]:
    """The results of all tasks by their keys, in the order of `tasks`."""
    left = [task for task in tasks if task.key not in kept.results]
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    times = (TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, *times, console=Console(stderr=True), speed_estimate_period=_SPEED_OVER_S) as shown:
        bar = shown.add_task("", total=sum(task.cost for task in left), visible=bool(left))
        before = 0.0
        for task in left:

            def tell(done: int, total: int, text: str, task: Task = task, before: float = before) -> None:
                part = task.cost * done / total if total else 0.0
                shown.update(bar, completed=before + part, description=f"{task.key}: {text}" if text else task.key)

            tell(0, 1, "")
            kept.put(task.key, task.compute(tell))
            before += task.cost
        shown.update(bar, completed=before)
    return {task.key: kept.results[task.key] for task in tasks}
