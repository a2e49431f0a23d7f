"""Reading files that nobody has vouched for, and writing files that are never half there."""

import errno
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

_MESSAGE_LIMIT = 500  # characters: a forged name of a megabyte must not become a message of a megabyte
_MEMORY_FACTOR, _MEMORY_BASE = 10, 100_000_000  # bytes of memory per byte of file, and beside it


class FormatError(ValueError):
    """A file is not what its format says; the message names the file, the thing, the value and the limit."""


@contextmanager
def errors_name(path: Path) -> Iterator[None]:
    """Every ValueError of the block becomes a `FormatError` that begins with `path`."""
    try:
        yield
    except ValueError as error:
        text = str(error)
        shown = text if len(text) <= _MESSAGE_LIMIT else f"{text[:_MESSAGE_LIMIT]} ..."
        raise FormatError(f"{path}: {shown}") from error


def file_size(path: Path) -> int:
    """Bytes of a regular file; anything else is an OSError, for a pipe would hang and a device never end."""
    status = path.stat()
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return status.st_size


FOREIGN_SUFFIXES = frozenset((
    ".eie", ".dcz", ".onnx", ".pt", ".pth", ".ckpt", ".npz", ".npy", ".safetensors", ".net", ".mtx", ".csv",
    ".json", ".toml",
))  # fmt: skip
"""Ends of the names of files that have a form of their own."""


def check_suffix(path: Path, own: str, what: str) -> None:
    """Refuse to write `what`, whose names end in `own`, under a name that promises another form.

    Raises
    ------
    ValueError
        If the name ends in one of the other `FOREIGN_SUFFIXES`.
    """
    suffix = path.suffix.lower()
    if suffix in FOREIGN_SUFFIXES and suffix != own:
        raise ValueError(f"{path}: its name ends in {path.suffix!r}, but {what} is written; end it in {own!r}")


def memory_limit(size: int) -> int:
    """Most bytes of memory that reading a file of `size` bytes may take, whatever sizes the file declares."""
    return _MEMORY_FACTOR * size + _MEMORY_BASE


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A new file, open for writing, that takes the place of `path` when the block ends without an error.

    It is written beside its target, synced to the disk and renamed, so that a reader sees the old file or the whole new
    one, never a part; a memory map of the old file stays valid. After an error nothing is left behind.

    Raises
    ------
    OSError
        When it cannot be written, or something that is no regular file stands there; it names `path`.
    """
    target = Path(os.path.realpath(path))  # through a symbolic link, as an ordinary write
    temporary = target.with_name(_temporary_name())
    with _os_errors_name(path, temporary):
        if target.exists():
            file_size(target)  # a folder cannot be replaced, and a device such as /dev/null must not be
        try:
            with temporary.open("xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(target)
        except BaseException:
            with suppress(OSError):  # the folder itself may not be there
                temporary.unlink()
            raise
    _sync_folder(target.parent)


@contextmanager
def replacing_in(folder: Path) -> Iterator[Path]:
    """An empty folder whose files move into `folder`, which is there, when the block ends without an error.

    All of them are written and synced to the disk before the first takes its place; what else is in `folder` stays.
    After an error in the block nothing has changed and nothing is left behind.

    Raises
    ------
    OSError
        When one cannot be written; it names the file in `folder`.
    """
    temporary = folder / _temporary_name()
    with _os_errors_name(folder, temporary):
        temporary.mkdir()
        try:
            yield temporary
            files = sorted(temporary.iterdir())
            for file in files:
                _sync(file, os.O_RDWR)
            for file in files:
                file.replace(folder / file.name)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    _sync_folder(folder)


@contextmanager
def creating_folder(folder: Path) -> Iterator[Path]:
    """A new folder that becomes `folder` when the block ends without an error; after an error nothing is left behind.

    Raises
    ------
    ValueError
        When `folder` is there and not empty.
    OSError
        When it cannot be made; it names `folder` or a file in it.
    """
    target = Path(os.path.realpath(folder))
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ValueError(f"{folder}: is there already, but it must be a new or empty folder")
    temporary = target.with_name(_temporary_name())
    with _os_errors_name(folder, temporary):
        temporary.mkdir()
        try:
            yield temporary
            if target.exists():
                target.rmdir()  # fails, as it must, when somebody has put a file there meanwhile
            temporary.rename(target)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
    _sync_folder(target.parent)


@contextmanager
def _os_errors_name(path: Path, temporary: Path) -> Iterator[None]:
    """An OSError about `temporary`, or about no file, names `path` instead; about a file in it, that file in `path`."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        about = temporary if error.filename is None else Path(str(error.filename))
        if about == Path(os.path.realpath(path)):
            about = temporary
        if not about.is_relative_to(temporary):  # another file, of which the block knows
            raise
        raise OSError(error.errno, error.strerror, str(path / about.relative_to(temporary))) from None


def _temporary_name() -> str:
    return f".{secrets.token_hex(8)}.tmp"


def _sync_folder(folder: Path) -> None:
    """Make a rename last through a power cut, where the system can."""
    with suppress(OSError):  # Windows opens no folders, and some file systems cannot sync them; the file itself is safe
        _sync(folder, os.O_RDONLY)


def _sync(path: Path, flags: int) -> None:
    handle = os.open(path, flags)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
