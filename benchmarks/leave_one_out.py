"""How well the models of CPU, GPU and mobile GPU predict a layer that their fit never saw."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from eie_sim.baselines.devices import Device, Kind
from eie_sim.baselines.published import fit_published, layer_work, published_power_w, published_time_us
from eie_sim.baselines.roofline import frame_time
from eie_sim.paper import LAYERS


@dataclass(frozen=True)
class LayerComparison:
    """One layer on one device: the published time, the model's, and that of a fit without this layer.

    Attributes
    ----------
    layer : str
    published_us, modelled_us : float
        Time of a frame. The model has the parameters of the device's file, which saw all nine layers.
    left_out_us : float
        The prediction of a model that was fitted to the other eight layers.
    power_w : float
    power_source : str
        The table or figure that `power_w` is from.
    """

    layer: str
    published_us: float
    modelled_us: float
    left_out_us: float
    power_w: float
    power_source: str

    @property
    def error_pct(self) -> float:
        """How far the model is above the published time, percent of it."""
        return 100 * (self.modelled_us / self.published_us - 1)

    @property
    def left_out_error_pct(self) -> float:
        """As `error_pct`, of the prediction that never saw this layer."""
        return 100 * (self.left_out_us / self.published_us - 1)

    @property
    def published_uj(self) -> float:
        """Energy of a frame, microjoule: published time x published power."""
        return self.published_us * self.power_w

    @property
    def modelled_uj(self) -> float:
        """Energy of a frame, microjoule: modelled time x published power."""
        return self.modelled_us * self.power_w


def against_published(device: Device, kind: Kind, batch: int) -> tuple[LayerComparison, ...]:
    """All nine layers on `device`: published, modelled, and predicted from the other eight.

    Raises
    ------
    ValueError
        As for `published_time_us`, or when the device has no efficiency for that kind and batch size.
    """
    rows = []
    for layer in LAYERS:
        published_us = published_time_us(device, layer, kind, batch)
        work = layer_work(layer, kind, batch)
        # Leave one out: this layer's time plays no part in the parameters that predict it.
        others = fit_published(device, kind, batch, [other for other in LAYERS if other != layer])
        rows.append(
            LayerComparison(
                layer,
                published_us,
                frame_time(device, work, device.efficiency(kind, batch)).time_us,
                frame_time(device, work, others).time_us,
                *published_power_w(device, layer, kind, batch),
            )
        )
    return tuple(rows)


def median_left_out_error_pct(rows: Sequence[LayerComparison]) -> float:
    """Median over the layers of the size of `left_out_error_pct`."""
    return statistics.median(abs(row.left_out_error_pct) for row in rows)
