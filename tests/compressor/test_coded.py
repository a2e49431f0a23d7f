"""Coded tensors and compressed models: codes before a machine is chosen."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compressor import CodedTensor, CompressedModel
from compressor.types.coded import nearest_codes
from tests.examples import examples

small_floats = st.floats(-4, 4, width=16)


@settings(max_examples=examples(200))
@given(st.lists(small_floats, min_size=1, max_size=15), st.lists(small_floats, min_size=1, max_size=20))
def test_the_nearest_code_is_the_one_a_search_through_all_finds(weights, values):
    book = [0.0, *weights]
    book += [book[-1]] * (2 ** max(1, (len(book) - 1).bit_length()) - len(book))
    for value, code in zip(values, nearest_codes(values, book), strict=True):
        # The nearest value, of two equally near the lower one, and of equal ones the lowest code.
        assert code == min(range(len(book)), key=lambda c: (abs(book[c] - value), book[c], c))


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"name": ""}, "name: ''"),
        ({"kind": "dense"}, "kind: 'dense', but it must be one of linear, conv, lstm, gru"),
        ({"shape": (4,)}, "is no shape of kind 'linear'"),
        ({"shape": (2, 0), "codes": []}, "shape: 0, but it must be at least 1"),
        ({"shape": (3, 2)}, r"codes: 4 of them do not fill shape \(3, 2\)"),
        ({"codes": [1, 2, 3, 4]}, "codes: code 4, but the codebook ends at 3"),
        ({"codebook": [0, 1, 2]}, "codebook: 3 values"),
        ({"codebook": [1, 1, 2, 3]}, "codebook: value 0 is 1.0"),
        ({"bias": [1.0]}, r"bias: shape \(1,\), but 2 outputs need \(2,\)"),
        ({"bias": [1.0, np.nan]}, "bias: nan"),
    ],
)
def test_a_coded_tensor_names_what_it_refuses(changes, match):
    sound = {"name": "t", "shape": (2, 2), "kind": "linear", "codebook": [0, 1, 2, 3], "codes": [1, 0, 3, 2]}
    assert CodedTensor(**sound).dense().tolist() == [[1, 0], [3, 2]]
    with pytest.raises(ValueError, match=match):
        CodedTensor(**sound | changes)


def test_a_coded_tensor_packs_with_its_bias_at_the_nearest_codes():
    tensor = CodedTensor("t", (2, 2), "lstm", [0, 1, 2, -3], [1, 0, 3, 2], bias=[1.25, -2.5])
    layer = tensor.pack(n_pe=2, index_bits=5)
    assert (layer.name, layer.n_pe, layer.index_bits, layer.weight_bits) == ("t", 2, 5, 2)
    assert layer.dense().tolist() == tensor.dense().tolist() == [[1, 0], [-3, 2]]
    assert layer.coded_bias().tolist() == [1, -3]
    assert layer.bias.tolist() == layer.preloaded_bias().tolist() == tensor.bias.tolist()
    assert tensor.bias_error() == 0.5
    assert (tensor.weight_bits, tensor.density) == (2, 0.75)


def test_a_tensor_without_bias_has_no_bias_error():
    tensor = CodedTensor("t", (1, 1), "linear", [0, 1], [1])
    assert tensor.bias_codes() is None
    assert tensor.bias_error() == 0
    assert not tensor.pack().has_bias


def test_a_convolution_is_coded_but_not_packed():
    tensor = CodedTensor("conv1", (2, 1, 3, 3), "conv", [0, 1], np.ones(18, np.uint8))
    assert tensor.dense().shape == (2, 1, 3, 3)
    with pytest.raises(ValueError, match="kind: 'conv1' is a convolution, but the machine runs matrices only"):
        tensor.pack()


def test_a_compressed_model_packs_its_tensors_in_order():
    first = CodedTensor("a", (2, 1), "linear", [0, 1], [1, 0], bias=[0.75, 0.125])
    conv = CodedTensor("c", (1, 1, 1, 1), "conv", [0, 1], [1])
    model = CompressedModel([first, conv], ["relu", "none"], {"source": "x"})
    with pytest.raises(ValueError, match="'c' is a convolution"):
        model.pack()
    with pytest.raises(ValueError, match="names: there is no tensor 'd'"):
        model.select("a", "d")
    packed = model.select("a").pack(n_pe=3, index_bits=2)
    assert packed.activations == ("relu",)
    assert packed.provenance == {"source": "x", "largest_bias_error": "0.25"}
    assert packed["a"] == first.pack(3, 2)
    with pytest.raises(ValueError, match="tensors: the name 'a' is there twice"):
        CompressedModel([first, first], ["relu", "relu"])
