"""The file below `read_onnx` and `write_onnx`: an ONNX model that is checked before it is trusted.

Three things are checked, each in a file of its own: what the message takes in memory (`onnx_scan`), which other files
it names (`onnx_external`), and that a tensor has the bytes that its shape needs (`onnx_tensors`).
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from compressor.importers.onnx_external import ExternalData
from compressor.importers.onnx_scan import check_memory
from compressor.importers.onnx_tensors import (
    Floats,
    all_tensors,
    floats_of,
    is_external,
    is_large,
    numbers_of,
    put_bytes,
)
from compressor.storage.files import file_size, replacing

if TYPE_CHECKING:
    from onnx import ModelProto, TensorProto

MAX_BYTES = 2**31 - 1
"""Longest protobuf message, so longest ONNX file; larger models keep their weights in files beside it."""


class OnnxFile:
    """A checked ONNX model and the numbers of its tensors.

    Parameters
    ----------
    path : path

    Attributes
    ----------
    path : path
    size : int
        Bytes of the file and of those beside it that hold its tensors.
    model : ModelProto

    Raises
    ------
    ValueError
        If it is no ONNX model, or takes too much memory; the message does not name the file.
    OSError
        If it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = file_size(path)
        if self.size > MAX_BYTES:
            raise ValueError(f"{self.size} bytes, but an ONNX file has at most {MAX_BYTES}")
        content = path.read_bytes()
        self.model: ModelProto = parsed_model(content)
        self._external: ExternalData | None = ExternalData(
            path, [tensor for tensor in all_tensors(self.model) if is_external(tensor)]
        )
        self.size += sum(file_size(one) for one in set(self._external.files.values()))
        # The checker finds other files beside a path only; it need not read the model a second time otherwise.
        _check_structure(str(path) if self._external.files else content)

    @classmethod
    def of_model(cls, model: "ModelProto", path: Path) -> "OnnxFile":
        """A model that holds all of its numbers; `path` is what messages call it.

        Raises
        ------
        ValueError
            If it is malformed.
        """
        if any(is_external(tensor) for tensor in all_tensors(model)):
            raise ValueError("no valid ONNX model: the numbers of a tensor are in another file")
        _check_structure(model.SerializeToString())
        file = cls.__new__(cls)
        file.path, file.model, file.size = path, model, model.ByteSize()
        file._external = None
        return file

    def floats(self, tensor: "TensorProto") -> Floats:
        """The numbers of a floating-point tensor, maybe read-only; float32 in place of bfloat16.

        Raises
        ------
        ValueError
            If there are more or fewer numbers than its shape needs.
        """
        return floats_of(tensor, self._bytes_of(tensor))

    def numbers(self, tensor: "TensorProto") -> NDArray[Any]:
        """The numbers of a tensor of any type; errors as of `floats`."""
        return numbers_of(tensor, self._bytes_of(tensor))

    def _bytes_of(self, tensor: "TensorProto") -> bytes | None:
        """The bytes of a tensor that are in another file."""
        if not is_external(tensor):
            return None
        if self._external is None:
            raise ValueError(f"tensor {tensor.name!r}: its numbers are in another file")
        return self._external.bytes_of(tensor)

    def embedded(self, tensor: "TensorProto") -> "TensorProto":
        """The tensor itself, with its bytes in it."""
        content = self._bytes_of(tensor)
        if content is not None:
            put_bytes(tensor, content)
        return tensor

    def without_numbers(self) -> "ModelProto":
        """A model with the shapes of this one, for ONNX's shape inference: large initialisers are inputs of it."""
        from onnx import ModelProto, helper

        model = ModelProto(ir_version=self.model.ir_version)
        model.opset_import.extend(self.model.opset_import)
        graph = self.model.graph
        for field in ("input", "output", "value_info"):
            getattr(model.graph, field).extend(getattr(graph, field))
        model.graph.name = graph.name or "graph"
        large = {}
        for node in graph.node:
            constant = next((a.t for a in node.attribute if node.op_type == "Constant" and a.name == "value"), None)
            if constant is not None and is_large(constant):
                large[node.output[0]] = constant
            else:
                model.graph.node.append(node)
        for tensor in graph.initializer:
            if is_large(tensor):
                large[tensor.name] = tensor
            else:
                model.graph.initializer.append(self.embedded(tensor))
        for name in large.keys() - {value.name for value in graph.input}:
            value = helper.make_tensor_value_info(name, large[name].data_type, large[name].dims)
            model.graph.input.append(value)
        return model

    def embed_all(self) -> None:
        """Take the numbers that other files hold into the model."""
        for tensor in all_tensors(self.model):
            self.embedded(tensor)

    def save(self, path: Path) -> None:
        """Write the model to `path`, whole or not at all.

        Raises
        ------
        ValueError
            If it has become too large for one file.
        """
        size = self.model.ByteSize()
        if size > MAX_BYTES:
            raise ValueError(f"the model takes {size} bytes, but an ONNX file has at most {MAX_BYTES}")
        with replacing(path) as file:
            file.write(self.model.SerializeToString(deterministic=True))


def _check_structure(model: bytes | str) -> None:
    """Check what the library checks: known operators, their inputs and attributes, the order of the nodes."""
    import onnx

    try:
        onnx.checker.check_model(model)
    except (onnx.checker.ValidationError, RuntimeError, TypeError, IndexError, OverflowError) as error:
        first = str(error).strip().partition("\n")[0]
        raise ValueError(f"no valid ONNX model: {first:.300}") from None


def parsed_model(content: bytes) -> "ModelProto":
    """The ONNX model in `content`; its structure is not checked yet.

    Raises
    ------
    ValueError
        If it is none, or takes too much memory.
    """
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
    from onnx import ModelProto

    check_memory(content, ModelProto.DESCRIPTOR)
    model = ModelProto()
    try:
        model.ParseFromString(content)
    except DecodeError as error:
        raise ValueError(f"no ONNX model: {error}") from None
    return model
