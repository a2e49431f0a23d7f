"""Text files that users write: the one way in which TOML, CSV, JSON and lists of names are read."""

from os import PathLike
from pathlib import Path

from compressor.storage.files import file_size

MOST_BYTES = 16 * 2**20
"""Longest text file that is read unless its reader says otherwise; longer than any that a person writes."""


def read_text(path: str | PathLike[str], what: str = "text file", most_bytes: int = MOST_BYTES) -> str:
    """The text of a regular file in UTF-8; a byte-order mark, which Windows editors write, is skipped.

    Parameters
    ----------
    path : path
    what : str
        What a message calls the file, such as ``"TOML file"``.
    most_bytes : int
        Longest file that is read.

    Raises
    ------
    ValueError
        If it is longer, or not UTF-8; one line, to which the caller adds the file's name (`files.errors_name`).
    OSError
        If it cannot be read or is not a regular file: a pipe would hang and a device never end.
    """
    file = Path(path)
    if (size := file_size(file)) > most_bytes:
        raise ValueError(f"{size:,} bytes; a {what} has at most {most_bytes:,}")
    # One byte more than allowed, in case that the file grows meanwhile.
    with file.open("rb") as stream:
        content = stream.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise ValueError(f"more than {most_bytes:,} bytes; a {what} has at most that")
    return decoded(content, what)


def decoded(content: bytes, what: str) -> str:
    """The text that the bytes of a file are.

    Raises
    ------
    ValueError
        If they are not UTF-8; one line.
    """
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"not a {what}: byte {error.start:,} is not UTF-8 text; save it as UTF-8") from None
