"""A Dask cluster as an executor (extra ``distributed``)."""

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import Any, cast

from eie_sim.executors import LostWorkers

CONNECT_S = 8
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
        client = connect(address, timeout=CONNECT_S, set_as_default=False)
    except (OSError, TimeoutError, ValueError, AssertionError) as error:  # the last: its loop did not start in time
        raise ConnectionError(f"{address}: no Dask scheduler answers ({error})") from None
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
