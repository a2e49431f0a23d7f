"""Wall-clock samples that nothing disturbed: a sample counts when the system took no core away meanwhile.

*Hot*: one function again and again; what of its data fits the caches is there. *Cold*: before every round a large block
of memory goes through the caches, then every function runs once, on data of its own.
"""

import gc
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

Clock = Callable[[], float]
Switches = Callable[[], int | None]

WARM_UP_CALLS = 2

SETTLE_S = 0.04
"""Pause before a call where libraries run threads of their own: those of the call before spin that long."""


def involuntary_switches() -> int | None:
    """How often this process, with all its threads, had to give up a core to another; None where nobody counts it."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw


@dataclass
class Samples:
    """Samples of one function.

    Attributes
    ----------
    kept_s : list of float
        Seconds of the quiet ones; all of them where switches are not counted.
    thrown_away : int
        How many were not quiet.
    """

    kept_s: list[float] = field(default_factory=list)
    thrown_away: int = 0


@dataclass(frozen=True)
class Sampler:
    """Takes samples until there are enough quiet ones, or the time is up.

    Parameters
    ----------
    wanted : int
        Quiet samples of each function.
    limit_s : float
        Seconds that may go into one function; one sample is always taken.
    clock, switches, pause : functions
        Stand-ins are for tests.
    """

    wanted: int
    limit_s: float
    clock: Clock = time.perf_counter
    switches: Switches = involuntary_switches
    pause: Callable[[float], object] = time.sleep

    def hot(self, call: Callable[[], object]) -> Samples:
        """Samples of `call`, called again and again."""
        samples = Samples()
        with _no_collections():
            for _ in range(WARM_UP_CALLS):
                call()
            end = self.clock() + self.limit_s
            while True:
                self._sample(call, samples)  # before the clock is asked: one sample is always taken
                if self._is_enough(samples) or self.clock() >= end:
                    return samples

    def cold(
        self, calls: Mapping[str, Callable[[], object]], flush: Callable[[], object], settle_s: float = 0.0
    ) -> dict[str, Samples]:
        """Samples of several functions in turn, `flush` before every round.

        Parameters
        ----------
        calls : mapping of str to function
            Each with data of its own: after one flush each runs once.
        flush : function
            Empties the caches.
        settle_s : float
            Pause before each call.
        """
        found = {name: Samples() for name in calls}
        with _no_collections():
            end = self.clock() + self.limit_s * len(calls)
            while True:
                flush()
                for name, samples in found.items():
                    if not self._is_enough(samples):
                        if settle_s:
                            self.pause(settle_s)
                        self._sample(calls[name], samples)
                if all(map(self._is_enough, found.values())) or self.clock() >= end:
                    return found

    def _is_enough(self, samples: Samples) -> bool:
        return len(samples.kept_s) >= self.wanted

    def _sample(self, call: Callable[[], object], samples: Samples) -> None:
        before = self.switches()
        began = self.clock()
        call()
        seconds = self.clock() - began
        if self.switches() == before:
            samples.kept_s.append(seconds)
        else:
            samples.thrown_away += 1


@contextmanager
def _no_collections() -> Iterator[None]:
    """No garbage collection in the block: it would fall into some sample."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
