"""Packed models: layers by name, an activation function after each."""

import pytest

from compressor import PackedModel, pack_codes


def small_layer(name):
    return pack_codes([[1]], [0, 1], name=name)


@pytest.mark.parametrize(
    ("names", "activations", "provenance", "match"),
    [
        ([], [], {}, "layers: a model has at least one"),
        (["a"], [], {}, "activations: 0 of them, but there are 1 layers"),
        (["a"], ["swish"], {}, "activations: 'swish', but it must be one of none, relu, sigmoid, tanh"),
        (["a", "a"], ["none", "none"], {}, "layers: the name 'a' is there twice"),
        (["a"], ["none"], {"seed": 1}, "provenance: 'seed': 1, but both must be texts"),
    ],
)
def test_a_model_names_what_it_refuses(names, activations, provenance, match):
    with pytest.raises(ValueError, match=match):
        PackedModel([small_layer(name) for name in names], activations, provenance)


def test_layers_of_a_model_are_found_by_name():
    model = PackedModel([small_layer("a"), small_layer("b")], ["relu", "none"], {"source": "x"})
    assert model["b"] is model.layers[1]
    with pytest.raises(KeyError, match="no layer 'c'; there are a, b"):
        model["c"]
    with pytest.raises(TypeError):
        model.provenance["source"] = "y"


def test_a_model_repacks_every_layer():
    model = PackedModel([small_layer("a"), small_layer("b")], ["relu", "none"], {"source": "x"})
    repacked = model.repack(n_pe=2, index_bits=8)
    assert [(layer.name, layer.n_pe, layer.index_bits) for layer in repacked.layers] == [("a", 2, 8), ("b", 2, 8)]
    assert repacked.repack(64, 4) == model
