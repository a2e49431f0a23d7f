"""Elements of HTML. A text is escaped unless it is `Markup`, which only these functions make: names come from users."""

import json
import re
from html import escape


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


Child = Markup | str | int | float | None

_VOID = frozenset({"meta", "input", "br", "col"})
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def text(value: Child) -> Markup:
    """`value` as the text of an element or an attribute; None is nothing."""
    if value is None:
        return Markup()
    if isinstance(value, Markup):
        return value
    return Markup(escape(_UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", str(value)), quote=True))


def element(name: str, *children: Child, **attributes: str | int | bool | None) -> Markup:
    """One element.

    Parameters
    ----------
    name : str
    *children : str, number, Markup or None
        Texts are escaped.
    **attributes : str, int, bool or None
        A trailing ``_`` of a name is dropped, and any other ``_`` is a hyphen. True is an attribute without a value;
        None and False are none.
    """
    given = ""
    for key, value in attributes.items():
        if value is not None and value is not False:
            written = key.rstrip("_").replace("_", "-")
            given += f" {written}" if value is True else f' {written}="{text(value)}"'
    inside = "".join(text(child) for child in children)
    return Markup(f"<{name}{given}>" if name in _VOID else f"<{name}{given}>{inside}</{name}>")


def name_of(column: str) -> Markup:
    """The name of a column, which breaks after an underscore where it has to."""
    return Markup(text(column).replace("_", "_<wbr>"))


def join(*parts: Child) -> Markup:
    """Parts one after another, a line each."""
    return Markup("\n".join(text(part) for part in parts if part is not None and part != ""))


def json_block(name: str, value: object) -> Markup:
    """Data for the page's script, in an element that no browser runs.

    Raises
    ------
    ValueError
        If a number in it is not finite.
    """
    written = json.dumps(value, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    # What could end the element, or begin a comment in it.
    safe = written.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return element("script", Markup(safe), type="application/json", id_=name)
