"""A machine from a configuration of SCALE-Sim (``scale.cfg``): what has a counterpart in EIE, and what has not."""

from configparser import ConfigParser, Error
from os import PathLike
from pathlib import Path

from compressor.storage.files import errors_name
from compressor.storage.text_file import read_text
from eie_sim.arch import ArchConfig

SUFFIX = ".cfg"

_SECTION = "architecture_presets"
_HEIGHT, _WIDTH = "ArrayHeight", "ArrayWidth"


class _Parser(ConfigParser):
    def optionxform(self, optionstr: str) -> str:
        """The name as it is written, for notes."""
        return optionstr


def read_scalesim_config(path: str | PathLike[str]) -> tuple[ArchConfig, tuple[str, ...]]:
    """The machine with as many PEs as SCALE-Sim's array has multipliers, and notes on the fields of the file.

    ``ArrayHeight`` x ``ArrayWidth`` is ``n_pe``. The file's other fields describe a systolic array, its dataflow and
    buffers; none is a parameter of EIE.

    Raises
    ------
    ValueError
        If the file is not such a configuration, or a size of the array is missing or not a positive integer; one line.
    OSError
        If the file cannot be read.
    """
    name = Path(path).name
    parser = _Parser(interpolation=None, strict=False, inline_comment_prefixes=("#", ";"))
    with errors_name(Path(path)):
        text = read_text(path, "configuration of SCALE-Sim")
    try:
        parser.read_string(text)
    except Error:
        raise ValueError(f"{path}: is not a configuration of SCALE-Sim: no sections of NAME = VALUE") from None
    if not parser.has_section(_SECTION):
        raise ValueError(f"{path}: is not a configuration of SCALE-Sim: no section [{_SECTION}]")
    sizes = {key.lower(): (key, value) for key, value in parser[_SECTION].items()}
    height, width = (_size(path, sizes.get(field.lower(), (field, ""))) for field in (_HEIGHT, _WIDTH))
    machine = ArchConfig(name=Path(path).stem, n_pe=height * width)
    taken = {_HEIGHT.lower(), _WIDTH.lower(), "run_name"}
    others = [key for section in parser.sections() for key in parser[section] if key.lower() not in taken]
    notes = [
        f"{name}: a configuration of SCALE-Sim; taken over: n_pe = {_HEIGHT} x {_WIDTH} = {height} x {width} = "
        f"{machine.n_pe:,}; all else as in eie-64pe-45nm"
    ]
    if others:
        notes.append(f"{name}: without a counterpart in EIE, not taken over: {', '.join(others)}")
    return machine, tuple(notes)


def _size(path: str | PathLike[str], field: tuple[str, str]) -> int:
    key, text = field
    if not (text.isascii() and text.isdecimal()) or not int(text[:9]) >= 1 or len(text) > 9:
        raise ValueError(f"{path}: {key}: {text!r}, but it must be a whole number, at least 1, of at most 9 digits")
    return int(text)
