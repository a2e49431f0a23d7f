"""The frame of a page: its one style sheet, its one script, and a policy that allows these two and nothing else."""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from string import Template

from eie_sim.report.html.markup import Markup, element, join, text


@dataclass(frozen=True)
class Section:
    """A part of the page, with a heading and a link to it.

    Attributes
    ----------
    name : str
        Its id on the page.
    title : str
    parts : tuple of Markup or None
        None is left out.
    """

    name: str
    title: str
    parts: tuple[Markup | None, ...]


def page(title: str, lead: str, sections: Sequence[Section], scripts: Sequence[str], after: Markup) -> str:
    """The whole document.

    Parameters
    ----------
    title, lead : str
        The heading, and a line below it.
    sections : sequence of Section
    scripts : sequence of str
        Files beside this one, in order.
    after : Markup
        What stands behind the last section: data, and the shapes of pictures.
    """
    written = []  # each with its heading as its name, for screen readers
    for one in sections:
        name = f"{one.name}-title"
        content = join(element("h2", one.title, id_=name), *one.parts)
        written.append(element("section", content, id_=one.name, aria_labelledby=name))
    style = _file("page.css")
    script = "\n".join(_file(name) for name in scripts)
    return Template(_file("page.html")).substitute(
        policy=_policy(style, script),
        title=text(title),
        lead=text(lead),
        style=style,
        script=script,
        links=join(*(element("li", element("a", one.title, href=f"#{one.name}")) for one in sections)),
        sections=join(*written),
        after=after,
    )


def _policy(style: str, script: str) -> str:
    """No connection, no file, no other script or style: what a name smuggled in could not do anything either."""
    return (
        f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _digest(content: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()


def _file(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")
