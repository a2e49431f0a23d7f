"""The nine layers' parameters: nothing of them changes unnoticed."""

import pytest

from compressor.types.model_checks import ACTIVATION_FUNCTIONS
from eie_sim.networks import FITS, published_layer, published_layers
from eie_sim.paper import LAYERS

NAMES = {
    "w": "weight_density",
    "a": "act_density",
    "sr": "row_spread",
    "sc": "column_spread",
    "sg": "interaction",
    "ts": "row_trend",
    "la": "act_run",
}

# The fits as they were made, in the symbols of the generator's fit: to all points, and to the 64-PE machine alone.
FITTED = {
    "Alex-6": (
        {"w": 0.09242, "a": 0.34878, "sr": 0.1, "la": 2.0, "sc": 0.34185, "sg": 1.01938},
        {"w": 0.09333, "a": 0.34603, "sr": 0.1, "la": 2.0, "sc": 0.17336, "sg": 1.09786},
    ),
    "Alex-7": (
        {"w": 0.09277, "a": 0.32619, "sr": 0.12702, "sc": 0.15846},
        {"w": 0.0916, "a": 0.32904, "sr": 0.11093, "sc": 0.14403},
    ),
    "Alex-8": (
        {"w": 0.2529, "a": 0.44068, "sr": 0.13419, "sc": 0.1177},
        {"w": 0.2514, "a": 0.44358, "sr": 0.11448, "sc": 0.14113},
    ),
    "VGG-6": (
        {"w": 0.04007, "a": 0.23277, "sr": 0.1, "la": 3.0, "sc": 0.59956, "sg": 2.33294},
        {"w": 0.03898, "a": 0.23804, "sr": 0.1, "la": 3.0, "sc": 0.61338, "sg": 2.13808},
    ),
    "VGG-7": (
        {"w": 0.03851, "a": 0.39732, "sr": 0.17023, "sc": 0.14592},
        {"w": 0.03919, "a": 0.39271, "sr": 0.15642, "sc": 0.1183},
    ),
    "VGG-8": (
        {"w": 0.23207, "a": 0.39472, "sr": 0.18484, "sc": 0.234},
        {"w": 0.22958, "a": 0.39874, "sr": 0.18973, "sc": 0.16396},
    ),
    "NT-We": (
        {"w": 0.10858, "a": 1.0, "sr": 0.10105, "sc": 0.18511},
        {"w": 0.10832, "a": 1.0, "sr": 0.14616, "sc": 0.1715},
    ),
    "NT-Wd": (
        {"w": 0.10536, "a": 1.0, "sr": 0.37213, "sc": 0.70516},
        {"w": 0.10469, "a": 1.0, "sr": 0.48546, "sc": 0.84367},
    ),
    "NT-LSTM": (
        {"w": 0.10722, "a": 1.0, "sr": 0.10515, "sc": 0.03666, "sg": 0.33816, "ts": 0.42888},
        {"w": 0.10719, "a": 1.0, "sr": 0.13966, "sc": 0.16146, "sg": 0.32135, "ts": 0.40517},
    ),
}


def test_the_nine_layers_are_there_in_the_order_of_table_iii():
    assert tuple(published_layers()) == LAYERS
    assert FITS == ("all_points", "pe64")


@pytest.mark.parametrize("layer", LAYERS)
def test_the_parameters_are_those_that_were_fitted(layer):
    for fit, expected in zip(FITS, FITTED[layer], strict=True):
        statistics = published_layer(layer).statistics(fit)
        assert {key: getattr(statistics, name) for key, name in NAMES.items()} == {
            **dict.fromkeys(NAMES, 0),
            **expected,
        }


@pytest.mark.parametrize("layer", LAYERS)
def test_blocks_are_there_exactly_where_the_layer_has_a_structure(layer):
    blocks = {"Alex-6": (36, 0), "VGG-6": (49, 0), "NT-LSTM": (600, 1)}
    published = published_layer(layer)
    assert (published.block_columns, published.block_offset) == blocks.get(layer, (None, 0))
    assert bool(published.block_meaning) == (layer in blocks)
    for fit in FITS:
        statistics = published.statistics(fit)
        assert (statistics.block_columns, statistics.block_offset) == blocks.get(layer, (None, 0))


@pytest.mark.parametrize("layer", LAYERS)
def test_the_fitted_densities_stay_near_the_printed_ones(layer):
    published = published_layer(layer)
    for fit in FITS:
        statistics = published.statistics(fit)
        # The bounds of the fit: weights within half a point of the printed percent (NT-We and NT-LSTM to 11 %).
        assert abs(statistics.weight_density - published.weight_density) <= (0.01 if layer.startswith("NT") else 0.005)
        assert statistics.act_density == pytest.approx(published.act_density, rel=0.31)


@pytest.mark.parametrize("layer", LAYERS)
def test_every_layer_says_what_it_is_and_where_it_comes_from(layer):
    published = published_layer(layer)
    assert published.activation in ACTIVATION_FUNCTIONS
    assert published.source.startswith("EIE Table III")
    assert published.role
    assert published.network in ("AlexNet", "VGG-16", "NeuralTalk")
