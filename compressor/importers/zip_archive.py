"""Zip archives that nobody has vouched for, opened: what the importers of ``.npz`` and of PyTorch's files share."""

import errno
import io
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from zipfile import BadZipFile, ZipFile


class _ShortReads(io.BufferedReader):
    """A file that refuses to be read in pieces of more than `most_bytes`, where that is not None."""

    most_bytes: int | None = None

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and self.most_bytes is not None and size > self.most_bytes:
            raise ValueError(f"directory: {size} bytes, but at most {self.most_bytes} are read")
        return super().read(size)


@contextmanager
def opened_zip(path: Path, most_directory_bytes: int) -> Iterator[ZipFile]:
    """The archive at `path`; what zipfile and zlib raise about malformed bytes, also in the block, is a ValueError.

    Attack: a directory of gigabytes, or one that is declared so. `ZipFile` reads it whole, and makes objects of 20
    times its bytes. Its length is not parsed here, for another parser may find another end of the archive than
    zipfile does; instead the file gives zipfile no piece that is longer than `most_directory_bytes`.
    """
    try:
        with _ShortReads(io.FileIO(path)) as file:
            file.most_bytes = most_directory_bytes
            with ZipFile(file) as archive:
                file.most_bytes = None  # members may be as long as they are
                yield archive
    except (BadZipFile, zlib.error, struct.error, EOFError, OverflowError, RuntimeError) as error:
        raise ValueError(f"no sound zip archive: {error}") from error
    except OSError as error:
        if error.errno != errno.EINVAL:  # attack: an offset that leads to a place before the first byte of the file
            raise
        raise ValueError("no sound zip archive: something is said to be where no byte is") from error
