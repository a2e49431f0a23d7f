"""The file below `read_onnx` and `write_onnx`: an ONNX model that is checked before it is trusted.

Three things are checked, each in a file of its own: what the message takes in memory (`onnx_scan`), which other files
it names (`onnx_external`), and that a tensor has the bytes that its shape needs (`onnx_tensors`).
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from compressor.importers.onnx_external import ExternalData
from compressor.importers.onnx_scan import check_memory
from compressor.importers.onnx_tensors import Floats, all_tensors, floats_of, is_external, put_bytes
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
    model : ModelProto

    Raises
    ------
    ValueError
        If it is no ONNX model, or takes too much memory; the message does not name the file.
    ImportError
        If the onnx library is not installed.
    OSError
        If it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        size = file_size(path)
        if size > MAX_BYTES:
            raise ValueError(f"{size} bytes, but an ONNX file has at most {MAX_BYTES}")
        onnx = _onnx()
        from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

        content = path.read_bytes()
        check_memory(content, onnx.ModelProto.DESCRIPTOR)
        self.model: ModelProto = onnx.ModelProto()
        try:
            self.model.ParseFromString(content)
        except DecodeError as error:
            raise ValueError(f"no ONNX model: {error}") from None
        self._external = ExternalData(path, [tensor for tensor in all_tensors(self.model) if is_external(tensor)])
        # The library checks the structure: known operators, their inputs and attributes, the order of the nodes. It
        # finds other files beside a path only; it need not read the model a second time otherwise.
        try:
            onnx.checker.check_model(str(path) if self._external.files else content)
        except (onnx.checker.ValidationError, RuntimeError, TypeError, IndexError, OverflowError) as error:
            first = str(error).strip().partition("\n")[0]
            raise ValueError(f"no valid ONNX model: {first}") from None

    def floats(self, tensor: "TensorProto") -> Floats:
        """The numbers of a floating-point tensor, maybe read-only; float32 in place of bfloat16.

        Raises
        ------
        ValueError
            If there are more or fewer numbers than its shape needs.
        """
        return floats_of(tensor, self._external.bytes_of(tensor) if is_external(tensor) else None)

    def embed_all(self) -> None:
        """Take the numbers that other files hold into the model."""
        for tensor in all_tensors(self.model):
            if is_external(tensor):
                put_bytes(tensor, self._external.bytes_of(tensor))

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


def _onnx() -> Any:
    try:
        import onnx
    except ImportError:
        raise ImportError("ONNX files need the onnx library: pip install 'eie-sim[onnx]'") from None
    return onnx
