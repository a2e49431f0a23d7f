"""What named arrays mean: layers, tables and masks, kernels stored (inputs, outputs), and the user's last word."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compressor import compress_model
from compressor.importers.meaning import turned, turned_back
from compressor.importers.named_arrays import dense_model_of, kept_because, named_arrays, reading_notes
from tests.examples import examples


def numbers(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).normal(size=shape).astype(np.float32)


def shapes(model):
    return {tensor.name: tensor.shape for tensor in model.tensors}


# What is kept ---------------------------------------------------------------------------------------------------------

LAYER = {"fc.weight": numbers(2, 2)}


@pytest.mark.parametrize(
    ("name", "shape", "reason"),
    [
        ("embedding.weight", (9, 2), "embedding table"),
        ("embeddings.word_embeddings.weight", (9, 2), "embedding table"),
        ("transformer.wte.weight", (9, 2), "embedding table"),
        ("emb.0.weight", (9, 2), "embedding table"),
        ("embedding/embeddings:0", (9, 2), "embedding"),
        ("rel_pos.weight", (9, 2), "table of positions"),
        ("cls_token", (1, 1, 8), "token"),
        ("pos_embed", (1, 17, 8), "positions"),
        ("attn.mask", (8, 8), "mask"),
        ("attn_mask", (4, 8, 8), "mask"),
        ("h.0.attn.bias", (1, 1, 8, 8), "bias with several axes"),
        ("attn.relative_position_bias_table", (9, 4), "bias with several axes"),
        ("experts.gate_up_proj", (4, 8, 16), "stacked matrices of experts"),
        ("moe.input_linear.weight", (4, 8, 16), "stacked matrices of experts"),
        ("decoder.deconv1.weight", (4, 3, 2, 2), "transposed convolution"),
        ("dw/depthwise_kernel:0", (3, 3, 8, 1), "depthwise kernel of Keras"),
        ("states", (3, 4, 5), "3 axes, but neither is it called weight or kernel, nor has it a bias"),
        ("big.weight", (1, 2, 1, 2, 1, 2), "a layer has 2 to 5 axes"),
    ],
)
def test_what_names_say_is_no_layer_is_kept_with_its_reason(name, shape, reason):
    model = dense_model_of({name: numbers(*shape), **LAYER})
    assert shapes(model) == {"fc": (2, 2)}
    assert list(model.others) == [name]
    assert reason in kept_because(model.provenance)[name]


@pytest.mark.parametrize(
    ("arrays", "reason"),
    [
        ({"up.weight": numbers(4, 3, 2, 2), "up.bias": numbers(3)}, "its bias of 3 is not as long as its first axis"),
        ({"up.weight": numbers(4, 3, 3, 3), "up.bias": numbers(3)}, "its bias of 3 is as long as its second axis"),
        ({"norm.weight": numbers(4, 3, 3), "norm.bias": numbers(4, 3, 3)}, "'norm.bias' has the same shape"),
        ({"causal": np.triu(np.full((3, 3), -np.inf), 1)}, "it holds nothing but infinities, 0 and 1"),
    ],
)
def test_neighbours_and_numbers_say_it_too(arrays, reason):
    model = dense_model_of({**arrays, **LAYER})
    assert shapes(model) == {"fc": (2, 2)}
    assert reason in kept_because(model.provenance)[next(iter(arrays))]


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("patch_embed.proj", (8, 3, 4, 4)),  # the convolution that a vision transformer begins with
        ("time_embed.0", (8, 8)),
        ("class_embed", (5, 8)),
        ("mask_head.mask_fcn1", (8, 8, 3, 3)),
        ("experts.0.conv", (8, 8, 3, 3)),
    ],
)
def test_a_bias_for_each_output_makes_a_layer_of_what_is_named_as_a_table(name, shape):
    model = dense_model_of({f"{name}.weight": numbers(*shape), f"{name}.bias": numbers(shape[0])})
    assert shapes(model) == {name: shape}
    assert model.tensors[0].bias is not None
    assert kept_because(model.provenance) == {}


def test_the_output_layer_of_a_language_model_is_a_layer():
    assert shapes(dense_model_of({"embed_out.weight": numbers(9, 2)})) == {"embed_out": (9, 2)}


def test_an_array_of_one_axis_is_never_a_layer_and_one_of_four_is_by_its_bias():
    arrays = {"a": numbers(3), "b": numbers(2, 1, 3, 3), "b.bias": numbers(2)}
    model = dense_model_of(arrays)
    assert [(t.name, t.kind, t.bias is not None) for t in model.tensors] == [("b", "conv", True)]
    assert list(model.others) == ["a"]


def test_quantised_weights_are_named_and_not_read():
    model = dense_model_of({"q.weight": np.ones((2, 2), np.int8), "n": np.array(3), **LAYER})
    assert reading_notes(model.provenance) == [
        "left out, for they hold no floating-point numbers: q.weight (int8 numbers)"
    ]


# The user's word ------------------------------------------------------------------------------------------------------


def test_take_makes_a_layer_of_what_names_say_is_none():
    arrays = {"embedding.weight": numbers(9, 2), "queries": numbers(4, 2, 3)}
    model = dense_model_of(arrays, take=["embedding", "quer*"])
    assert [(t.name, t.kind) for t in model.tensors] == [("embedding", "linear"), ("queries", "conv")]
    assert kept_because(model.provenance) == {}


@pytest.mark.parametrize(
    ("choice", "match"),
    [
        ({"keep": ["fc"], "take": ["fc*"]}, r"take: 'fc\.weight' is matched by keep too; name it in one of them"),
        ({"take": ["none*"]}, r"take: no array of floating-point numbers matches 'none\*'"),
        (
            {"take": ["norm.weight"]},
            r"take: 'norm\.weight' cannot be a layer: shape .* has 2 to 5 axes",
        ),
        ({"take": "fc"}, "take: 'fc', but it must be a sequence of patterns"),
    ],
)
def test_a_choice_that_cannot_be_is_one_error(choice, match):
    with pytest.raises(ValueError, match=match):
        dense_model_of({**LAYER, "norm.weight": numbers(3)}, **choice)


@pytest.mark.parametrize("keep", [[], ["attn.mask"], ["attn*"]])
@pytest.mark.parametrize("shape", [(3, 3), (3,), ()])
def test_a_mask_of_infinities_is_left_out_and_named(keep, shape):
    model = dense_model_of({"attn.mask": np.full(shape, -np.inf), **LAYER}, keep=keep)
    assert not model.others
    assert json.loads(model.provenance["not_finite_arrays"]) == ["attn.mask"]
    assert reading_notes(model.provenance) == ["left out, for they are not finite: attn.mask"]


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
@pytest.mark.parametrize(("name", "shape"), [("bad.weight", (2, 3)), ("bad.weight", (2,))])
def test_the_cure_that_an_error_names_helps(value, name, shape):
    arrays = {name: np.full(shape, value), **LAYER}
    with pytest.raises(ValueError, match=rf"array 'bad\.weight': .*; --keep {name} leaves it out$"):
        dense_model_of(arrays)
    model = dense_model_of(arrays, keep=[name])
    assert shapes(model) == {"fc": (2, 2)}
    assert json.loads(model.provenance["not_finite_arrays"]) == [name]


def test_the_cure_of_a_bias_leaves_out_its_layer_too():
    arrays = {"bad.weight": numbers(2, 2), "bad.bias": np.array([np.nan, 1]), **LAYER}
    with pytest.raises(ValueError, match=r"--keep bad\.weight,bad\.bias leaves out both"):
        dense_model_of(arrays)
    assert shapes(dense_model_of(arrays, keep=["bad.weight", "bad.bias"])) == {"fc": (2, 2)}


# Which way round ------------------------------------------------------------------------------------------------------


def transposed(model):
    return json.loads(model.provenance.get("transposed_kernels", "[]"))


@pytest.mark.parametrize(
    ("weight", "bias"),
    [("dense/kernel:0", "dense/bias:0"), ("Dense_0.kernel", "Dense_0.bias"), ("W1", "b1"), ("linear/w", "linear/b"),
     ("fc/weights", "fc/biases"), ("h.0.attn.c_attn.weight", "h.0.attn.c_attn.bias"), ("fc1_weight", "fc1_bias")],
)  # fmt: skip
def test_a_bias_as_long_as_the_second_axis_says_inputs_first(weight, bias):
    arrays = {weight: numbers(7, 3), bias: numbers(3)}
    model = dense_model_of(arrays)
    (tensor,) = model.tensors
    assert np.array_equal(tensor.weights, arrays[weight].T)
    assert np.array_equal(tensor.bias, arrays[bias])
    assert transposed(model) == [weight]
    assert reading_notes(model.provenance) == [f"stored (inputs, outputs), read transposed: {weight}"]
    back = named_arrays(model)
    assert back.keys() == arrays.keys()
    assert all(np.array_equal(back[name], arrays[name]) for name in arrays)


@pytest.mark.parametrize(("weight", "bias"), [("dense/kernel:0", "dense/bias:0"), ("W1", "b1"), ("a.weight", "a.bias")])
def test_a_bias_as_long_as_the_first_axis_says_outputs_first(weight, bias):
    model = dense_model_of({weight: numbers(7, 3), bias: numbers(7)})
    assert model.tensors[0].shape == (7, 3)
    assert model.tensors[0].bias is not None
    assert transposed(model) == []


def test_kernels_of_keras_are_transposed_with_their_positions():
    arrays = {"conv/kernel:0": numbers(3, 2, 4, 8), "conv/bias:0": numbers(8), "conv2/kernel:0": numbers(3, 3, 8, 5)}
    model = dense_model_of(arrays)
    assert [(t.kind, t.shape) for t in model.tensors] == [("conv", (8, 4, 3, 2)), ("conv", (5, 8, 3, 3))]
    assert model.tensors[0].weights[7, 1, 2, 0] == arrays["conv/kernel:0"][2, 0, 1, 7]


def test_recurrent_kernels_of_keras_are_gate_matrices_in_its_order():
    arrays = {
        "lstm_cell/kernel:0": numbers(7, 20),
        "lstm_cell/recurrent_kernel:0": numbers(5, 20),
        "lstm_cell/bias:0": numbers(20),
        "gru_cell/kernel:0": numbers(7, 15),
        "gru_cell/recurrent_kernel:0": numbers(5, 15),
    }
    model = dense_model_of(arrays)
    assert [(t.kind, t.shape, t.gates) for t in model.tensors] == [
        ("lstm", (20, 7), ("i", "f", "g", "o")),
        ("lstm", (20, 5), ("i", "f", "g", "o")),
        ("gru", (15, 7), ("z", "r", "n")),
        ("gru", (15, 5), ("z", "r", "n")),
    ]


def test_a_square_matrix_is_as_its_neighbours_are():
    arrays = {"W1": numbers(9, 4), "b1": numbers(4), "W2": numbers(4, 4), "b2": numbers(4), "W3": numbers(4, 3)}
    assert shapes(dense_model_of(arrays)) == {"W1": (4, 9), "W2": (4, 4), "W3": (3, 4)}
    assert transposed(dense_model_of(arrays)) == ["W1", "W2", "W3"]
    alone = {name: arrays[name] for name in ("W2", "b2")}
    assert transposed(dense_model_of(alone)) == []
    torn = {**arrays, "fc.weight": numbers(3, 9), "fc.bias": numbers(3)}
    assert transposed(dense_model_of(torn)) == ["W1"]


def test_matrices_of_gpt_2_say_nothing_of_the_layers_around_them():
    arrays = {
        "h.0.attn.c_attn.weight": numbers(4, 12),
        "h.0.attn.c_attn.bias": numbers(12),
        "h.0.attn.c_proj.weight": numbers(4, 4),
        "h.0.attn.c_proj.bias": numbers(4),
        "pooler.weight": numbers(4, 4),
        "pooler.bias": numbers(4),
        "lm_head.weight": numbers(9, 4),
    }
    assert transposed(dense_model_of(arrays)) == ["h.0.attn.c_attn.weight", "h.0.attn.c_proj.weight"]


@settings(deadline=None, max_examples=examples(200))
@given(
    st.lists(st.integers(1, 4), min_size=2, max_size=5),
    st.sampled_from(["conv/kernel:0", "Conv_0.kernel", "fc.weight", "w", "x/weights"]),
    st.one_of(st.none(), st.integers(1, 4)),
)
def test_every_kernel_returns_the_way_round_it_was(shape, name, n_biases):
    array = numbers(*shape)
    assert np.array_equal(turned_back(turned(array)), array)
    arrays = {name: array}
    if n_biases is not None:
        bias = {"conv/kernel:0": "conv/bias:0", "Conv_0.kernel": "Conv_0.bias", "fc.weight": "fc.bias", "w": "b"}
        arrays[bias.get(name, "x/biases")] = numbers(n_biases)
    model = dense_model_of(arrays, take=[name])
    back = named_arrays(model)
    assert back.keys() == arrays.keys()
    assert all(np.array_equal(back[key], arrays[key]) for key in arrays)
    coded = compress_model(model, density=1, weight_bits=8)
    assert {key: value.shape for key, value in named_arrays(coded).items()} == {k: a.shape for k, a in arrays.items()}


@pytest.mark.parametrize("note", ["[]", '{"mask": 1}', "{", '{"mask": "a"}'])
def test_a_forged_list_of_reasons_is_refused(note):
    with pytest.raises(ValueError, match="provenance: kept_arrays is"):
        kept_because({"kept_arrays": note})


@pytest.mark.parametrize("shape", [(3, 1), (1, 3)])
@pytest.mark.parametrize("is_transposed", [False, True])
def test_a_bias_may_be_a_row_or_a_column(shape, is_transposed):
    weight = numbers(3, 7)
    arrays = {"W1": weight.T if is_transposed else weight, "b1": numbers(*shape)}
    model = dense_model_of(arrays)
    (tensor,) = model.tensors
    assert np.array_equal(tensor.weights, weight)
    assert np.array_equal(tensor.bias, arrays["b1"].ravel())
    assert not model.others
    back = named_arrays(compress_model(model, density=1, weight_bits=8))
    assert np.array_equal(back["b1"], arrays["b1"])
    assert back["W1"].shape == arrays["W1"].shape


def test_a_bias_belongs_to_one_weight():
    model = dense_model_of({"W": numbers(3, 2), "w": numbers(3, 2), "b": numbers(3)})
    assert [t.bias is not None for t in model.tensors] == [True, False]


def test_a_mask_of_weights_that_nothing_applies_is_said_to_be_one():
    model = dense_model_of({"fc.weight": numbers(2, 3), "fc.weight_mask": np.ones((2, 3))})
    assert kept_because(model.provenance) == {"fc.weight_mask": "mask, not applied to 'fc.weight'"}


@pytest.mark.parametrize("note", ["[]", '{"b1": [2, 2]}', '{"b1": 3}', "{"])
def test_a_forged_shape_of_a_bias_is_refused(note):
    model = dense_model_of({"W1": numbers(3, 7), "b1": numbers(3)})
    forged = type(model)(model.tensors, model.activations, {**model.provenance, "bias_shapes": note}, model.others)
    with pytest.raises(ValueError, match="provenance: bias_shapes is"):
        named_arrays(forged)
