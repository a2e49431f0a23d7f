"""Whether a result can be written where it is wanted: looked at before minutes go into computing it."""

import errno
import os
from collections.abc import Iterable
from pathlib import Path


def check_target_file(option: str, file: Path) -> None:
    """Check that `file` can be written or replaced.

    Parameters
    ----------
    option : str
        What asked for it, for the message.
    file : Path

    Raises
    ------
    ValueError
        When its folder is not there, or something that is no regular file stands in its place.
    OSError
        When its folder cannot be written to.
    """
    if not file.parent.is_dir():
        raise ValueError(f"{option}: {file.parent}: no such folder")
    _check_regular(option, file)
    _check_writable(option, file.resolve().parent)


def check_target_folder(option: str, folder: Path, files: Iterable[str]) -> None:
    """Make `folder` where it is not there, and check that `files` can be written or replaced in it.

    Raises
    ------
    ValueError, OSError
        As for `check_target_file`; when the folder cannot be made.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _check_writable(option, folder)
    for name in files:
        _check_regular(option, folder / name)


def _check_regular(option: str, file: Path) -> None:
    if file.is_dir():
        raise ValueError(f"{option}: {file}: is a folder")
    if file.exists() and not file.is_file():
        raise ValueError(f"{option}: {file}: is no regular file")


def _check_writable(option: str, folder: Path) -> None:
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), f"{option}: {folder}")
