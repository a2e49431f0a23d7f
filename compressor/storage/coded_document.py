"""What the document of a `.dcz` file says of each layer, and how it is checked; the format is in `coded_file`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from math import prod
from typing import Any, TypeAlias

from compressor.checks import whole_number
from compressor.coding.streams import CODERS
from compressor.coding.tensor_streams import TensorStreams
from compressor.storage.document import check_keys, check_text
from compressor.types.coded import CodedTensor
from compressor.types.dense import KINDS
from compressor.types.model_checks import ACTIVATION_FUNCTIONS
from compressor.types.packed_format import MAX_INDEX_BITS, MAX_SIZE, MAX_WEIGHT_BITS, MIN_INDEX_BITS, MIN_WEIGHT_BITS

MAX_LAYERS = 1024
"""Most layers of a file: a forged header of 2 MiB must not hold a hundred thousand, each with code tables to read."""

_MAX_DIMENSIONS = 32  # what every NumPy can have
_MAX_ELEMENTS = 2**60  # of a product of sizes; NumPy counts bytes in 63 bits


@dataclass(frozen=True)
class LayerRecord:
    """One layer of a document; every value is in its limits, and they agree with one another.

    Attributes
    ----------
    name, kind, shape, gates, activation
        As in `CodedTensor` and `CompressedModel`.
    biased : bool
        Whether there is a bias.
    weight_bits : int
    index_bits : int or None
        None in dense mode, where there are no runs.
    entries : int
        Symbols of the codes' stream, and of the runs' where there is one.
    code_coder, code_table_bytes, code_bytes
        Of the codes' stream.
    run_coder, run_table_bytes, run_bytes
        Of the runs' stream; None, 0 and 0 in dense mode.
    """

    name: str
    kind: str
    shape: Sequence[int]
    gates: Sequence[str]
    activation: str
    biased: bool
    weight_bits: int
    index_bits: int | None
    entries: int
    code_coder: str
    code_table_bytes: int
    code_bytes: int
    run_coder: str | None
    run_table_bytes: int
    run_bytes: int

    def __post_init__(self) -> None:
        dense = self.index_bits is None
        if dense and (self.run_coder is not None or self.run_bytes or self.run_table_bytes):
            raise ValueError(f"layer {self.name!r}: there are runs, but no index_bits")
        if not dense and self.run_coder is None:
            raise ValueError(f"layer {self.name!r}: there are index_bits, but no run_coder")
        if self.entries > self.n_cells or (dense and self.entries != self.n_cells):
            raise ValueError(f"layer {self.name!r}: entries: {self.entries}, but there are {self.n_cells} cells")

    @property
    def n_cells(self) -> int:
        """Weights, zeros included."""
        return prod(self.shape)

    @property
    def n_biases(self) -> int:
        """Values of the bias; 0 without one."""
        return self.shape[0] if self.biased else 0


def record_of(tensor: CodedTensor, activation: str, streams: TensorStreams) -> LayerRecord:
    """What the document says of `tensor`, stored as `streams`."""
    codes, runs = streams.codes, streams.runs
    return LayerRecord(
        name=tensor.name,
        kind=tensor.kind,
        shape=list(tensor.shape),
        gates=list(tensor.gates),
        activation=activation,
        biased=tensor.bias is not None,
        weight_bits=tensor.weight_bits,
        index_bits=streams.index_bits,
        entries=codes.n_symbols,
        code_coder=codes.coder,
        code_table_bytes=len(codes.table),
        code_bytes=len(codes.data),
        run_coder=None if runs is None else runs.coder,
        run_table_bytes=0 if runs is None else len(runs.table),
        run_bytes=streams.run_bytes,
    )


def columns_of(records: Sequence[LayerRecord]) -> dict[str, list[Any]]:
    """A list for each field of a record; one value alone where it is the same for all."""
    return {
        field.name: _shortened([getattr(record, field.name) for record in records]) for field in fields(LayerRecord)
    }


def checked_layers(columns: Any) -> tuple[LayerRecord, ...]:
    """The records of which these are the columns.

    Raises
    ------
    ValueError
        When `columns_of` gives them for no records.
    """
    if not isinstance(columns, dict):
        raise ValueError("layers: must be an object")
    check_keys("layers", columns, set(_CHECKS))
    for column in ("code_coder", "run_coder"):  # a coder that eie-sim once had: such a file is sound, so say the cure
        if isinstance(columns[column], list) and "ans" in columns[column]:
            raise ValueError(
                f"{column}: 'ans' (asymmetric numeral systems) is not read any more; load the file with the eie-sim "
                "that wrote it and save it again with the coder 'huffman'"
            )
    names = columns["name"]
    n_layers = len(names) if isinstance(names, list) else 0
    if not 1 <= n_layers <= MAX_LAYERS:
        raise ValueError(f"layers: {n_layers} names, but there must be 1 to {MAX_LAYERS}")
    lists = {column: _checked_column(column, columns[column], n_layers) for column in _CHECKS}
    if len(set(names)) != n_layers:
        twice = next(name for number, name in enumerate(names) if name in names[:number])
        raise ValueError(f"name: {twice!r} is there twice")
    return tuple(LayerRecord(**{column: lists[column][n] for column in lists}) for n in range(n_layers))


def checked_shapes(found: Any) -> dict[str, tuple[int, ...]]:
    """The shapes of a model's `others` by their names, from the document.

    Raises
    ------
    ValueError
        When it says something else.
    """
    if not isinstance(found, dict):
        raise ValueError("others: must map names to shapes")
    for name, shape in found.items():
        _check_shape(f"shape of {name!r}", shape, low=0)
    return {name: tuple(shape) for name, shape in found.items()}


def _shortened(values: list[Any]) -> list[Any]:
    return values[:1] if all(value == values[0] for value in values) else values


def _checked_column(column: str, values: Any, n_layers: int) -> list[Any]:
    """The value of every layer, from the values of all, or from one that stands for all."""
    if not isinstance(values, list) or len(values) not in (1, n_layers):
        raise ValueError(f"{column}: must be a list of {n_layers} values, as there are names, or of one for all")
    for number, value in enumerate(values):
        _CHECKS[column](f"{column} of layer {number}", value)
    if len(values) > 1 and len(_shortened(values)) == 1:
        raise ValueError(f"{column}: is the same for each of {n_layers} layers, and must be there once")
    return values if len(values) == n_layers else values * n_layers


Check: TypeAlias = Callable[[str, Any], None]


def _number(low: int, high: int = _MAX_ELEMENTS, or_none: bool = False) -> Check:
    def check(what: str, value: Any) -> None:
        if value is not None or not or_none:
            whole_number(what, value, low, high)

    return check


def _one_of(*choices: str | None) -> Check:
    def check(what: str, value: Any) -> None:
        if not (value is None or isinstance(value, str)) or value not in choices:
            raise ValueError(f"{what}: {value!r}, but it must be one of {', '.join(map(str, choices))}")

    return check


def _check_flag(what: str, value: Any) -> None:
    if not isinstance(value, bool):
        raise ValueError(f"{what}: {value!r}, but it must be true or false")


def _check_shape(what: str, value: Any, low: int = 1) -> None:
    if not isinstance(value, list) or not low <= len(value) <= _MAX_DIMENSIONS:
        raise ValueError(f"{what}: {value!r}, but it must be a list of {low} to {_MAX_DIMENSIONS} sizes")
    for size in value:
        whole_number(what, size, low, MAX_SIZE)
    # A size of 0 leaves no elements, but NumPy multiplies the others all the same.
    if prod(max(1, size) for size in value) > _MAX_ELEMENTS:
        raise ValueError(f"{what}: {value!r}, but its product must be at most {_MAX_ELEMENTS}")


def _check_texts(what: str, value: Any) -> None:
    if not isinstance(value, list):
        raise ValueError(f"{what}: {value!r}, but it must be a list of names")
    for name in value:
        check_text(what, name)


_CHECKS: Mapping[str, Check] = {
    "name": check_text,
    "kind": _one_of(*KINDS),
    "shape": _check_shape,
    "gates": _check_texts,
    "activation": _one_of(*ACTIVATION_FUNCTIONS),
    "biased": _check_flag,
    "weight_bits": _number(MIN_WEIGHT_BITS, MAX_WEIGHT_BITS),
    "index_bits": _number(MIN_INDEX_BITS, MAX_INDEX_BITS, or_none=True),
    "entries": _number(0),
    "code_coder": _one_of(*CODERS),
    "code_table_bytes": _number(0),
    "code_bytes": _number(0),
    "run_coder": _one_of(*CODERS, None),
    "run_table_bytes": _number(0),
    "run_bytes": _number(0),
}
