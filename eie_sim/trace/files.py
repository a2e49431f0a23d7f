"""Trace files: written whole or not at all, gzipped where the name says so; the same trace gives the same bytes."""

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from os import PathLike
from pathlib import Path
from typing import IO, TextIO, cast

from compressor.storage.files import file_size, replacing
from compressor.storage.text_file import decoded

_GZIP_LEVEL = 6

MOST_BYTES = 2**30
"""Longest text of a trace that is read."""


@contextmanager
def new_text(path: str | PathLike[str]) -> Iterator[TextIO]:
    """A text file that takes the place of `path` when the block ends without an error; gzipped for ``.gz``.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    target = Path(path)
    with replacing(target) as file, ExitStack() as opened:
        raw: IO[bytes] = file
        if target.suffix.lower() == ".gz":
            # Neither time nor name in the header: the same trace, the same bytes.
            packed = gzip.GzipFile("", "wb", _GZIP_LEVEL, fileobj=file, mtime=0)
            raw = cast("IO[bytes]", opened.enter_context(packed))
        text = io.TextIOWrapper(raw, encoding="utf-8", newline="\n")
        try:
            yield text
        finally:
            text.detach()  # writes what it holds; `replacing` syncs and closes the file


def read_trace_text(path: str | PathLike[str]) -> str:
    """The text of a file, unzipped where it is gzipped.

    Raises
    ------
    ValueError
        If it is not text, is damaged, or is longer than `MOST_BYTES`.
    OSError
        If it cannot be read.
    """
    file = Path(path)
    file_size(file)
    with file.open("rb") as raw:
        packed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        try:
            content = (gzip.GzipFile(fileobj=raw) if packed else raw).read(MOST_BYTES + 1)
        except (gzip.BadGzipFile, EOFError, OSError, zlib.error) as error:
            if not packed:
                raise
            raise ValueError(f"damaged gzip file: {error}") from None
    if len(content) > MOST_BYTES:
        raise ValueError(f"more than {MOST_BYTES} bytes of text, but a trace has at most that")
    return decoded(content, "trace")
