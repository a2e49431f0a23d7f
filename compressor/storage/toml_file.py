"""TOML files that users write."""

import re
import tomllib
from os import PathLike
from pathlib import Path
from typing import Any

_WINDOWS_PATH = re.compile(r'"[A-Za-z]:\\|"\\\\|"[^"\n]*\\[^btnfruUe"\\\s]')
"""A string in double quotes that looks like a path of Windows, whose backslashes TOML takes for escapes."""


def read_toml(path: str | PathLike[str]) -> dict[str, Any]:
    """The content of a TOML file; a byte-order mark, which Windows editors write, is skipped.

    Raises
    ------
    ValueError
        If it is not a TOML file; one line that names it.
    OSError
        If it cannot be read.
    """
    text = ""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        cure = ""
        if _WINDOWS_PATH.search(text):
            cure = "; in double quotes \\ begins an escape: write a path in single quotes, or with /"
        raise ValueError(f"{path}: no TOML file: {error}{cure}") from None
