"""`Origin`: where a layer and its inputs come from, as data; its text is for people."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Origin:
    """Where a layer and its inputs come from.

    Attributes
    ----------
    kind : str
        What the weights are: ``"calibrated"`` or ``"random"`` (both sampled), ``"file"``, ``"topology"`` (sampled, with
        the shapes of a file), ``"eie-simulator"`` (a data folder), ``"packaged"`` (a network of this package),
        ``"given"``.
    name : str
        Of the file, the folder or the network; what a caller says where the layer is given.
    line : int or None
        Line of a topology.
    fit : str or None
        Of a calibrated layer; see `eie_sim.networks.FITS`.
    statistics : str
        Of a random layer.
    seed : int or None
        Of everything sampled.
    inputs : str
        ``""`` where the inputs come with the weights; ``"drawn"`` from the seed; ``"file"``; ``"given"`` as an array.
    inputs_name : str
        Of the file of inputs.
    act_density : float or None
        Fraction of drawn inputs that are active.
    repacked_from : (int, int) or None
        ``n_pe`` and ``index_bits`` the layer was packed for, where it was packed anew for the machine.
    """

    kind: str
    name: str = ""
    line: int | None = None
    fit: str | None = None
    statistics: str = ""
    seed: int | None = None
    inputs: str = ""
    inputs_name: str = ""
    act_density: float | None = None
    repacked_from: tuple[int, int] | None = None

    def __str__(self) -> str:
        return "; ".join(filter(None, (self._weights(), self.inputs_text)))

    def _weights(self) -> str:
        random = f"random, {self.statistics}, seed {self.seed}"
        return {
            "calibrated": f"calibrated to the figures of the EIE paper, fit {self.fit}, seed {self.seed}",
            "random": random,
            "topology": f"{self.name}, line {self.line}; {random}",
            "eie-simulator": f"EIE simulator folder {self.name}",
        }.get(self.kind, self.name)

    @property
    def inputs_text(self) -> str:
        """Where the inputs come from, in words; empty where they come with the weights."""
        if self.inputs == "drawn":
            return f"inputs drawn with seed {self.seed}, {active(self.act_density)}"
        if self.inputs == "file":
            return f"inputs from {self.inputs_name}"
        return "inputs given" if self.inputs == "given" else ""

    def plain(self) -> dict[str, Any]:
        """Its fields for JSON, those at their defaults left out."""
        empty = Origin("")
        return {name: value for name, value in asdict(self).items() if value != getattr(empty, name)}

    @classmethod
    def of_plain(cls, fields: Mapping[str, Any]) -> "Origin":
        """The origin that `plain` gave these fields of.

        Raises
        ------
        ValueError
            If a field is unknown or of another type.
        """
        for name, value in fields.items():
            kinds = _KINDS.get(name)
            if kinds is None or not isinstance(value, kinds) or isinstance(value, bool):
                raise ValueError(f"{name}: {value!r} is not a field of an origin")
        density = fields.get("act_density")
        if density is not None and not 0 <= density <= 1:
            raise ValueError(f"act_density: {density!r}, but it must be 0 .. 1")
        pair = fields.get("repacked_from")
        if pair is not None and [type(number) for number in pair] != [int, int]:
            raise ValueError(f"repacked_from: {pair!r}, but it must be n_pe and index_bits")
        return cls(**{"kind": "", **fields, "repacked_from": None if pair is None else (pair[0], pair[1])})


_KINDS: Mapping[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("kind", "name", "fit", "statistics", "inputs", "inputs_name"), str),
    **dict.fromkeys(("line", "seed"), int),
    "act_density": (int, float),
    "repacked_from": (list, tuple),
}


def active(density: float | None) -> str:
    """A density of inputs in words."""
    return "all active" if density in (None, 1) else f"{100 * float(density or 0):g} % active"
