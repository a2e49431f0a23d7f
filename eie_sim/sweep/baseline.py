"""What a sweep's rows are compared with: a device of `eie_sim.baselines`, computing dense or sparse."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from compressor.types.packed import PackedLayer
from eie_sim.baselines.devices import Device, device, read_device
from eie_sim.baselines.roofline import dense_work, frame_time, sparse_work
from eie_sim.networks import published_as


class Baseline(NamedTuple):
    """A device and how it computes.

    Attributes
    ----------
    device : Device
    kind : {"dense", "sparse"}
    """

    device: Device
    kind: str


class BaselineCost(NamedTuple):
    """Modelled time and power of a baseline for one input vector."""

    time_us: float
    power_w: float


def parsed_baseline(text: str, folder: Path = Path()) -> Baseline:
    """The baseline that a string such as ``"Titan X dense"`` names; TOML files are looked for in `folder`.

    Raises
    ------
    ValueError, OSError
        If `text` does not end in dense or sparse, or its device is unknown or cannot be read.
    """
    name, _, kind = text.strip().rpartition(" ")
    if kind not in ("dense", "sparse") or not name:
        raise ValueError(f"baseline: {text!r}, but it must be a device, then dense or sparse, as in 'Titan X dense'")
    return Baseline(read_device(folder / name) if name.lower().endswith(".toml") else device(name), kind)


def beside(layers: Sequence[PackedLayer], baseline: Baseline, batch: int) -> BaselineCost:
    """Modelled time and power of a baseline on some layers, one after another.

    Raises
    ------
    ValueError
        If the device was not measured with this batch size.
    """
    model = baseline.device.efficiency(baseline.kind, batch)
    time_us = 0.0
    for layer in layers:
        shape = layer.n_cols, layer.n_rows
        if baseline.kind == "dense":
            work = dense_work(*shape, batch)
        else:
            # Of the paper's layers Table III gives the density; what is packed was drawn to come near it.
            published = published_as(layer.name, layer.n_rows, layer.n_cols)
            work = sparse_work(*shape, layer.density if published is None else published.weight_density, batch)
        time_us += frame_time(baseline.device, work, model).time_us
    return BaselineCost(time_us, baseline.device.power_w)
