"""The nine layers of the EIE paper, one TOML file a network: sizes and densities of Table III, our fits to the figures.

A further network is one more file of the same form, named in `FILES`.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType

from eie_sim.networks.statistics import LayerStatistics

FILES = ("alexnet", "vgg16", "neuraltalk")
"""Files of networks, in the order of Table III."""

FITS = ("all_points", "pe64")
"""What the parameters of a layer were fitted to: every point of Figs 8 (depth 2 and more), 12, 13 and Table IV, or the
64-PE machine with queues of 8 alone, which leaves the other points as predictions."""

DEFAULT_FIT = FITS[0]


@dataclass(frozen=True)
class PublishedLayer:
    """One row of Table III, and the statistics fitted to what the paper shows of that layer.

    Attributes
    ----------
    name, network, role, source : str
    inputs, outputs : int
    weight_density, act_density, flop_density : float
        As printed in Table III, rounded there to a percent (activations: a tenth); the fits have their own.
    activation : str
        Function applied to the outputs, one of `compressor.types.model_checks.ACTIVATION_FUNCTIONS`.
    block_columns : int or None
        Columns of one block of the generator; None: the layer has no blocks.
    block_offset : int
        Columns before the first block.
    block_meaning : str
        What a block of columns is.
    fits : mapping of str to LayerStatistics
        For each of `FITS`.
    """

    name: str
    network: str
    role: str
    source: str
    inputs: int
    outputs: int
    weight_density: float
    act_density: float
    flop_density: float
    activation: str
    block_columns: int | None
    block_offset: int
    block_meaning: str
    fits: Mapping[str, LayerStatistics]

    def statistics(self, fit: str = DEFAULT_FIT) -> LayerStatistics:
        """The statistics of one of `FITS`.

        Raises
        ------
        ValueError
            When there is no such fit.
        """
        if fit not in self.fits:
            raise ValueError(f"fit: {fit!r}, but it must be one of {', '.join(self.fits)}")
        return self.fits[fit]


def published_as(name: str, n_rows: int, n_cols: int) -> PublishedLayer | None:
    """The one of the nine layers that has this name and this size; None for any other layer."""
    layer = published_layers().get(name)
    return layer if layer is not None and (layer.outputs, layer.inputs) == (n_rows, n_cols) else None


@cache
def published_layers() -> Mapping[str, PublishedLayer]:
    """The nine layers by name, in the order of Table III."""
    layers = {}
    for file in FILES:
        content = tomllib.loads(files(__name__).joinpath(f"{file}.toml").read_text(encoding="utf-8"))
        for table in content["layers"]:
            blocks = table.pop("blocks", {"columns": None, "offset": 0, "meaning": ""})
            place = {"block_columns": blocks["columns"], "block_offset": blocks["offset"]}
            # Every fit of a layer draws it in the same blocks, so these are written once in the file.
            fits = {fit: LayerStatistics(**numbers, **place) for fit, numbers in table.pop("fits").items()}
            layers[table["name"]] = PublishedLayer(
                network=content["network"],
                source=content["source"],
                **table,
                **place,
                block_meaning=blocks["meaning"],
                fits=MappingProxyType(fits),
            )
    return MappingProxyType(layers)


def published_layer(name: str) -> PublishedLayer:
    """The layer called `name`.

    Raises
    ------
    ValueError
        When there is none of that name.
    """
    layers = published_layers()
    if name not in layers:
        raise ValueError(f"layer: {name!r}, but the published layers are {', '.join(layers)}")
    return layers[name]
