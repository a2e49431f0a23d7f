"""The JSON document in the metadata of our containers: what `.eie` and `.dcz` have in common.

A container holds one metadata entry, a JSON document in canonical form (sorted keys, no white space, ASCII), because
the library writes several entries in random order. Its ``sha256`` covers the rest of the document, the table of tensors
and their bytes. It finds damage; it proves no origin, for anybody can compute it, so everything else is checked as if
it were not there.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compressor._version import __version__
from compressor.storage.container import DTYPES, ContainerRules, container_content
from compressor.storage.strict_json import strict_json
from compressor.types.network import Network

_COMMON_KEYS = {"format", "format_version", "package_version", "provenance", "sha256"}

Tensors = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class DocumentKind:
    """What the documents of one kind of file are like.

    Attributes
    ----------
    file : str
        What a message calls the file: ``".eie file"``.
    metadata_key : str
        The container's only metadata entry.
    format : str
        Of the document's ``format``.
    versions : mapping of int to set of str
        The versions of the format, and the keys that only this kind has in each; all of them are needed.
    """

    file: str
    metadata_key: str
    format: str
    versions: Mapping[int, frozenset[str]]

    @property
    def rules(self) -> ContainerRules:
        """What the container may hold: vectors and matrices, each where a compiled kernel can take it."""
        return ContainerRules(self.file, DTYPES, max_dimensions=2, aligned=True)

    def content(self, fields: Mapping[str, Any], provenance: Mapping[str, str], tensors: Tensors) -> bytes:
        """The bytes of a container of `tensors` and of the document with the keys of this kind.

        The version is the first that has these keys, so that a file that needs nothing new stays readable.

        Raises
        ------
        ValueError
            When the header would be longer than is read again.
        """
        document: dict[str, Any] = {
            "format": self.format,
            "format_version": next(version for version, keys in self.versions.items() if keys == fields.keys()),
            "package_version": __version__,
            "provenance": dict(provenance),
            **fields,
        }
        document["sha256"] = _digest(document, tensors)
        return container_content(tensors, {self.metadata_key: _canonical(document)}, "layers and provenance")

    def read(self, metadata: Mapping[str, str]) -> dict[str, Any]:
        """The document, with everything checked but the digest and the keys of this kind.

        Raises
        ------
        ValueError
            When it is something else.
        """
        if metadata.keys() != {self.metadata_key}:
            raise ValueError(f"metadata: keys {sorted(metadata)}, but {self.file}s have {self.metadata_key!r} alone")
        text = metadata[self.metadata_key]
        document = strict_json(self.metadata_key, text)
        if not isinstance(document, dict) or document.get("format") != self.format:
            raise ValueError(f"{self.metadata_key}: must be a JSON object with format {self.format!r}")
        version = document.get("format_version")
        newest = max(self.versions)
        if type(version) is int and version > newest:
            raise ValueError(
                f"format_version: {version}, but eie-sim {__version__} reads up to {newest}: "
                f"a newer version of eie-sim wrote the file"
            )
        if type(version) is not int or version not in self.versions:
            raise ValueError(f"format_version: {version!r}, but it must be 1 to {newest}")
        check_keys("document", document, _COMMON_KEYS | self.versions[version])
        check_text("package_version", document["package_version"])
        check_text("sha256", document["sha256"])
        if not isinstance(document["provenance"], dict):
            raise ValueError("provenance: must map texts to texts")
        for key, value in document["provenance"].items():
            check_text(f"provenance {key!r}", value)
        if text != _canonical(document):
            raise ValueError("document: is not in canonical form (sorted keys, no white space, ASCII)")
        return document


def check_digest(document: Mapping[str, Any], tensors: Tensors) -> None:
    """Check that document and tensors are those for which ``sha256`` was computed.

    Raises
    ------
    ValueError
        When they are not.
    """
    stated = document["sha256"]
    found = _digest({key: value for key, value in document.items() if key != "sha256"}, tensors)
    if found != stated:
        raise ValueError(f"sha256: the file says {stated}, but its content has {found}: it is damaged")


def network_of(found: Any, graph: NDArray[Any] | None) -> Network:
    """The network of a document and of the tensor that holds its ONNX model.

    Raises
    ------
    ValueError
        When they are something else.
    """
    if graph is None or graph.dtype != np.uint8 or graph.ndim != 1:
        raise ValueError("tensor 'graph': must be there as bytes, for the document has a network")
    return Network.of_plain(found, graph.tobytes())


def check_keys(what: str, found: Mapping[str, Any], wanted: set[str] | frozenset[str]) -> None:
    """Check that an object has exactly the keys `wanted`; a ValueError names the first that is unknown or missing."""
    if unknown := sorted(found.keys() - wanted):
        raise ValueError(f"{what}: unknown key {unknown[0]!r}")
    if missing := sorted(wanted - found.keys()):
        raise ValueError(f"{what}: {missing[0]!r} is missing")


def check_text(what: str, found: object) -> None:
    """Check that `found` is a text; a ValueError says what it is."""
    if not isinstance(found, str):
        raise ValueError(f"{what}: {found!r}, but it must be a text")


def _canonical(document: object) -> str:
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def _digest(document: Mapping[str, Any], tensors: Tensors) -> str:
    """SHA-256 of the document, of the names, types and shapes of the tensors, and of their bytes in order of name."""
    in_order = sorted(tensors.items())
    table = [[name, array.dtype.str, list(array.shape)] for name, array in in_order]
    found = hashlib.sha256(f"{_canonical(document)}\n{_canonical(table)}\n".encode())
    for _, array in in_order:
        found.update(np.ascontiguousarray(array).reshape(-1).data)
    return found.hexdigest()
