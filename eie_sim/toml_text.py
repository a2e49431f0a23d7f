"""Values as TOML text; Python's own library reads TOML and does not write it."""

import json
from collections.abc import Mapping


def literal(value: object) -> str:
    """A text, a truth value or a finite number as TOML."""
    if isinstance(value, str):
        # TOML escapes what JSON does, and DEL.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return str(value).lower() if isinstance(value, bool) else repr(value)


def assignments(fields: Mapping[str, object]) -> str:
    """One line ``name = value`` for each field."""
    return "".join(f"{name} = {literal(value)}\n" for name, value in fields.items())
