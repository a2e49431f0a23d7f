"""TOML that users write, in files and on the command line."""

import re
import tomllib
from os import PathLike
from pathlib import Path
from typing import Any

from compressor.storage.files import errors_name
from compressor.storage.text_file import read_text

MOST_BYTES = 2**20
"""Longest TOML file that is read. Python's parser takes about a second for it."""

MOST_KEY_PARTS = 32
"""Most parts of a dotted key such as ``a.b.c``: the parser's time grows with their square."""

_WINDOWS_PATH = re.compile(r'"[A-Za-z]:\\|"\\\\|"[^"\n]*\\[^btnfruUe"\\\s]')
"""A string in double quotes that looks like a path of Windows, whose backslashes TOML takes for escapes."""

_PART = r"""(?:(?<![A-Za-z0-9_-])[A-Za-z0-9_-]++|"[^"\n]*+"|'[^'\n]*+')"""
_LONG_KEY = re.compile(rf"{_PART}(?:[ \t]*+\.[ \t]*+{_PART}){{{MOST_KEY_PARTS}}}")
"""Each quantifier is possessive and a bare part begins where no part does, so that the search takes linear time."""


def read_toml(path: str | PathLike[str]) -> dict[str, Any]:
    """The content of a TOML file; a byte-order mark, which Windows editors write, is skipped.

    Raises
    ------
    ValueError
        If it is not a TOML file, or is too long or too deeply nested; one line that names it.
    OSError
        If it cannot be read or is not a regular file.
    """
    with errors_name(Path(path)):
        return parse_toml("not a TOML file", read_text(path, "TOML file", MOST_BYTES))


def parse_toml(what: str, text: str) -> dict[str, Any]:
    """The content of TOML text, in bounded time.

    Raises
    ------
    ValueError
        If `text` is not TOML, or nests deeper than Python's parser follows; one line that begins with `what`.
    """
    if long := _LONG_KEY.search(text):
        line = text.count("\n", 0, long.start()) + 1
        raise ValueError(f"{what}: line {line}: a dotted key of more than {MOST_KEY_PARTS} parts; use fewer")
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError(f"{what}: brackets are nested too deeply; flatten the value") from None
    except ValueError as error:  # TOMLDecodeError, and Python's own about an integer of thousands of digits
        cure = ""
        if _WINDOWS_PATH.search(text):
            cure = "; in double quotes \\ begins an escape: write a path in single quotes, or with /"
        raise ValueError(f"{what}: {_one_line(error)}{cure}") from None


def _one_line(error: ValueError) -> str:
    if "integer string conversion" in str(error):
        return "an integer of thousands of digits; no field is that large"
    return " ".join(str(error).split())
