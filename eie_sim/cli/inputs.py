"""What a command line asks to simulate: its options given to `eie_sim.sources.loading`, and errors in its own words."""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from eie_sim.arch import NETWORK_LEVEL, ArchConfig
from eie_sim.sources import Job, Note, load
from eie_sim.sources.job import notes_of
from eie_sim.sources.options import Cure, OptionError, PackingError
from eie_sim.workload import Workload

Say = Callable[[str], object]


def asked_for(file: str | None, eie_simulator: Path | None, arch: ArchConfig | None, say: Say, **options: Any) -> Job:
    """What the options of a command name.

    Parameters
    ----------
    file : str or None
        What to run, as the user typed it.
    eie_simulator : Path or None
        A data folder of the EIE authors' simulator. None for both: the nine layers.
    arch : ArchConfig or None
    say : function of a str
        Called with each note, when nothing can be refused any more.
    **options
        Of `eie_sim.sources.loading.load`.

    Raises
    ------
    ValueError, OSError
        As for `load`; options are named as the user types them.
    """
    if file is not None and eie_simulator is not None:
        raise ValueError("--eie-simulator: give a file or a folder, not both")
    for name in NETWORK_LEVEL if arch is not None else ():
        if getattr(arch, name) != ArchConfig.model_fields[name].default:
            raise ValueError(f"{name}: {getattr(arch, name)}, but it is for a whole network, which takes --inputs")
    if file is not None and (Path(file) / "results.json").is_file():
        raise ValueError(f"{file}: is a folder of results; eie-sim report {file} reads them")
    what = file
    if eie_simulator is not None:
        if not eie_simulator.exists():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(eie_simulator))
        if not eie_simulator.is_dir():
            raise ValueError(f"--eie-simulator: {eie_simulator}: is not a folder")
        what = f"{os.curdir}{os.sep}{eie_simulator}" if not eie_simulator.is_absolute() else str(eie_simulator)
    with options_as_typed():
        found = load(what, arch, **options)
    for note in found.notes:
        say(note_text(note))
    return found


@contextmanager
def options_as_typed() -> Iterator[None]:
    """Errors about options of `load` name them as on the command line."""
    try:
        yield
    except OptionError as error:
        cure = "" if error.cure is None else f"; {_typed(error.cure)}"
        raise ValueError(f"{_flag(error.option)}: {error.problem}{cure}") from None
    except PackingError as error:
        raise ValueError(f"{error.problem} ({_typed(error.cure)})") from None


def note_text(note: Note) -> str:
    """A note, with the option that changes it as the user types it."""
    return note.text if note.cure is None else f"{note.text} ({_typed(note.cure)})"


def each_announced(job: Job, say: Say) -> Iterator[Workload]:
    """The workloads of a job that is not a chain, one after another, each after those of its notes not said yet."""
    for workload in job:
        for note in notes_of(workload.layer, workload.origin):
            if note not in job.notes:
                say(note_text(note))
        yield workload


def _typed(cure: Cure) -> str:
    return f"{_flag(cure.option)} {cure.does}"


def _flag(option: str) -> str:
    """An option of `load`, or a field of the machine with its value, as on the command line."""
    return f"--set {option}" if "=" in option else f"--{option.replace('_', '-')}"
