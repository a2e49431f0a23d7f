"""The clock: every unit samples, then every unit commits.

A cycle has two phases. In the first, half way through the cycle, each unit looks at the *committed* state of the others
and decides; in the second, at the edge that ends the cycle, each makes its decision its committed state. Nothing that
another unit can see changes in the first phase, so the order in which the SimPy processes run, or were created, changes
nothing.

Cycles are numbered from 1; edge ``t`` begins cycle ``t``. A unit is made in the state it has after edge 1.
"""

from collections.abc import Callable, Generator, Iterable

import simpy

HALF_A_CYCLE = 0.5
"""SimPy's time counts cycles: edges fall on whole numbers, samples half way between them."""


class Unit:
    """A part of the machine; subclass it and override what the part does.

    Public attributes are committed state: `sample` never changes them, `commit` changes none but its own. A unit tells
    another what to do by a *command* (a method such as ``ActQueue.push``): called while sampling, obeyed at the edge.
    """

    def sample(self) -> None:
        """Look at the committed state of the units and decide."""

    def commit(self) -> None:
        """At the edge that ends the cycle: make the decision the committed state."""

    @property
    def active(self) -> bool:
        """Whether the unit holds work in this cycle; the layer ends in the first cycle in which none does."""
        return False


class Clock:
    """Drives units through their cycles with two shared SimPy events, one for each phase.

    Attributes
    ----------
    env : simpy.Environment
    cycle : int
        The cycle that is going on; what a unit decides now takes effect at edge ``cycle + 1``.
    """

    def __init__(self) -> None:
        self.env = simpy.Environment(initial_time=1)
        self.cycle = 1
        self._sampling = self.env.event()
        self._committing = self.env.event()

    def run(self, units: Iterable[Unit], finished: Callable[[], bool]) -> int:
        """Run cycles until one begins with `finished()`; that cycle is run as well, and its number returned.

        Parameters
        ----------
        units : iterable of Unit
            A SimPy process is created for each, in this order.
        finished : callable
            Asked once a cycle, before anything is sampled.
        """
        for unit in units:
            self.env.process(self._live(unit))
        self.env.run(self.env.process(self._tick(finished)))
        return self.cycle

    def _live(self, unit: Unit) -> Generator[simpy.Event, None, None]:
        while True:
            yield self._sampling
            unit.sample()
            yield self._committing
            unit.commit()

    def _tick(self, finished: Callable[[], bool]) -> Generator[simpy.Event, None, None]:
        while True:
            last = finished()
            yield self.env.timeout(HALF_A_CYCLE)
            now, self._sampling = self._sampling, self.env.event()
            yield now.succeed()
            yield self.env.timeout(HALF_A_CYCLE)
            now, self._committing = self._committing, self.env.event()
            yield now.succeed()
            if last:
                return
            self.cycle += 1
