"""What the paper published of the nine layers on CPU, GPU and mobile GPU, and the models that fit it."""

from collections.abc import Sequence

from eie_sim.baselines.devices import Device, Efficiency, Kind
from eie_sim.baselines.fit import fit_efficiency
from eie_sim.baselines.roofline import RooflineWork, dense_work, sparse_work
from eie_sim.networks import published_layer
from eie_sim.paper import (
    FIG_7,
    FIG_7_EIE_POWER_W,
    LAYERS,
    POWER_PER_LAYER,
    TABLE_IV,
    TABLE_IV_PLATFORMS,
    TABLE_V,
)

KINDS: tuple[Kind, ...] = ("dense", "sparse")
BATCHES = (1, 64)
"""Batch sizes of Table IV."""


def published_time_us(device: Device, layer: str, kind: Kind, batch: int) -> float:
    """Time of a frame of one of the nine layers in EIE Table IV, microseconds.

    Raises
    ------
    ValueError
        When the device, the layer, the kind or the batch size is not in Table IV.
    """
    return TABLE_IV.given(_row(device, kind, batch), layer)


def published_power_w(device: Device, layer: str, kind: Kind, batch: int) -> tuple[float, str]:
    """Power while that layer runs, W, and what it is from.

    Printed for the layers of AlexNet and VGG-16; for those of NeuralTalk at batch 1 what Fig. 7 implies; else Table
    V's, which is that of dense Alex-7.

    Raises
    ------
    ValueError
        As for `published_time_us`.
    """
    published_time_us(device, layer, kind, batch)  # what is not in Table IV is an error here too
    if layer in POWER_PER_LAYER.columns:
        return POWER_PER_LAYER.given(_row(device, kind, batch), layer), POWER_PER_LAYER.source
    if batch == 1:
        return power_of_fig_7_w(device, layer, kind), f"{FIG_7.source}, implied"
    assert device.published_as is not None  # or there was no published time
    return TABLE_V.given("power_w", device.published_as), TABLE_V.source


def power_of_fig_7_w(device: Device, layer: str, kind: Kind) -> float:
    """Power at batch 1 that the energy efficiencies of EIE Fig. 7 imply with the times of Table IV, W.

    The figure's row of EIE gives the energy of the dense CPU, every other row that of its platform. Their labels are
    whole numbers: 1 % on the CPU's dense layers, up to 14 % elsewhere (where 4 stands for 3.5 to 4.5).

    Raises
    ------
    ValueError
        As for `published_time_us`.
    """
    time_us = published_time_us(device, layer, kind, 1)
    energy_uj = FIG_7.given("eie", layer) * TABLE_IV.given("eie actual", layer) * FIG_7_EIE_POWER_W
    row = _row(device, kind, 1).replace(" batch 1", "")
    return energy_uj / time_us / (1 if row == "cpu dense" else FIG_7.given(row, layer))


def layer_work(layer: str, kind: Kind, batch: int) -> RooflineWork:
    """Work of one of the nine layers, with the sizes and the weight density of Table III.

    Raises
    ------
    ValueError
        When there is no such layer, or the batch size is no whole number of at least 1.
    """
    one = published_layer(layer)
    if kind == "dense":
        return dense_work(one.inputs, one.outputs, batch)
    return sparse_work(one.inputs, one.outputs, one.weight_density, batch)


def fit_published(device: Device, kind: Kind, batch: int, layers: Sequence[str] = LAYERS) -> Efficiency:
    """The parameters that fit the published times of `layers` best; those of the device's file are all nine layers'.

    Raises
    ------
    ValueError
        As for `published_time_us`, or when there is no layer.
    """
    times_us = [published_time_us(device, layer, kind, batch) for layer in layers]
    works = [layer_work(layer, kind, batch) for layer in layers]
    return fit_efficiency(device, kind, batch, works, times_us, f"{TABLE_IV.source}, {len(layers)} layers")


def _row(device: Device, kind: str, batch: int) -> str:
    if device.published_as is None:
        raise ValueError(f"{device.name}: no published times, but for {', '.join(TABLE_IV_PLATFORMS)}")
    if kind not in KINDS:
        raise ValueError(f"kind: {kind!r}, but it must be one of {', '.join(KINDS)}")
    if batch not in BATCHES:
        raise ValueError(f"batch: {batch}, but {TABLE_IV.source} has {' and '.join(map(str, BATCHES))}")
    return f"{TABLE_IV_PLATFORMS[device.published_as]} batch {batch} {kind}"
