"""A Dask cluster of processes on this computer."""

import os
import signal
import time
from contextlib import contextmanager, suppress
from queue import Queue
from threading import Thread

from tests.sweep.tiny import a_process


class Part:
    """A process of the cluster."""

    def __init__(self, *command: str) -> None:
        self.child = a_process("-m", *command)
        self._told: Queue[str] = Queue()
        # Both read to the end, so that it never waits for a reader.
        self._readers = [Thread(target=self._read), Thread(target=self.child.stdout.read)]
        for reader in self._readers:
            reader.start()

    def _read(self) -> None:
        for line in self.child.stderr:
            self._told.put(line)

    def says(self, text: str, seconds: float = 60) -> str:
        """The line of its log that holds `text`, when it comes."""
        end = time.monotonic() + seconds
        while True:
            line = self._told.get(timeout=max(0.01, end - time.monotonic()))
            if text in line:
                return line

    def kill(self) -> None:
        """At once, with all that it started."""
        with suppress(ProcessLookupError):
            os.killpg(self.child.pid, signal.SIGKILL)
        self.child.wait()
        for reader in self._readers:
            reader.join()
        self.child.stdout.close()
        self.child.stderr.close()


class Cluster:
    """A scheduler on a free port of this computer, and workers that nobody starts again."""

    def __init__(self) -> None:
        self.scheduler = Part(
            "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--no-show"
        )
        self.workers: list[Part] = []
        self.address = self.scheduler.says("Scheduler at:").split()[-1]

    def add_worker(self) -> None:
        """Start one more."""
        options = "--no-nanny", "--nthreads", "1", "--no-dashboard", "--host", "127.0.0.1", "--death-timeout", "30"
        self.workers.append(Part("distributed.cli.dask_worker", self.address, *options))

    def close(self) -> None:
        """Kill all of it."""
        for part in [*self.workers, self.scheduler]:
            part.kill()


@contextmanager
def a_cluster(workers: int):
    """A scheduler with its workers, and at the end nothing of them."""
    made = Cluster()
    try:
        for _ in range(workers):
            made.add_worker()
        for worker in made.workers:
            worker.says("Registered to:")
        yield made
    finally:
        made.close()
