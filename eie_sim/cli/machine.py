"""The machine of a command line: a preset or a TOML file, and changes."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from compressor.messages import printable, shown
from compressor.storage.toml_file import parse_toml
from eie_sim.arch import ArchConfig, preset
from eie_sim.engines.base import DEFAULT_MACHINE
from eie_sim.sources import scalesim_config


def chosen_machine(
    preset_name: str | None,
    arch_file: Path | None,
    settings: Sequence[str] | None,
    say: Callable[[str], object] = lambda _text: None,
) -> ArchConfig:
    """The machine that ``--preset``, ``--arch`` and ``--set`` describe.

    Parameters
    ----------
    preset_name : str or None
    arch_file : Path or None
        A TOML file, or a configuration of SCALE-Sim.
    settings : sequence of str or None
    say : function of str
        Called with what a user should know of the file.

    Raises
    ------
    ValueError
        When both a preset and a file are given, or a parameter or value is wrong.
    OSError
        When the file cannot be read.
    """
    if preset_name is not None and arch_file is not None:
        raise ValueError('--preset and --arch: give one of them (a file may begin with preset = "NAME")')
    notes: tuple[str, ...] = ()
    if arch_file is None:
        base = preset(preset_name or DEFAULT_MACHINE)
    elif arch_file.suffix.lower() == scalesim_config.SUFFIX:
        base, notes = scalesim_config.read_scalesim_config(arch_file)
    else:
        base = ArchConfig.from_toml(arch_file)
    for note in notes:
        say(note)
    changes: dict[str, Any] = {}
    for setting in settings or []:
        name, equals, value = setting.partition("=")
        if not equals or not name.strip():
            raise ValueError(f"--set: {setting!r}, but it must be NAME=VALUE")
        changes[name.strip()] = _value(value.strip())
    if not changes:
        return base
    if "name" not in changes:  # a preset's name alone would promise the preset's parameters
        changes["name"] = ", ".join([base.name, *(f"{name}={_in_name(value)}" for name, value in changes.items())])
    try:
        return base.replace(**changes)
    except ValueError as error:
        raise ValueError(f"--set: {error}") from None


_LONGEST_IN_NAME = 40


def _in_name(value: object) -> str:
    """A value as the machine's name has it: short and in one line, though it may be refused in a moment."""
    text = printable(value if isinstance(value, str) else shown(value))
    return text if len(text) <= _LONGEST_IN_NAME else text[:_LONGEST_IN_NAME] + "..."


def _value(text: str) -> Any:
    """`text` as TOML; a word that is none, such as ``fixed16``, is a text, and ``none`` is no value."""
    try:
        found = parse_toml("value", f"value = {text}")
    except ValueError:
        return None if text.lower() == "none" else text
    return found["value"] if len(found) == 1 else text
