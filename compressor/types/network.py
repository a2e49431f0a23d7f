"""`Network`: the graph that weights came from, what each weight is used for, and what was left as it is."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, NamedTuple

from compressor.checks import whole_number

PRODUCTS = ("Gemm", "MatMul", "Conv", "ConvTranspose", "LSTM", "GRU", "RNN")
"""ONNX operators whose constant weights are compressed: the machine operators."""

RECURRENT = ("LSTM", "GRU", "RNN")
"""Those of them that run over time."""

CONVOLUTIONS = ("Conv", "ConvTranspose")
"""Those of them that run on the host."""

_MOST_SIZES = 4  # open ones in a line
_MOST = 2**62  # of a count


@dataclass(frozen=True)
class Use:
    """One use of weights by an operator of the graph.

    Attributes
    ----------
    node : str
        Name of the operator for people.
    operator : str
        ONNX operator, one of `PRODUCTS`.
    operand : int
        Input of the operator that holds the weights, from 0; of a recurrent operator W.
    result : str
        Name of its first output in the graph, which identifies the operator.
    tensors : tuple of str
        The tensors it multiplies with: one; of stacked matrices one for each index; of a recurrent operator one for
        each direction, [W R], or W and R apart.
    sizes : tuple of int
        Weights of each tensor, zeros included.
    attributes : mapping of str to int, float, str or list of these
        ONNX attributes, defaults included.
    fed_by : tuple of str
        What computes its inputs: names of operators, or of inputs of the graph.
    feeds : tuple of str
        What takes its results: names of operators, or of outputs of the graph.
    macs : int or None
        Multiply-accumulates of one inference before pruning; None where a size is unknown.
    """

    node: str
    operator: str
    operand: int
    result: str
    tensors: tuple[str, ...]
    sizes: tuple[int, ...]
    attributes: Mapping[str, Any]
    fed_by: tuple[str, ...]
    feeds: tuple[str, ...]
    macs: int | None


@dataclass(frozen=True)
class Kept:
    """An operator or a constant that is not compressed.

    Attributes
    ----------
    name : str
        Of the operator or the constant.
    operator : str
        ONNX operator, or "constant".
    reason : str
    n_weights : int
        Constant numbers it holds.
    macs : int or None
        As for `Use`; 0 of a constant.
    """

    name: str
    operator: str
    reason: str
    n_weights: int
    macs: int | None


@dataclass(frozen=True)
class Network:
    """The graph of a model without the numbers that the model holds itself.

    Attributes
    ----------
    onnx : bytes
        The ONNX model; tensors that a `CompressedModel` holds have a shape and no numbers there.
    uses : tuple of Use
        In the order of the graph.
    kept : tuple of Kept
    between : str
        What stands between the matrices, so that they are not a chain; empty where each matrix takes the output of
        the one before, through its activation function.
    open_sizes : tuple of str
        Sizes of inputs that the graph leaves open, but for the first axis, such as ``"x[1]"``; they count as 1.
    """

    onnx: bytes
    uses: tuple[Use, ...]
    kept: tuple[Kept, ...]
    between: str = ""
    open_sizes: tuple[str, ...] = ()

    def chains(self, names: Sequence[str]) -> bool:
        """Whether the matrices `names`, in this order, take each the activated output of the one before."""
        order = [name for use in self.uses if use.operator not in CONVOLUTIONS for name in use.tensors]
        if self.between or not names or not set(names) <= set(order):
            return False
        first = order.index(names[0])
        return order[first : first + len(names)] == list(names)

    def coverage(self, names: Collection[str]) -> "Coverage":
        """How much of the network the tensors `names` are."""
        sizes = {name: size for use in self.uses for name, size in zip(use.tensors, use.sizes, strict=True)}
        products = [kept for kept in self.kept if kept.operator != "constant"]
        of_uses = [(use.macs, set(use.tensors) <= set(names)) for use in self.uses]
        known = [macs for macs, _ in of_uses] + [kept.macs for kept in products]
        return Coverage(
            products=sum(taken for _, taken in of_uses),
            all_products=len(of_uses) + len(products),
            weights=sum(size for name, size in sizes.items() if name in names),
            all_weights=sum(sizes.values()) + sum(kept.n_weights for kept in self.kept),
            macs=sum(macs or 0 for macs, taken in of_uses if taken),
            all_macs=sum(macs or 0 for macs in known),
            unknown=sum(macs is None for macs in known),
            open_sizes=self.open_sizes,
        )

    def plain(self) -> dict[str, Any]:
        """All but the ONNX model, for JSON."""
        return {
            "uses": [asdict(use) | {"attributes": dict(use.attributes)} for use in self.uses],
            "kept": [asdict(kept) for kept in self.kept],
            "between": self.between,
            "open_sizes": list(self.open_sizes),
        }

    @classmethod
    def of_plain(cls, found: Any, onnx: bytes) -> "Network":
        """The network that `plain` gave `found` of.

        Parameters
        ----------
        found : object
            Parsed JSON.
        onnx : bytes

        Raises
        ------
        ValueError
            If it is something else.
        """
        _check("network", found, {"uses": list, "kept": list, "between": str, "open_sizes": list})
        if not all(isinstance(size, str) for size in found["open_sizes"]):
            raise ValueError("network: open_sizes must be a list of names")
        uses = []
        for number, use in enumerate(found["uses"]):
            _check(f"use {number}", use, _USE)
            for what in ("tensors", "fed_by", "feeds"):
                if not all(isinstance(name, str) for name in use[what]):
                    raise ValueError(f"use {number}: {what} must be a list of names")
            if not use["tensors"]:
                raise ValueError(f"use {number}: tensors must name one at least")
            _check_attributes(number, use["attributes"])
            for size in use["sizes"]:
                whole_number(f"sizes of use {number}", size, 0, _MOST)
            if len(use["sizes"]) != len(use["tensors"]):
                raise ValueError(f"use {number}: {len(use['sizes'])} sizes of {len(use['tensors'])} tensors")
            lists = {what: tuple(use[what]) for what in ("tensors", "sizes", "fed_by", "feeds")}
            uses.append(Use(**{**use, **lists, "macs": _count(f"macs of use {number}", use["macs"])}))
        keeps = []
        for number, kept in enumerate(found["kept"]):
            _check(f"kept {number}", kept, _KEPT)
            macs = _count(f"macs of kept {number}", kept["macs"])
            weights = whole_number(f"n_weights of kept {number}", kept["n_weights"], 0, _MOST)
            keeps.append(Kept(**{**kept, "macs": macs, "n_weights": weights}))
        return cls(onnx, tuple(uses), tuple(keeps), found["between"], tuple(found["open_sizes"]))


class Coverage(NamedTuple):
    """What fraction of a network some of its tensors are.

    Attributes
    ----------
    products, all_products : int
        Operators that multiply.
    weights, all_weights : int
    macs, all_macs : int
        Multiply-accumulates of one inference, where they are known.
    unknown : int
        Operators whose multiply-accumulates are unknown.
    open_sizes : tuple of str
        As of `Network`.
    """

    products: int
    all_products: int
    weights: int
    all_weights: int
    macs: int
    all_macs: int
    unknown: int
    open_sizes: tuple[str, ...] = ()

    def __str__(self) -> str:
        # Without those of some products there is no fraction of all.
        macs = f"{percentage(self.macs, self.all_macs)} of the multiply-accumulates"
        if self.unknown:
            macs = f"multiply-accumulates unknown for {self.unknown} of {self.all_products} products"
        elif self.open_sizes:
            macs += f" (with 1 for the open sizes {', '.join(self.open_sizes[:_MOST_SIZES])})"
        return (
            f"{self.products} of {self.all_products} products, "
            f"{percentage(self.weights, self.all_weights)} of the weights, {macs}"
        )


def percentage(part: int, whole: int) -> str:
    """``part / whole`` in percent; it reads 0 % or 100 % only where it is exactly that."""
    if part == 0 or part == whole:
        return "100 %" if part else "0 %"
    value = 100 * part / whole
    nearest = min(value, 100 - value)
    digits = 1 if nearest >= 1 else next(digits for digits in range(2, 21) if 10**-digits <= nearest or digits == 20)
    return f"{value:.{digits}f} %"


_USE = {field.name: (str, list, dict, int, type(None)) for field in fields(Use)} | {
    **dict.fromkeys(("node", "operator", "result"), str),
    **dict.fromkeys(("tensors", "sizes", "fed_by", "feeds"), list),
    "attributes": dict,
    "operand": int,
}
_KEPT: Mapping[str, Any] = {
    **dict.fromkeys(("name", "operator", "reason"), str),
    "n_weights": int,
    "macs": (int, type(None)),
}


def _check(what: str, found: Any, kinds: Mapping[str, Any]) -> None:
    if not isinstance(found, dict) or found.keys() != kinds.keys():
        raise ValueError(f"{what}: must be an object of {', '.join(kinds)}")
    for key, kind in kinds.items():
        if not isinstance(found[key], kind):
            raise ValueError(f"{what}: {key} is {found[key]!r:.100}")


def _check_attributes(number: int, attributes: dict[str, Any]) -> None:
    """Check attributes of a use as far as they are read: numbers, strings, and lists of them."""
    for name, value in attributes.items():
        of_integers = name in ("strides", "dilations", "pads", "kernel_shape")
        items = value if isinstance(value, list) else [value]
        fits = isinstance(value, list) or not of_integers
        kinds: Any = int if of_integers else (int, float, str)
        if not fits or not all(isinstance(item, kinds) for item in items):
            raise ValueError(f"use {number}: attribute {name!r} is {value!r:.100}")


def _count(what: str, found: Any) -> int | None:
    return None if found is None else whole_number(what, found, 0, _MOST)
