"""Pictures of `eie_sim.report.plots` inside a page: small, without names that clash, without a style of their own.

Matplotlib draws letters as outlines, so that a picture looks the same everywhere; on a page, all pictures share one
sheet of them. What it writes as ``style="..."`` becomes attributes, so that the page's policy can forbid inline styles.
"""

import re
from collections.abc import Iterator
from xml.etree import ElementTree as ET

from eie_sim.report.html.markup import Markup, element, text

_SVG = "{http://www.w3.org/2000/svg}"
_HREF = "{http://www.w3.org/1999/xlink}href"
_NO_XML = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]|\xef\xbf[\xbe\xbf]")
_NUMBER = re.compile(r"-?\d+\.\d{3,}")
_REFERENCE = re.compile(r"url\(#([^)]+)\)")
_AT_X = re.compile(r"translate\(([-\d.]+) 0\)")
_SHARED = {f"{_SVG}path", f"{_SVG}pattern"}
"""Letters, markers and hatches."""

_COORDINATES = {"M": 2, "L": 2, "Q": 4, "C": 6, "z": 0}
"""Numbers behind each command of a path."""

_DROPPED = {"metadata", "style", "title"}


class Pictures:
    """The pictures of one page; each `inline` adds what it needs to the sheet of shapes that they share."""

    def __init__(self) -> None:
        self._shapes: dict[str, str] = {}
        self._count = 0

    def inline(self, svg: bytes, finding: str) -> Markup:
        """The SVG file as an element that a screen reader tells as `finding`.

        Raises
        ------
        ValueError
            When it is no SVG.
        """
        try:
            # A name can hold what XML cannot; matplotlib repeats it in a comment.
            root = ET.fromstring(_NO_XML.sub(b"", svg))
        except ET.ParseError as error:
            raise ValueError(f"picture: no SVG: {error}") from None
        if root.tag != f"{_SVG}svg":
            raise ValueError(f"picture: its element is {root.tag!r}, but it must be svg")
        self._count += 1
        referenced: set[str] = set()
        for one in root.iter():
            referenced.update(name for value in one.attrib.values() for name in _REFERENCE.findall(value))
            if (target := one.get(_HREF) or one.get("href") or "").startswith("#"):
                referenced.add(target[1:])
        names = _Names(f"p{self._count}-", referenced)
        # Shapes of the same content go into the sheet once, whatever each picture calls them.
        for definitions in list(root.iter(f"{_SVG}defs")):
            for shape in [one for one in definitions if one.tag in _SHARED]:
                name = shape.attrib.pop("id", None)
                definitions.remove(shape)
                if name in referenced:
                    content = _written(shape, names)
                    names.shared[name] = self._shapes.setdefault(content, f"s{len(self._shapes)}")
        inside = "".join(_written(child, names) for child in root)
        return element("svg", Markup(inside), viewBox=root.get("viewBox"), role="img", aria_label=finding)

    def sheet(self) -> Markup:
        """The shapes that pictures share; once a page."""
        shapes = (shape.replace(" ", f' id="{name}" ', 1) for shape, name in self._shapes.items())
        return element(
            "svg", element("defs", Markup("".join(shapes))), class_="sheet", width=0, height=0, aria_hidden="true"
        )


class _Names:
    """What ids of one picture are called on the page."""

    def __init__(self, prefix: str, referenced: set[str]) -> None:
        self.prefix, self.referenced = prefix, referenced
        self.shared: dict[str, str] = {}

    def of(self, name: str) -> str:
        return self.shared.get(name, self.prefix + name)


def _written(one: ET.Element, names: _Names) -> str:
    tag = one.tag.removeprefix(_SVG)
    if tag in _DROPPED or (tag in ("defs", "g") and not len(one)):
        return ""
    given = "".join(f' {key}="{text(value)}"' for key, value in _attributes(one, names))
    inside = (str(text(one.text)) if tag in ("text", "tspan") else "") + "".join(_written(c, names) for c in one)
    # A group without attributes changes nothing; matplotlib nests them by the dozen.
    if tag == "g" and not given:
        return inside
    return f"<{tag}{given}>{inside}</{tag}>" if inside else f"<{tag}{given}/>"


def _attributes(one: ET.Element, names: _Names) -> Iterator[tuple[str, str]]:
    for key, value in one.attrib.items():
        # A shift along x alone, as every letter of a text has one, is shorter as an attribute of its own.
        if key == "transform" and one.tag == f"{_SVG}use" and (moved := _AT_X.fullmatch(value)):
            yield "x", _rounded(moved[1])
        elif key == "id":
            # An id that nobody refers to would only clash with those of other pictures.
            if value in names.referenced:
                yield key, names.of(value)
        elif key == "style":
            # The page's policy forbids inline styles; each rule is an attribute of SVG too.
            for rule in filter(None, (part.strip() for part in value.split(";"))):
                name, _, setting = rule.partition(":")
                if name != "image-rendering":
                    yield name.strip(), _rounded(_renamed(setting.strip(), names))
        elif key in (_HREF, "href"):
            yield "href", f"#{names.of(value[1:])}" if value.startswith("#") else value.replace("\n", "")
        elif key == "d":
            yield key, _shorter(_rounded(value))
        elif key != "type":
            yield key, _rounded(_renamed(value, names))


def _renamed(value: str, names: _Names) -> str:
    return _REFERENCE.sub(lambda found: f"url(#{names.of(found[1])})", value)


def _rounded(value: str) -> str:
    """Two decimals are a hundredth of a point; scales of letters keep six."""
    digits = 6 if "scale" in value else 2
    short = _NUMBER.sub(lambda found: f"{float(found[0]):.{digits}f}".rstrip("0").rstrip("."), value)
    return " ".join(short.split())


def _shorter(path: str) -> str:
    """A path whose lines along an axis give the one coordinate that changes; stairs and bars have no others."""
    words, found, here = path.split(), [], ("", "")
    at = 0
    while at < len(words):
        command = words[at]
        count = _COORDINATES.get(command)
        if count is None:  # nothing that matplotlib writes
            return path
        given = words[at + 1 : at + 1 + count]
        if command == "L" and given[0] == here[0]:
            found.append(f"V{given[1]}")
        elif command == "L" and given[1] == here[1]:
            found.append(f"H{given[0]}")
        else:
            found.append(command + " ".join(given))
        here = (given[-2], given[-1]) if given else ("", "")
        at += 1 + count
    return "".join(found)
