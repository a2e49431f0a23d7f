"""Measurements that nobody measured, for tests of what is done with one."""

from itertools import product

from eie_sim.baselines.cpu_measurement import CpuMeasurement, MeasuredCell, MeasuredLayer, MeasuredMethod
from eie_sim.baselines.host import Host

KINDS = {"numpy-dense": "dense", "scipy-csr": "sparse", "numba-csc": "skipping"}
TIMES_US = {"numpy-dense": 30.0, "scipy-csr": 10.0, "numba-csc": 5.0}


def a_measurement(
    layers=("a", "b"), us=lambda _layer, method: TIMES_US[method], samples=20, batches=(1,), threads=(1,),
    caches=("cold",), **changes,
):  # fmt: skip
    """Every sample of a cell takes ``us(layer, method)``, but the last, which takes twice as long."""
    cells = tuple(
        MeasuredCell.of_samples(
            [us(layer, method)] * (samples - 1) + [2 * us(layer, method)] * (samples > 0),
            layer=layer, method=method, batch=batch, threads=count, cache=cache, thrown_away=1, energy_uj=None,
        )
        for layer, method, batch, count, cache in product(layers, KINDS, batches, threads, caches)
    )  # fmt: skip
    values = {
        "host": Host(
            cpu="Abacus", cores=2, caches=(), memory_bytes=None, system="s", python="3", versions={}, load_1min=None
        ),
        "processes": (),
        "quiet_by": "counted",
        "flush_bytes": 0,
        "samples_wanted": 20,
        "limit_s": 1.0,
        "energy": None,
        "absent": {},
        "layers": tuple(
            MeasuredLayer(name=name, n_rows=3, n_cols=4, weight_density=0.1, act_density=0.5, origin="drawn")
            for name in layers
        ),
        "methods": tuple(
            MeasuredMethod(name=name, library=name.partition("-")[0], version="1", kernel="k", kind=kind)
            for name, kind in KINDS.items()
        ),
        "batches": batches,
        "threads": threads,
        "caches": caches,
        "cells": cells,
    }
    return CpuMeasurement(**{**values, **changes})
