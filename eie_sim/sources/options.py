"""The options of `load`, and errors about them that whoever shows them can put in the user's words."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from numpy.typing import ArrayLike

from compressor.checks import separated
from eie_sim.networks import DEFAULT_FIT

ALL_VECTORS = 2**62
"""``max_vectors`` that leaves none out, and so means something everywhere."""


class Cure(NamedTuple):
    """What helps: an option, or ``field=value`` of the machine, and what it does."""

    option: str
    does: str


class OptionError(ValueError):
    """An option of `load` that cannot be taken.

    Attributes
    ----------
    option, problem : str
    cure : Cure or None
    """

    def __init__(self, option: str, problem: str, cure: Cure | None = None) -> None:
        super().__init__(f"{option}: {problem}" if cure is None else f"{option}: {problem}; {' '.join(cure)}")
        self.option, self.problem, self.cure = option, problem, cure


class PackingError(ValueError):
    """A layer that cannot run on the machine as it is packed.

    Attributes
    ----------
    problem : str
    cure : Cure
    """

    def __init__(self, problem: str, cure: Cure) -> None:
        super().__init__(f"{problem} ({' '.join(cure)})")
        self.problem, self.cure = problem, cure


@dataclass(frozen=True)
class LoadOptions:
    """The options of `load`; None if not given. See there."""

    layers: str | Sequence[str] | None = None
    chain: str | Sequence[str] | Literal[False] | None = None
    acts: Path | ArrayLike | None = None
    act_density: float | None = None
    weight_density: float | None = None
    seed: int = 0
    fit: str | None = None
    rows: int | None = None
    name: str | None = None
    n_vectors: int | None = None
    max_vectors: int | None = None

    @property
    def density_of_inputs(self) -> float:
        """Fraction of drawn inputs that are active."""
        return 1.0 if self.act_density is None else self.act_density

    @property
    def known_fit(self) -> str:
        """`fit`, or the default."""
        return self.fit or DEFAULT_FIT

    def refuse_all_but(self, takes: frozenset[str], where: str) -> None:
        """Refuse options that would do nothing.

        Raises
        ------
        OptionError
            If one is given that is not in `takes`.
        """
        names = ["rows", "name", "layers", "chain", "acts", "act_density", "weight_density", "fit", "n_vectors"]
        for option in names if self.max_vectors == ALL_VECTORS else [*names, "max_vectors"]:
            given = getattr(self, option)
            if option not in takes and given is not None and given is not False:
                raise OptionError(option, f"means nothing {where}")

    def picked(self, names: Sequence[str]) -> list[str]:
        """The names that `layers` picks, in the order of `names`, or `chain` in its own; all of them without.

        Raises
        ------
        OptionError
            If one is unknown, or none is named.
        """
        if self.chain_names is not None:
            if self.layers is not None:
                raise OptionError("layers", "picks layers that run alone", Cure("chain", "names the layers of a chain"))
            return self._known("chain", self.chain_names, names)
        if self.layers is None:
            return list(names)
        wanted = self._known("layers", _names_in(self.layers), names)
        return [name for name in names if name in wanted]

    @property
    def chain_names(self) -> list[str] | None:
        """The layers of the chain that the caller names, in their order; None where none is named."""
        return None if self.chain is None or self.chain is False else _names_in(self.chain)

    @staticmethod
    def _known(option: str, wanted: list[str], names: Sequence[str]) -> list[str]:
        unknown = [name for name in wanted if name not in names]
        if unknown or not wanted:
            raise OptionError(option, f"{', '.join(unknown)!r}, but the layers are {', '.join(names)}")
        if len(set(wanted)) != len(wanted):
            raise OptionError(option, f"{', '.join(wanted)!r} names a layer twice")
        return wanted


def _names_in(given: str | Sequence[str]) -> list[str]:
    """Names in a string, separated by commas, or as they are: they may have commas and spaces in them."""
    return [name for name in separated(given) if name] if isinstance(given, str) else list(given)
