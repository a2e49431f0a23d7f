"""Text that the simulator writes for others to read: JSON files that say what they are, and values as TOML."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from os import PathLike
from typing import Any

from compressor.storage.strict_json import strict_json
from compressor.storage.text_file import read_text


@dataclass(frozen=True)
class JsonKind:
    """One kind of JSON file: an object with ``format`` and ``format_version``.

    Attributes
    ----------
    name : str
        What a message calls the file, such as ``"results file"``.
    format, version : str, int
        Of the object's ``format`` and ``format_version``.
    most_bytes : int
        Longest file that is read.
    others : mapping of str to str
        What to say of files of another format.
    """

    name: str
    format: str
    version: int
    most_bytes: int
    others: Mapping[str, str] = field(default_factory=dict)

    @property
    def head(self) -> dict[str, Any]:
        """The keys that say what the file is."""
        return {"format": self.format, "format_version": self.version}

    def read(self, path: str | PathLike[str]) -> dict[str, Any]:
        """The object in a file, without the keys that say what it is; the rest is not checked.

        Raises
        ------
        ValueError
            When it is something else.
        OSError
            When it cannot be read.
        """
        document = strict_json(f"not a {self.name}", read_text(path, self.name, self.most_bytes))
        if not isinstance(document, dict) or document.get("format") != self.format:
            found = document.get("format") if isinstance(document, dict) else None
            if isinstance(found, str) and found in self.others:
                raise ValueError(self.others[found])
            raise ValueError(f"not a {self.name}: it must be a JSON object with format {self.format!r}")
        version = document.get("format_version")
        if type(version) is not int or version != self.version:
            raise ValueError(f"format_version: {version!r}, but this version reads {self.version}")
        return {key: value for key, value in document.items() if key not in self.head}


def literal(value: object) -> str:
    """A string, a Boolean or a finite number as TOML."""
    if isinstance(value, str):
        # TOML escapes what JSON does, and DEL.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return str(value).lower() if isinstance(value, bool) else repr(value)


def assignments(fields: Mapping[str, object]) -> str:
    """One line ``name = value`` of TOML for each field; Python's own library reads TOML and does not write it."""
    return "".join(f"{name} = {literal(value)}\n" for name, value in fields.items())
