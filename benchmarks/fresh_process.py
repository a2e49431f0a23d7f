"""One function in a process of its own, so that its peak memory and the loading of its kernels are its own."""

import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import TypeVar

from benchmarks.pack_speed import memory_bytes

Result = TypeVar("Result")


def in_fresh_process(function: Callable[[], Result]) -> Result:
    """What `function` returns in a new interpreter; both must be picklable.

    Raises
    ------
    RuntimeError
        When the process ends without an answer; its own error is on stderr.
    """
    spawn = multiprocessing.get_context("spawn")
    receiver, sender = spawn.Pipe(duplex=False)
    child = spawn.Process(target=_answer, args=(function, sender))
    child.start()
    sender.close()
    try:
        result: Result = receiver.recv()
    except EOFError:
        raise RuntimeError(f"{function}: the measuring process ended without an answer") from None
    finally:
        child.join()
    return result


def _answer(function: Callable[[], object], sender: Connection) -> None:
    sender.send(function())


def peak_bytes() -> int | None:
    """The most memory this process has had resident, in bytes; None where the system does not tell."""
    try:
        return memory_bytes("VmHWM")
    except OSError:  # no /proc
        return None
