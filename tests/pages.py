"""The blocks of Markdown pages: code between fences, and lines that are indented by four blanks."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
}
"""The text of README and of every page of the documentation, by path."""

SHELL = ("sh", "bash", "shell", "console")
PROGRAMS = (
    *("eie-sim", "eie-compress", "python", "python3", "pip", "pytest"),
    *("dask", "make", "mpiexec", "gtkwave", "vcd2fst"),
)
"""What a command line begins with."""

_BLOCK = re.compile(
    r"^(?P<fence>`{3,}|~{3,}|:{3,})(?P<language>[^\n]*)\n(?P<fenced>.*?)^(?P=fence)[ \t]*$"
    r"|(?:\A|(?<=\n\n))(?P<indented>(?: {4}[^\n]*(?:\n|\Z)|\n(?= {4}))+)",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """One block of a page; `language` is that of the fence, "sh" or "text" for indented lines."""

    page: str
    number: int
    language: str
    text: str

    @property
    def file(self) -> str | None:
        """The name in its first line, ``# name.py``: the block is a file that others on the page use."""
        found = re.match(r"# ([\w.-]+\.(?:py|toml))\b", self.text)
        return found and found[1]

    @property
    def commands(self) -> list[str]:
        """The command lines of a shell block, without comments, prompts and assignments; `a && b` is two."""
        found = []
        for line in re.sub(r"\\\n", " ", self.text).splitlines():
            words = [re.sub(r"^.*/bin/", "", word) for word in shlex.split(line.removeprefix("$ "), comments=True)]
            while words:
                end = words.index("&&") if "&&" in words else len(words)
                command, words = words[:end], words[end + 1 :]
                while command and re.match(r"[A-Z_0-9]+=", command[0]):
                    command = command[1:]
                found.append(shlex.join(command))
        return found


def blocks_of(page: str) -> Iterator[Block]:
    """Every block of a page, in order."""
    for number, found in enumerate(_BLOCK.finditer(PAGES[page]), 1):
        if found["fence"]:
            words = found["language"].split()
            yield Block(page, number, words[0] if words else "", found["fenced"])
        else:
            text = "\n".join(line[4:] for line in found["indented"].rstrip("\n").splitlines())
            programs = {re.sub(r"^.*/bin/", "", word) for word in re.findall(r"^(?:[A-Z_0-9]+=\S+ )*(\S+)", text)}
            yield Block(page, number, "sh" if programs & set(PROGRAMS) else "text", text)


BLOCKS = [block for page in PAGES for block in blocks_of(page)]
