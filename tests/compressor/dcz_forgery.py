"""Taking `.dcz` files apart and putting forged ones together: a second, independent reading of the format."""

import json
from typing import Any

import numpy as np
from eie_forgery import Parts, header_of

from compressor import CodedTensor, CompressedModel


def drawn(name, shape, weight_bits, density, seed, kind="linear", bias=True, gates=()) -> CodedTensor:
    """A tensor with codes of a bell's frequencies, as k-means gives them."""
    rng = np.random.default_rng(seed)
    n_cells, n_codes = int(np.prod(shape)), 2**weight_bits
    book = np.append(0, rng.normal(size=n_codes - 1))
    codes = 1 + rng.binomial(n_codes - 2, 0.5, n_cells) if n_codes > 2 else np.ones(n_cells)
    codes = (codes * (rng.random(n_cells) < density)).astype(np.uint8)
    return CodedTensor(name, shape, kind, book, codes, rng.normal(size=shape[0]) if bias else None, gates)


def small_model() -> CompressedModel:
    """Every kind of layer, dense and sparse and empty, and parameters that are not compressed."""
    tensors = (
        drawn("conv1", (6, 3, 3, 3), 8, 0.95, 1, "conv"),
        drawn("lstm", (16, 10), 4, 0.1, 2, "lstm", gates=("i", "f", "g", "o")),
        drawn("fc \N{GREEK SMALL LETTER ALPHA}", (20, 30), 5, 0.03, 3, bias=False),
        drawn("empty", (3, 4), 2, 0.0, 4),
        drawn("signs", (2, 9), 1, 0.5, 5),
    )
    others = {"norm.weight": [1.5, -0.0, 3], "norm.steps": 7, "nothing": np.zeros((0, 3)), "embedding": np.eye(3)}
    return CompressedModel(tensors, ("relu", "tanh", "relu", "none", "sigmoid"), {"source": "drawn"}, others)


class DczParts(Parts):
    """A `.dcz` file in pieces."""

    def header(self) -> dict[str, Any]:
        header = super().header()
        if "__metadata__" in header and "eie_model" in header["__metadata__"]:
            header["__metadata__"]["dcz_model"] = header["__metadata__"].pop("eie_model")
        return header

    @property
    def layers(self) -> dict[str, list[Any]]:
        return self.document["layers"]

    def set_layer(self, number: int, **values: Any) -> None:
        """Change values of one layer; a column of one value for all becomes one of many."""
        n_layers = len(self.layers["name"])
        for column, value in values.items():
            old = self.layers[column]
            new = list(old) if len(old) == n_layers else old * n_layers
            new[number] = value
            self.layers[column] = new[:1] if all(item == new[0] for item in new) else new


def take_apart(content: bytes) -> DczParts:
    header = header_of(content)
    data = content[8 + int.from_bytes(content[:8], "little") :]
    document = json.loads(header.pop("__metadata__")["dcz_model"])
    in_order = sorted(header.items(), key=lambda item: item[1]["data_offsets"])
    tensors = [[name, t["dtype"], t["shape"], data[slice(*t["data_offsets"])]] for name, t in in_order]
    return DczParts(document, tensors)
