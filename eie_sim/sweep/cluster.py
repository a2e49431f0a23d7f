"""A Dask cluster as an executor (extra ``distributed``)."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, cast

from eie_sim.executors import LostWorkers

CONNECT_S = 6
"""How long a scheduler may take to answer."""


@contextmanager
def dask_executor(address: str) -> Iterator[Executor]:
    """An executor on the workers of the Dask scheduler at `address`.

    Raises
    ------
    ImportError
        Without the extra ``distributed``.
    ConnectionError
        When nobody answers there.
    LostWorkers
        When there is no worker.
    """
    try:
        from distributed import Client
    except ImportError:
        raise ImportError("a Dask cluster needs pip install 'eie-sim[distributed]'") from None
    connect: Any = Client
    try:
        # First without a client: one that has not found its scheduler takes many seconds to end.
        with ThreadPoolExecutor(1) as thread:  # the caller's own may be in an event loop, as a notebook's is
            thread.submit(asyncio.run, _knock(address)).result()
        client = connect(address, timeout=CONNECT_S, set_as_default=False)
    # Who speaks another protocol seems to announce a message of any length: MemoryError.
    except (OSError, TimeoutError, ValueError, TypeError, AssertionError, MemoryError) as error:
        said = "something else does" if isinstance(error, MemoryError) else error
        raise ConnectionError(f"{address}: no Dask scheduler answers ({said})") from None
    try:
        workers = len(client.scheduler_info(n_workers=-1)["workers"])
        if not workers:
            raise LostWorkers(f"{address}: the scheduler has no worker")
        executor = client.get_executor(pure=False, retries=2)
        # What `run_on` asks an executor for: how many tasks it works on at once, and why none may be done.
        executor._max_workers = max(1, sum(client.nthreads().values()))
        executor.trouble = lambda: "" if client.nthreads() else f"{address}: no worker is left; waiting for one"
        yield cast(Executor, executor)
    finally:
        client.close(timeout=2)


async def _knock(address: str) -> None:
    """Connect to a scheduler and leave again."""
    from distributed import security
    from distributed.comm import core

    untyped: Any = (core, security)
    arguments = untyped[1].Security().get_connection_args("client")
    comm = await untyped[0].connect(address, timeout=CONNECT_S, **arguments)
    await comm.close()
