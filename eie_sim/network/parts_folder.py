"""A folder with the parts of a run that are done, so that a run that was killed goes on where it was.

``run.json`` says what it is a run of: digests of the plan and of the inputs. Each part is an ``.npz`` of its own with
the numbers of its samples, written beside its place and renamed, so that it is whole or not there.
"""

import hashlib
import json
import re
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from compressor._version import __version__
from compressor.samples import Samples
from compressor.storage.files import errors_name, replacing
from eie_sim.network.plan import NetworkPlan
from eie_sim.network.result import NetworkResult
from eie_sim.text_formats import JsonKind

Arrays = dict[str, NDArray[Any]]

_KIND = JsonKind("run of a network", "eie-sim-network-run", version=1, most_bytes=2**24)
_RUN = "run.json"
_NAME = re.compile(r"samples_(\d+)_to_(\d+)\.npz")

_ANOTHER = {
    "version": "eie-sim {0}, not {1}",
    "plan": "another network, machine or lowering",
    "samples": "{0} samples, not {1}",
    "inputs": "other inputs",
    "engine": "the engine {0!r}, not {1!r}",
}
"""What decides the numbers of a run, and how a run that differs in it is called."""


class PartsFolder:
    """The parts of one run that are in a folder.

    Parameters
    ----------
    path : str or path
        New, empty, or of a run of the same plan on the same inputs.
    plan : NetworkPlan
    samples : Samples
        All that are run.
    engine : str
    others : iterable of object
        What else decides the numbers of the run.

    Attributes
    ----------
    frac_bits : dict of str to int, or None
        Those of the run that began it.

    Raises
    ------
    ValueError
        If the folder has something else, or an output of the network cannot be written.
    OSError
        If it cannot be read or written.
    """

    def __init__(
        self, path: str | PathLike[str], plan: NetworkPlan, samples: Samples, engine: str, others: Iterable[object]
    ) -> None:
        self._path = Path(path)
        for end in plan.outputs:
            if end.dtype.kind in "OV":
                raise ValueError(f"out: output {end.name!r} is of a type that .npz files do not hold; leave out `out`")
        self._about: dict[str, Any] = {
            "version": __version__,
            "plan": digest_of(replace(plan, frac_bits=None)),
            "samples": len(samples),
            "inputs": digest_of([samples.contents(), *others]),
            "engine": engine,
        }
        self.frac_bits: dict[str, int] | None = None
        self._path.mkdir(parents=True, exist_ok=True)
        self._is_new = not (self._path / _RUN).exists()
        if not self._is_new:
            self._check()
        elif any(not one.name.startswith(".") for one in self._path.iterdir()):
            raise ValueError(f"{self._path}: is neither empty nor a run of this network; name another folder")

    def _check(self) -> None:
        with errors_name(self._path / _RUN):
            found = _KIND.read(self._path / _RUN)
        for name, value in self._about.items():
            if found.get(name) != value:
                what = _ANOTHER[name].format(found.get(name), value)
                raise ValueError(f"{self._path}: holds a run of {what}; name another folder")
        self.frac_bits = found.get("frac_bits")

    def begin(self, frac_bits: Mapping[str, int] | None) -> None:
        """Write what the folder is a run of, if it is new.

        Raises
        ------
        ValueError
            If it is a run with other fraction bits.
        OSError
            If it cannot be written.
        """
        bits = None if frac_bits is None else dict(frac_bits)
        if not self._is_new and bits != self.frac_bits:
            raise ValueError(f"{self._path}: holds a run with other fraction bits; name another folder")
        self._about["frac_bits"] = bits
        self._run = digest_of(self._about)
        if self._is_new:
            with replacing(self._path / _RUN) as file:
                file.write((json.dumps({**_KIND.head, **self._about}, indent=1) + "\n").encode())

    def add(self, first: int, result: NetworkResult) -> None:
        """Write a part.

        Parameters
        ----------
        first : int
            Number of its first sample.
        result : NetworkResult

        Raises
        ------
        OSError
            If it cannot be written; then nothing of it is there.
        """
        arrays = _arrays_of(result)
        path = self._path / f"samples_{first:08}_to_{first + len(result) - 1:08}.npz"
        with replacing(path) as file:
            save: Any = np.savez_compressed
            save(file, sha256=np.array(self._checksum(path, arrays)), **arrays)

    def parts(self, template: NetworkResult) -> dict[range, NetworkResult]:
        """The parts that are there, by the numbers of their samples, in order, none of which overlap.

        Parameters
        ----------
        template : NetworkResult
            Of the same plan, of no sample.

        Raises
        ------
        ValueError
            If one is damaged.
        OSError
            If one cannot be read.
        """
        found: dict[range, NetworkResult] = {}
        done = 0
        matches = [(match, path) for path in sorted(self._path.iterdir()) if (match := _NAME.fullmatch(path.name))]
        for match, path in matches:
            numbers = range(int(match[1]), int(match[2]) + 1)
            if numbers.start >= done and len(numbers):
                found[numbers] = self._read(path, template)
                done = numbers.stop
        return found

    def _read(self, path: Path, template: NetworkResult) -> NetworkResult:
        try:
            with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
                arrays: Arrays = dict(file)
            checksum = str(arrays.pop("sha256"))
        except (ValueError, KeyError, EOFError, zipfile.BadZipFile):
            checksum = ""
        if checksum != self._checksum(path, arrays if checksum else {}):
            raise ValueError(f"{path}: is damaged; remove it, and its samples will run again")
        return _result_of(arrays, template)

    def _checksum(self, path: Path, arrays: Arrays) -> str:
        return digest_of([self._run, path.name, arrays])


# Results as arrays ----------------------------------------------------------------------------------------------------


def _arrays_of(result: NetworkResult) -> Arrays:
    arrays = {f"output{number}": np.asarray(array) for number, array in enumerate(result.outputs.values())}
    arrays["seconds"] = np.array([segment.seconds for segment in result.host])
    for number, node in enumerate(result.nodes.values()):
        arrays |= _numbers(node, f"node{number}.")
    return arrays


def _result_of(arrays: Arrays, template: NetworkResult) -> NetworkResult:
    nodes = {
        name: _with_numbers(node, f"node{number}.", arrays)
        for number, (name, node) in enumerate(template.nodes.items())
    }
    host = tuple(
        replace(one, seconds=seconds) for one, seconds in zip(template.host, arrays["seconds"].tolist(), strict=True)
    )
    outputs = {name: arrays[f"output{number}"] for number, name in enumerate(template.axes)}
    return replace(template, outputs=outputs, nodes=nodes, host=host)


def _numbers(value: Any, prefix: str) -> Arrays:
    """The numbers of a dataclass, and of those in it, by the way to them."""
    found: Arrays = {}
    for one in fields(value):
        own = getattr(value, one.name)
        if is_dataclass(own):
            found |= _numbers(own, f"{prefix}{one.name}.")
        elif isinstance(own, (np.ndarray, int, float)):
            found[f"{prefix}{one.name}"] = np.asarray(own)
    return found


def _with_numbers(template: Any, prefix: str, arrays: Arrays) -> Any:
    """A dataclass with other numbers."""
    changes: dict[str, Any] = {}
    for one in fields(template):
        own = getattr(template, one.name)
        if is_dataclass(own):
            changes[one.name] = _with_numbers(own, f"{prefix}{one.name}.", arrays)
        elif isinstance(own, np.ndarray):
            changes[one.name] = arrays[f"{prefix}{one.name}"]
        elif isinstance(own, (int, float)):
            changes[one.name] = arrays[f"{prefix}{one.name}"].item()
    return replace(template, **changes)


# Digests --------------------------------------------------------------------------------------------------------------


def digest_of(value: object) -> str:
    """SHA-256 of arrays, numbers and strings, and of mappings, sequences and dataclasses of them.

    Neither the order of a mapping nor fields whose names begin with an underscore are part of it.
    """
    digest = hashlib.sha256()
    _feed(digest, value)
    return digest.hexdigest()


def _feed(digest: "hashlib._Hash", value: Any) -> None:
    if isinstance(value, np.ndarray):
        own = value.tolist() if value.dtype.kind == "O" else value.tobytes()
        _feed(digest, [value.dtype.str, value.shape, own])
    elif isinstance(value, BaseModel):
        _feed(digest, value.model_dump())
    elif isinstance(value, Mapping):
        _feed(digest, sorted(value.items(), key=lambda item: str(item[0])))
    elif is_dataclass(value):
        _feed(digest, {one.name: getattr(value, one.name) for one in fields(value) if not one.name.startswith("_")})
    elif isinstance(value, (list, tuple)):
        digest.update(b"%d values " % len(value))
        for one in value:
            _feed(digest, one)
    else:
        own = value if isinstance(value, bytes) else repr(value).encode()
        digest.update(b"%s of %d: " % (type(value).__name__.encode(), len(own)) + own)
