"""Taking `.eie` files apart and putting forged ones together: a second, independent reading of the format."""

import copy
import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from compressor import PackedModel, pack_codes

NUMPY_NAME = {"F32": "<f4", "U32": "<u4", "U8": "|u1"}


def small_model() -> PackedModel:
    """Two layers: one with a bias and permuted rows, one with fillers and more PEs than rows."""
    rng = np.random.default_rng(20160618)
    codes = rng.integers(1, 16, (12, 6)) * (rng.random((12, 6)) < 0.4)
    codebook = np.append(0, rng.normal(size=15))
    first = pack_codes(codes, codebook, 4, 4, rng.integers(0, 16, 12), "fc1", rng.permutation(12))
    sparse = rng.integers(1, 4, (40, 12)) * (rng.random((40, 12)) < 0.06)
    second = pack_codes(sparse, [0, -1, 0.5, 2], 1, 2, name="fc2")
    third = pack_codes(rng.integers(0, 2, (3, 40)), [0, 1], 5, 3, name="fc3 \N{GREEK SMALL LETTER ALPHA}")
    return PackedModel((first, second, third), ("relu", "tanh", "none"), {"source": "drawn", "seed": "20160618"})


@dataclass
class Parts:
    """A file in pieces; the tensors in the order of the data, as [name, dtype, shape, bytes]."""

    document: dict[str, Any]
    tensors: list[list[Any]]
    metadata: dict[str, Any] = field(default_factory=dict)  # further entries beside the document
    header_changes: dict[str, Any] = field(default_factory=dict)  # of entries of the header, last of all

    def copy(self) -> "Parts":
        return copy.deepcopy(self)

    def tensor(self, name: str) -> list[Any]:
        return next(tensor for tensor in self.tensors if tensor[0] == name)

    def set_array(self, name: str, array: np.ndarray, dtype: str | None = None) -> None:
        tensor = self.tensor(name)
        tensor[1] = dtype or tensor[1]
        tensor[2], tensor[3] = list(array.shape), array.astype(NUMPY_NAME[tensor[1]]).tobytes()

    def array(self, name: str) -> np.ndarray:
        _, dtype, shape, content = self.tensor(name)
        return np.frombuffer(content, NUMPY_NAME[dtype]).reshape(shape).copy()

    def header(self) -> dict[str, Any]:
        text = canonical(self.document | {"sha256": self.digest()})
        header: dict[str, Any] = {"__metadata__": {"eie_model": text} | self.metadata}
        at = 0
        for name, dtype, shape, content in self.tensors:
            header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + len(content)]}
            at += len(content)
        return header | self.header_changes

    def digest(self) -> str:
        document = {key: value for key, value in self.document.items() if key != "sha256"}
        in_order = sorted(self.tensors, key=lambda tensor: tensor[0])
        table = [[name, NUMPY_NAME.get(dtype, "?"), shape] for name, dtype, shape, _ in in_order]
        lines = f"{canonical(document)}\n{canonical(table)}\n".encode()
        return hashlib.sha256(lines + b"".join(content for _, _, _, content in in_order)).hexdigest()

    def build(self) -> bytes:
        """The file, with the right digest."""
        return with_header(json.dumps(self.header()).encode(), b"".join(tensor[3] for tensor in self.tensors))


def canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def with_header(header: bytes, data: bytes) -> bytes:
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + data


def header_of(content: bytes) -> dict[str, Any]:
    length = int.from_bytes(content[:8], "little")
    return json.loads(content[8 : 8 + length])


def take_apart(content: bytes) -> Parts:
    header = header_of(content)
    data = content[8 + int.from_bytes(content[:8], "little") :]
    document = json.loads(header.pop("__metadata__")["eie_model"])
    in_order = sorted(header.items(), key=lambda item: item[1]["data_offsets"])
    tensors = [[name, t["dtype"], t["shape"], data[slice(*t["data_offsets"])]] for name, t in in_order]
    return Parts(document, tensors)
