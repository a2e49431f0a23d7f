"""The files beside an ONNX model in which tensors keep their bytes: found, checked and read."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from compressor.importers.onnx_scan import COPIES
from compressor.storage.files import file_size, memory_limit

if TYPE_CHECKING:
    from onnx import TensorProto

_LONGEST_NUMBER = 19  # digits of 2**63


class ExternalData:
    """What the tensors of a model have in other files.

    Parameters
    ----------
    model : path
        The file of the model.
    tensors : sequence of TensorProto
        Those with bytes elsewhere (`compressor.importers.onnx_tensors.is_external`).

    Attributes
    ----------
    files : dict of str to path
        By the locations that the tensors name.

    Raises
    ------
    ValueError
        If a file is outside the folder of the model, cannot be read or is too short, or the tensors take more memory
        than files of this size may.
    """

    def __init__(self, model: Path, tensors: Sequence["TensorProto"]) -> None:
        folder = model.resolve().parent
        locations = sorted({_entries(tensor).get("location", "") for tensor in tensors})
        self.files = {location: _file_in(folder, location) for location in locations}
        # Attack: many tensors that name the same bytes. They are added up before any of them is read.
        size = file_size(model) + sum(file_size(path) for path in set(self.files.values()))
        limit = memory_limit(size) // COPIES
        needed = sum(end - begin for _, begin, end in map(self._place, tensors))
        if needed > limit:
            raise ValueError(
                f"external data: the tensors take {needed} bytes, but at most {limit} for files of this size"
            )

    def bytes_of(self, tensor: "TensorProto") -> bytes:
        """The bytes of one of the tensors."""
        path, begin, end = self._place(tensor)
        with path.open("rb") as file:
            file.seek(begin)
            return file.read(end - begin)

    def _place(self, tensor: "TensorProto") -> tuple[Path, int, int]:
        """The file of a tensor, and where in it its bytes begin and end."""
        entries = _entries(tensor)
        path = self.files[entries.get("location", "")]
        size = file_size(path)
        begin = _whole("offset", entries.get("offset", "0"))
        end = begin + _whole("length", entries["length"]) if "length" in entries else size
        # Attack: an offset or a length beyond the file, by which memory would be taken.
        if not begin <= end <= size:
            raise ValueError(f"tensor {tensor.name!r}: bytes {begin} to {end} of its file, but there are {size}")
        return path, begin, end


def _file_in(folder: Path, location: str) -> Path:
    """The file that a tensor names, in the folder of the model.

    Attack: a location such as ``../../private``, or a link to it, whose content would become weights.
    """
    if not location or "\0" in location:
        raise ValueError(f"external data: location {location!r} is no file")
    found = (folder / location).resolve()
    if not found.is_relative_to(folder):
        raise ValueError(f"external data: location {location!r} leads out of the model's folder")
    try:
        file_size(found)
    except OSError as error:
        raise ValueError(f"external data: location {location!r} cannot be read: {error.strerror}") from None
    return found


def _entries(tensor: "TensorProto") -> dict[str, str]:
    return {entry.key: entry.value for entry in tensor.external_data}


def _whole(what: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER):
        raise ValueError(f"external data: {what} {text!r:.80} is no whole number")
    return int(text)
