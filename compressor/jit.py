"""How this project compiles its kernels, in one place.

A *kernel* is a small function over arrays: no checks, no allocation of results, outputs last. It is compiled by numba
without fast-math (float32 results must be the bits of the written order), releases the interpreter lock so that plain
threads use all cores, and is kept on disk, in the user's cache folder (``~/.cache/eie-sim``, or ``NUMBA_CACHE_DIR``).
Where no folder is writable, it is compiled anew in each process and everything works as before.

``NUMBA_DISABLE_JIT=1`` runs the same functions as plain Python; the coverage run does.

How work is spread over cores is here too: threads for kernels, and how a process begins that works for another.
"""

import os
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, partial
from hashlib import sha256
from multiprocessing import parent_process
from pathlib import Path
from threading import Thread
from typing import Any, TypeAlias, TypeVar, cast

import numba
import numpy as np

Arg: TypeAlias = Any
"""An argument of a kernel, an array or a number: numba finds its type where the kernel is called."""

Function = TypeVar("Function", bound=Callable[..., Any])
Item = TypeVar("Item")
Result = TypeVar("Result")

JIT = os.environ.get("NUMBA_DISABLE_JIT", "0") == "0"
"""Whether kernels are compiled."""

_OPTIONS: dict[str, Any] = {"nogil": True, "fastmath": False, "error_model": "numpy"}


@cache
def _cache_folder() -> str:
    """The user's cache folder for compiled kernels, or "" where it cannot be written: then numba looks for a place.

    numba's first choice would be beside the sources. In site-packages pip would leave those files behind when it
    removes the package, and the folders that hold them would hide a package installed from elsewhere.
    """
    try:
        home = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA") or Path.home() / ".cache"
        folder = Path(home) / "eie-sim" / "kernels"
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # RuntimeError: there is no home
        return ""
    return str(folder) if os.access(folder, os.W_OK) else ""


@cache
def _source_stamp() -> tuple[tuple[str, int, int], ...]:
    """Name, size and time of every source file of both packages."""
    root = Path(__file__).resolve().parents[1]
    files = sorted(path for package in ("compressor", "eie_sim") for path in (root / package).rglob("*.py"))
    return tuple((str(path.relative_to(root)), path.stat().st_size, path.stat().st_mtime_ns) for path in files)


def kernel(function: Function) -> Function:
    """Compile `function` on its first call, cached on disk where that is possible."""
    if not JIT:  # numbers beyond the largest become infinite without a word, as in a compiled kernel
        return np.errstate(all="ignore")(function)
    config: Any = numba.config
    before = config.CACHE_DIR
    config.CACHE_DIR = before or _cache_folder()
    try:
        compiled = numba.njit(cache=True, **_OPTIONS)(function)
    except RuntimeError:  # numba finds no writable folder for its cache
        compiled = numba.njit(**_OPTIONS)(function)
    finally:
        config.CACHE_DIR = before
    # numba takes a cached kernel for fresh while the file it stands in is unchanged; but it holds the code of kernels
    # that it calls in other files too. One stamp for all of them keeps an upgrade from running yesterday's arithmetic.
    file = _cache_file(compiled)
    if file is not None and hasattr(file, "_source_stamp"):
        file._source_stamp = (file._source_stamp, _source_stamp())
        file.save = partial(_keep, file)
    return cast(Function, compiled)


def _cache_file(compiled: Function) -> Any:
    """Where numba keeps a kernel on disk; None for one that is kept nowhere."""
    return getattr(getattr(compiled, "_cache", None), "_cache_file", None)


def _keep(file: Any, key: Any, data: Any) -> None:
    """Save a compiled kernel as numba does, but under a name of its own.

    numba numbers its files: two processes that save at once take the same number, and one finds the other's code there.
    A process that loses its line of the index here only compiles again.
    """
    name = file._data_name(int.from_bytes(sha256(repr((key, file._source_stamp)).encode()).digest()[:6]))
    file._save_data(name, data)  # before the index names it to other processes
    file._save_index({**file._load_index(), key: name})


def will_be_kept(compiled: Function) -> bool:
    """Whether a kernel's first call will compile it and keep it on disk: nothing of it is there yet."""
    file = _cache_file(compiled)
    return file is not None and not file._load_index()


def inlined(function: Function) -> Function:
    """A part of a kernel, put into its callers before they are compiled: no call, and no count of references."""
    return cast(Function, numba.njit(inline="always", **_OPTIONS)(function))


def available_cores() -> int:
    """Cores this process may run on (its affinity mask, not the machine's total)."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS, Windows
        return os.cpu_count() or 1


_MOST_THREADS = 256
"""That are ever kept; each is started when it is first needed."""

_THREADS: ContextVar[int | None] = ContextVar("threads", default=None)


@contextmanager
def threads_at_most(count: int) -> Iterator[None]:
    """Let `in_threads` start no more than this: for a process that has others of its kind beside it."""
    token = _THREADS.set(count)
    try:
        yield
    finally:
        _THREADS.reset(token)


@cache
def _threads() -> ThreadPoolExecutor:
    """Threads that stay: starting one takes up to a millisecond, as long as a chunk of a batch."""
    return ThreadPoolExecutor(_MOST_THREADS)


if hasattr(os, "register_at_fork"):  # a forked process has none of them
    os.register_at_fork(after_in_child=_threads.cache_clear)


def in_threads(function: Callable[[Item], Result], items: Iterable[Item], workers: int | None = None) -> list[Result]:
    """``[function(item) for item in items]`` on several threads; results in the order of `items`.

    `function` should spend its time in kernels, which release the interpreter lock. The result must not depend on
    `workers`: that is the caller's promise, and what makes it safe to choose by machine.
    """
    work: Sequence[Item] = list(items)
    threads = min(len(work), workers or _THREADS.get() or available_cores())
    if threads <= 1:
        return [function(item) for item in work]
    left = iter(range(len(work)))  # its next number is taken under the interpreter lock
    results: dict[int, Result] = {}
    errors: dict[int, BaseException] = {}

    def take_items() -> None:
        for at in left:
            if errors:
                return
            try:
                results[at] = function(work[at])
            except BaseException as error:
                errors[at] = error

    # The caller works too, and does not wait for threads that have not begun: those may be busy with its own caller.
    pool = _threads()
    others = [pool.submit(take_items) for _ in range(threads - 1)]
    take_items()
    wait([other for other in others if not other.cancel()])
    if errors:  # items before the first that failed were all taken, so that this error is the same every time
        raise errors[min(errors)]
    return [results[at] for at in range(len(work))]


def begin_worker() -> None:
    """Begin a process that works for another: leave Ctrl-C, which reaches both, to the other one, and end with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    assert parent is not None

    def end_with_it() -> None:
        parent.join()
        os._exit(1)  # not sys.exit: that would end this thread alone

    Thread(target=end_with_it, daemon=True).start()
