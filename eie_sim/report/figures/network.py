"""The data of the way of inferences through a network."""

from dataclasses import dataclass

from eie_sim.columns import digits
from eie_sim.network import HostResult, NetworkResult, NodeResult


@dataclass(frozen=True)
class Step:
    """A node of the machine, or what the host does between nodes.

    Attributes
    ----------
    label : str
    on_machine : bool
    time_us : float
        Of an inference, the mean; on the host, measured.
    energy_uj : float or None
        None: on the host, where it is unknown.
    """

    label: str
    on_machine: bool
    time_us: float
    energy_uj: float | None


@dataclass(frozen=True)
class NetworkPath:
    """Steps of a network in the order in which they run.

    Attributes
    ----------
    name : str
    machine : str
    steps : tuple of Step
    inferences : int
    """

    name: str
    machine: str
    steps: tuple[Step, ...]
    inferences: int

    @property
    def finding(self) -> str:
        """What the figure shows, in a line."""
        machine = [step for step in self.steps if step.on_machine]
        time, energy = sum(step.time_us for step in machine), sum(step.energy_uj or 0 for step in machine)
        return f"{self.name}: {digits(time)} µs and {digits(energy)} µJ of the machine an inference"


def network_path(result: NetworkResult, name: str) -> NetworkPath:
    """The data of a figure of a network.

    Parameters
    ----------
    result : NetworkResult
        Of at least one inference.
    name : str
        Of the network.
    """
    count, clock = max(len(result), 1), result.arch.clock_hz
    levels: list[tuple[int, Step]] = []
    parts: list[HostResult | NodeResult] = [*result.host, *result.nodes.values()]
    for one in parts:
        if isinstance(one, HostResult):
            label = f"host: {len(one.nodes)} node{'s' * (len(one.nodes) > 1)}"
            levels.append((one.level, Step(label, False, one.seconds * 1e6 / count, None)))
        else:
            time = one.cycles / clock * 1e6 / count
            levels.append((one.level, Step(one.name, True, time, one.energy_uj / count)))
    # Stable: of a level, what the host does comes before the machine's turn.
    steps = [step for _, step in sorted(levels, key=lambda pair: pair[0])]
    return NetworkPath(name, result.arch.name, tuple(steps), len(result))
