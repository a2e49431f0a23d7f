"""How a network is to be compressed: from the options of a command line and a TOML file of the same names."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from compressor.checks import separated
from compressor.cli.per_layer import (
    Pairs,
    Read,
    activation,
    density,
    index_width,
    initialisation,
    number,
    of_layers,
    pairs_of,
    pairs_of_toml,
    weight_width,
    whole,
)
from compressor.coding.streams import encode_stream
from compressor.importers.named_arrays import with_assumed
from compressor.storage.toml_file import read_toml
from compressor.types.coded import CompressedModel
from compressor.types.dense import DenseModel

PRUNING = ("density", "threshold", "quality")
"""Ways to prune; a layer takes one of them."""

DEFAULTS = {"weight_bits": 4, "init": "linear"}
"""Of layers for which nothing else is said: the codes of the EIE machine, and the k-means of Deep Compression."""

_READERS: Mapping[str, Read] = {
    "density": density,
    "threshold": number,
    "quality": number,
    "weight_bits": weight_width,
    "init": initialisation,
    "index_bits": index_width,
    "activation": activation,
}
Network = TypeVar("Network", DenseModel, CompressedModel)

_OTHERS = ("coder", "keep", "take", "seed")


@dataclass(frozen=True)
class Settings:
    """What was asked for.

    Attributes
    ----------
    pairs : mapping of str to sequence of (pattern, value)
        Of those of `PRUNING`, ``weight_bits``, ``init``, ``index_bits`` and ``activation`` that are given.
    coder : tuple of str
        Empty: not given.
    keep, take : tuple of str
    seed : int or None
    """

    pairs: Mapping[str, Pairs] = field(default_factory=dict)
    coder: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    take: tuple[str, ...] = ()
    seed: int | None = None

    @property
    def given(self) -> list[str]:
        """Names of the options that are given."""
        return [*self.pairs, *(name for name in _OTHERS if getattr(self, name) not in ((), None))]

    def refuse(self, why: str, *allowed: str) -> None:
        """Raise a ValueError, which ends with `why`, where another option than those `allowed` is given."""
        for name in self.given:
            if name not in allowed:
                raise ValueError(f"{option_of(name)}: {why}")

    def check_pruning(self) -> None:
        """Raise a ValueError where nothing says how much is to be pruned: there is no good guess."""
        if not any(way in self.pairs for way in PRUNING):
            raise ValueError(
                "--density: must be given, or --threshold or --quality: one value for all layers, such as 0.1, or "
                "name=value pairs; --density 1 keeps every weight that is not zero"
            )

    def check_coder(self) -> None:
        """Raise what is to be said of the coders now, before minutes go into what they are to code."""
        for coder in self.coder:
            encode_stream(np.zeros(1, np.uint8), 1, coder)

    def of_model(self, model: DenseModel) -> dict[str, Any]:
        """The arguments of `compress_model`.

        Raises
        ------
        ValueError
            When a name fits no layer, or a layer has no way to be pruned, or two.
        """
        kinds = {tensor.name: tensor.kind for tensor in model.tensors}
        values = {
            name: of_layers(option_of(name), pairs, kinds) for name, pairs in self.pairs.items() if name != "activation"
        }
        for name in kinds:
            ways = [way for way in PRUNING if name in values.get(way, {})]
            if len(ways) != 1:
                said = f"{' and '.join(map(option_of, ways))} say" if ways else "nothing says"
                one = ", ".join(map(option_of, PRUNING))
                way = next(iter(ways or (way for way in PRUNING if way in self.pairs)))
                cure = "" if ways else f"; {option_of(way)} {_quoted(name)}=X, or X alone for all others, does"
                raise ValueError(f"{said} how {name!r} is to be pruned, but one of {one} must{cure}")
        sharing = {name: dict.fromkeys(kinds, usual) | values.get(name, {}) for name, usual in DEFAULTS.items()}
        return {
            **{way: _short(values[way], kinds) if way in values else None for way in PRUNING},
            **{name: _short(found, kinds) for name, found in sharing.items()},
            "seed": self.seed or 0,
        }

    def with_activations(self, model: Network) -> Network:
        """`model` with the activation functions that were given in place of its own."""
        kinds = {tensor.name: tensor.kind for tensor in model.tensors}
        given = of_layers("--activation", self.pairs.get("activation", ()), kinds)
        functions = [given.get(name, own) for name, own in zip(kinds, model.activations, strict=True)]
        return replace(model, activations=tuple(functions), provenance=with_assumed(model.provenance, given))

    def index_bits(self, kinds: Mapping[str, str]) -> dict[str, Any]:
        """Index width of every layer, for `save_compressed`; "best" of those for which nothing is said."""
        return dict.fromkeys(kinds, "best") | of_layers("--index-bits", self.pairs.get("index_bits", ()), kinds)


def _short(values: Mapping[str, Any], kinds: Mapping[str, str]) -> Any:
    """`values`, or one alone where all layers have the same, which reads better in the provenance."""
    several = set(values.values())
    return several.pop() if len(values) == len(kinds) and len(several) == 1 else values


def _quoted(name: str) -> str:
    """The name of a layer as it is written in a pair."""
    return f'"{name}"' if "," in name else name


def option_of(name: str) -> str:
    """``--weight-bits`` for ``weight_bits``."""
    return f"--{name.replace('_', '-')}"


def settings_of(options: Mapping[str, Any], file: Path | None) -> Settings:
    """The settings of the command line, and where it gives none, those of a TOML file.

    Parameters
    ----------
    options : mapping of str to str, int, sequence of str or None
        By the names of the fields of `Settings` and of its pairs; None: not given.
    file : Path or None

    Raises
    ------
    ValueError
        When a value is none, or the file has an unknown key.
    OSError
        When the file cannot be read.
    """
    of_file = {} if file is None else read_toml(file)
    if unknown := sorted(of_file.keys() - {*_READERS, *_OTHERS}):
        raise ValueError(f"{file}: unknown key {unknown[0]!r}; there are {', '.join((*_READERS, *_OTHERS))}")
    pairs: dict[str, Pairs] = {}
    for name, read in _READERS.items():
        if options.get(name) is not None:
            pairs[name] = pairs_of(option_of(name), options[name], read)
        elif name in of_file:
            pairs[name] = pairs_of_toml(f"{file}: {name}", of_file[name], read)
    others = {name: options[name] if options.get(name) is not None else of_file.get(name) for name in _OTHERS}
    seed = others["seed"]
    return Settings(
        pairs,
        _words("coder", others["coder"]),
        _words("keep", others["keep"]),
        _words("take", others["take"]),
        None if seed is None else whole("--seed", str(seed)),
    )


def _words(name: str, found: Any) -> tuple[str, ...]:
    """Words of an option that may be repeated or have commas in it, or of a list."""
    texts: Sequence[Any] = [found] if isinstance(found, str) else found or ()
    if not isinstance(texts, list | tuple) or not all(isinstance(text, str) for text in texts):
        raise ValueError(f"{option_of(name)}: {found!r}, but it must be a text or a list of texts")
    return tuple(part for text in texts for part in separated(text) if part)
