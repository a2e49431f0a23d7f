"""Small layers in files, small spaces of them, and processes that run a sweep."""

import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from signal import SIG_DFL, SIGINT, signal

import numpy as np

from compressor import PackedModel, pack_codes, save_model
from eie_sim.sweep.space import Space
from eie_sim.sweep.store import Store

BOOK = np.concatenate([[0], np.linspace(-1, 1, 15)]).astype(np.float32)


def a_file(path: Path, seed: int = 0) -> str:
    """A packed layer of 60 x 40, 10 % weights, in the file `path`, whose name comes back."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(1, 16, (60, 40)) * (rng.random((60, 40)) < 0.1)
    save_model(PackedModel((pack_codes(codes, BOOK, n_pe=4, name="fc"),), ("none",)), path)
    return str(path)


def a_space(folder: Path, **axes) -> Space:
    """Two files, two seeds, two machines, two depths, two clocks: 32 points, 16 simulations, four tasks."""
    files = [a_file(folder / "a.eie", 1), a_file(folder / "b.eie", 2)]
    default = {"workload": files, "seed": [0, 1], "n_pe": [2, 4], "act_queue_depth": [1, 8], "clock_hz": [8e8, 1e9]}
    return Space(name="tiny", axes={**default, **axes})


def toml(path: Path, **axes) -> Path:
    """The space of these axes as a file."""
    path.write_text("[axes]\n" + "".join(f"{name} = {value!r}\n" for name, value in axes.items()))
    return path


def exported(store: Path) -> bytes:
    """The export of a store, which must be sound."""
    with Store(store) as opened:
        assert opened.check() == "ok"
        opened.export_csv(store.with_suffix(".csv"))
    return store.with_suffix(".csv").read_bytes()


def rows(store: Path, *columns: str) -> list[tuple]:
    """These columns of all rows."""
    with Store(store) as opened:
        return [tuple(row.values()) for row in opened.rows(columns)]


def a_process(*command: str, **more) -> subprocess.Popen:
    """Python with this command line, its kernels compiled, as the first of a group of processes, as in a terminal."""
    return subprocess.Popen(
        [sys.executable, *command],
        env={name: value for name, value in os.environ.items() if name not in ("COLUMNS", "NUMBA_DISABLE_JIT")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A job in the background of a script ignores the signal, and its children with it.
        preexec_fn=partial(signal, SIGINT, SIG_DFL),
        **more,
    )


def complaints(stderr: str) -> list[str]:
    """What a sweep said, but for where the inputs of its files are from."""
    return [line for line in stderr.splitlines() if "note: inputs of files are drawn" not in line]
