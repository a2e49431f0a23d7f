"""Named arrays to a network and back: which array is what, and that every name returns."""

import glob
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compressor import CodedTensor, CompressedModel, DenseModel, DenseTensor, compress_model
from compressor.importers import named_arrays as module
from compressor.importers.named_arrays import (
    assumed_functions,
    changed_arrays,
    dense_model_of,
    kept_because,
    named_arrays,
    reading_notes,
    with_assumed,
)
from tests.examples import examples


def numbers(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).normal(size=shape).astype(np.float32)


def kinds(model):
    return {tensor.name: tensor.kind for tensor in model.tensors}


def same(one, other):
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


# Which array is what --------------------------------------------------------------------------------------------------


def test_a_matrix_is_linear_and_more_dimensions_are_a_convolution():
    arrays = {f"layer{n}.weight": numbers(*range(2, 2 + n)) for n in range(2, 6)}
    expected = {"layer2": "linear", "layer3": "conv", "layer4": "conv", "layer5": "conv"}
    assert kinds(dense_model_of(arrays)) == expected


def test_a_bias_belongs_to_the_weight_of_its_layer():
    model = dense_model_of({"a.bias": [1.0, 2], "a.weight": numbers(2, 3), "b.weight": numbers(4, 2)})
    assert [tensor.name for tensor in model.tensors] == ["a", "b"]
    assert model.tensors[0].bias.tolist() == [1, 2]
    assert model.tensors[1].bias is None
    assert not model.others


def test_a_bias_of_another_length_is_kept_beside():
    model = dense_model_of({"fc.weight": numbers(2, 4), "fc.bias": numbers(3)})
    assert model.tensors[0].bias is None
    assert list(model.others) == ["fc.bias"]
    assert kept_because(model.provenance) == {"fc.bias": "a bias of 3 values, but 'fc.weight' has 2 outputs"}


@pytest.mark.parametrize(("kind", "blocks"), [("lstm", 4), ("gru", 3), ("linear", 1)])
def test_a_recurrent_layer_is_told_by_its_rows(kind, blocks):
    arrays = {
        "rnn.weight_ih_l0": numbers(blocks * 5, 7),
        "rnn.weight_hh_l0": numbers(blocks * 5, 5),
        "rnn.bias_ih_l0": numbers(blocks * 5),
        "rnn.bias_hh_l0": numbers(blocks * 5, seed=1),
        "rnn.weight_ih_l0_reverse": numbers(blocks * 5, 7),
        "rnn.weight_hh_l0_reverse": numbers(blocks * 5, 5),
        "fc.weight": numbers(2, 10),
    }
    model = dense_model_of(arrays)
    gates = {"lstm": ("i", "f", "g", "o"), "gru": ("r", "z", "n")}.get(kind, ())
    for tensor in model.tensors[:4]:
        assert (tensor.kind, tensor.gates) == (kind, gates)
    assert model.tensors[0].name == "rnn.weight_ih_l0"
    assert np.array_equal(model.tensors[0].bias, arrays["rnn.bias_ih_l0"])
    assert np.array_equal(model.tensors[1].bias, arrays["rnn.bias_hh_l0"])
    assert model.activations[-1] == "none"
    assert model.activations[0] == ("relu" if kind == "linear" else "none")


def test_a_cell_and_a_bare_layer_have_the_names_of_their_parameters():
    arrays = {"weight_ih": numbers(8, 3), "weight_hh": numbers(8, 2)}
    assert kinds(dense_model_of(arrays)) == {"weight_ih": "lstm", "weight_hh": "lstm"}


def test_a_projection_tells_the_number_of_hidden_units():
    arrays = {
        "lstm.weight_ih_l0": numbers(20, 7),
        "lstm.weight_hh_l0": numbers(20, 3),
        "lstm.weight_hr_l0": numbers(3, 5),
    }
    assert list(kinds(dense_model_of(arrays)).values()) == ["lstm", "lstm", "linear"]


def test_gate_matrices_without_their_partner_are_plain_matrices():
    assert kinds(dense_model_of({"x.weight_ih_l0": numbers(8, 3)})) == {"x.weight_ih_l0": "linear"}
    assert kinds(dense_model_of({"x.weight_ih_l0": numbers(8, 3), "x.weight_hh_l0": [1.0]})) == {
        "x.weight_ih_l0": "linear"
    }


def test_a_normalisation_goes_beside_and_its_counter_is_named():
    arrays = {
        "fc.weight": numbers(2, 2),
        "norm.weight": numbers(2),
        "norm.bias": numbers(2),
        "norm.num_batches_tracked": np.array(7),
        "mask": np.array([True]),
    }
    model = dense_model_of(arrays, provenance={"source": "here"})
    assert list(model.others) == ["norm.weight", "norm.bias"]
    assert json.loads(model.provenance["skipped_arrays"]) == ["norm.num_batches_tracked", "mask"]
    assert model.provenance["source"] == "here"


def test_an_array_that_holds_nothing_or_has_too_many_dimensions_goes_beside():
    model = dense_model_of({"a.weight": numbers(1, 1), "b.weight": numbers(0, 3), "c": numbers(1, 1, 1, 1, 1, 1)})
    assert set(model.others) == {"b.weight", "c"}


@pytest.mark.parametrize("keep", [["embedding.weight"], ["embed*"], ["embedding"], ("*ding", "fc2.weight")])
def test_what_is_to_be_kept_goes_beside(keep):
    arrays = {"embedding.weight": numbers(9, 2), "fc.weight": numbers(2, 2), "fc2.weight": numbers(2, 2)}
    model = dense_model_of(arrays, keep=keep)
    assert "embedding.weight" in model.others
    assert "fc" in kinds(model)


def test_an_embedding_is_a_layer_where_it_is_taken():
    arrays = {"embedding.weight": numbers(9, 2)}
    assert kinds(dense_model_of(arrays, take=["embedding"])) == {"embedding": "linear"}


def test_float64_and_float16_become_float32():
    model = dense_model_of({"a.weight": np.array([[1 / 3]]), "b.weight": np.array([[0.1]], np.float16)})
    assert [tensor.weights.dtype for tensor in model.tensors] == [np.float32, np.float32]
    assert model.tensors[0].weights[0, 0] == np.float32(1 / 3)


def test_the_activation_functions_can_be_given():
    arrays = {"a.weight": numbers(2, 2), "b.weight": numbers(2, 2)}
    assert dense_model_of(arrays).activations == ("relu", "none")
    assert dense_model_of(arrays, activations=["tanh", "sigmoid"]).activations == ("tanh", "sigmoid")


def test_the_order_of_the_network_can_be_given():
    arrays = {"classifier.weight": numbers(2, 2), "features.0.weight": numbers(2, 1, 3, 3), "z": numbers(1)}
    model = dense_model_of(arrays, order=["features.0", "classifier"])
    assert [tensor.name for tensor in model.tensors] == ["features.0", "classifier"]
    assert model.activations == ("relu", "none")
    assert same(named_arrays(model), arrays)


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"keep": ["nothing"]}, "keep: no array .* matches 'nothing'"),
        ({"keep": "fc"}, "keep: 'fc', but it must be a sequence"),
        ({"keep": ["fc*"]}, "arrays: none of the 2 is a weight"),
        ({"order": ["fc", "fc"]}, "order: must name each of the 1 tensors once, but one is there twice"),
        ({"order": ["fd"]}, "order: .*'fc' is not in both"),
        ({"order": "fc"}, "order: "),
        ({"activations": ["relu", "relu"]}, "activations: 2 of them"),
    ],
)
def test_a_setting_that_does_not_fit_is_refused(settings, match):
    with pytest.raises(ValueError, match=match):
        dense_model_of({"fc.weight": numbers(2, 2), "fc.bias": numbers(2)}, **settings)


@pytest.mark.parametrize("name", ["fc.weight", "fc.bias", "norm.weight"])
def test_a_number_that_is_not_finite_is_refused_with_the_name_of_its_array(name):
    arrays = {"fc.weight": numbers(2, 2), "fc.bias": numbers(2), "norm.weight": numbers(2)}
    arrays[name].flat[1] = np.nan
    with pytest.raises(ValueError, match=f"'{name}': nan"):
        dense_model_of(arrays)


# Back -----------------------------------------------------------------------------------------------------------------

PARTS = ["weight", "bias", "weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "in_proj_weight", "in_proj_bias", "w", "norm"]
LAYERS = ["", "fc", "fc.weight", "weight", "weightbias", "fc.bias", "a.b", "features.0", "fc_weight", "ü"]
SHAPES = [(2, 2), (8, 2), (8, 3), (2,), (8,), (), (2, 1, 3, 3), (0, 2)]


@settings(deadline=None, max_examples=examples(300))
@given(
    st.dictionaries(
        st.tuples(st.sampled_from(LAYERS), st.sampled_from(["", *PARTS])).map(
            lambda pair: ".".join(filter(None, pair))
        ),
        st.sampled_from(SHAPES),
        min_size=1,
        max_size=12,
    )
)
def test_every_array_returns_under_its_name(shapes):
    arrays = {name: numbers(*shape, seed=at) for at, (name, shape) in enumerate(shapes.items()) if name}
    matrices = [name for name, array in arrays.items() if array.ndim >= 2 and array.size]
    if not matrices:
        return
    take = [glob.escape(name) for name in matrices]
    model = dense_model_of(arrays, take=take)
    assert same(named_arrays(model), arrays)
    again = dense_model_of(
        named_arrays(model),
        take=take,
        order=[tensor.name for tensor in model.tensors],
    )
    assert [t.name for t in again.tensors] == [t.name for t in model.tensors]


def test_every_array_returns_from_a_compressed_model_with_its_decoded_weights():
    arrays = {
        "conv.weight": numbers(3, 2, 3, 3),
        "conv.bias": numbers(3),
        "norm.weight": numbers(3),
        "W1": numbers(4, 27),
        "lstm.weight_ih_l0": numbers(8, 4),
        "lstm.weight_hh_l0": numbers(8, 2),
        "lstm.bias_ih_l0": numbers(8),
    }
    model = compress_model(dense_model_of(arrays), density=0.5)
    back = named_arrays(model)
    assert list(back) != list(arrays)
    assert back.keys() == arrays.keys()
    for tensor in model.tensors:
        name = {"conv": "conv.weight"}.get(tensor.name, tensor.name)
        assert np.array_equal(back[name], tensor.dense())
    for name in ("conv.bias", "norm.weight", "lstm.bias_ih_l0"):
        assert np.array_equal(back[name], arrays[name])


def test_a_model_made_by_hand_gets_pytorch_names():
    tensor = CodedTensor("fc1", (1, 2), "linear", [0, 1], [1, 0], [3])
    back = named_arrays(CompressedModel((tensor,), ("none",)))
    assert {name: array.tolist() for name, array in back.items()} == {"fc1.weight": [[1, 0]], "fc1.bias": [3]}


def test_two_arrays_of_one_name_are_refused():
    model = DenseModel((DenseTensor("fc", [[1.0]]),), ("none",), others={"fc.weight": [1.0]})
    with pytest.raises(ValueError, match=r"two of the model would be called 'fc\.weight'"):
        named_arrays(model)


@pytest.mark.parametrize("note", ["[", "{}", "[1]", "[" * 10**5])
def test_a_note_that_is_no_list_of_names_is_refused(note):
    model = DenseModel((DenseTensor("fc", [[1.0]]),), ("none",), {module.BARE_NAMES: note})
    with pytest.raises(ValueError, match="provenance: bare_array_names"):
        named_arrays(model)


def test_the_arrays_of_the_caller_stay_theirs():
    weights = numbers(2, 2)
    model = dense_model_of({"fc.weight": weights})
    weights[:] = 9
    assert not np.any(model.tensors[0].weights == 9)
    assert weights.flags.writeable


# Changes --------------------------------------------------------------------------------------------------------------


def test_only_what_differs_as_float32_is_a_change():
    current = {"fc.weight": np.array([[1 / 3, 2]]), "fc.bias": numbers(1), "more": numbers(5)}
    model = dense_model_of({name: current[name] for name in ("fc.weight", "fc.bias")})
    assert changed_arrays(model, current) == {}
    current["fc.weight"] = current["fc.weight"] + 1
    assert list(changed_arrays(model, current)) == ["fc.weight"]


@pytest.mark.parametrize(
    ("current", "match"),
    [
        ({}, r"'fc\.weight' of the model is not there"),
        ({"fc.weight": numbers(1, 3)}, r"'fc\.weight': float32 of shape \(1, 3\), but the model's is \(1, 2\)"),
        ({"fc.weight": np.array([[1, 2]])}, r"'fc\.weight': int64 of shape"),
    ],
)
def test_an_array_with_no_place_is_refused(current, match):
    with pytest.raises(ValueError, match=match):
        changed_arrays(dense_model_of({"fc.weight": numbers(1, 2)}), current)


@pytest.mark.parametrize(
    "between",
    [
        *("norm1.weight", "bn.running_mean", "layer_norm/gamma:0", "batch_normalization/moving_variance:0"),
        *("act.weight", "1.weight", "rms.scale"),
    ],
)
def test_relu_is_not_assumed_where_a_normalisation_comes_before_the_next_layer(between):
    arrays = {"fc1.weight": np.ones((4, 3)), "fc1.bias": np.ones(4), between: np.ones(4), "fc2.weight": np.ones((4, 4))}
    model = dense_model_of({**arrays, "fc3.weight": np.ones((2, 4)), "last_norm.weight": np.ones(2)})
    assert model.activations == ("host", "relu", "none")
    assert assumed_functions(model.provenance) == ["fc2"]
    assert (
        f"activation function not assumed to be relu after fc1 ({between} comes before the next layer): left to the "
        "host; --activation sets it"
    ) in reading_notes(model.provenance)
    assert reading_notes(with_assumed(model.provenance, ["fc1"])) == []


def test_what_comes_before_the_first_layer_and_other_vectors_change_no_function():
    arrays = {"norm.weight": np.ones(3), "fc1.weight": np.ones((4, 3)), "fc1.bias": np.ones(4), "steps": np.ones(4)}
    assert dense_model_of({**arrays, "fc2.weight": np.ones((4, 4))}).activations == ("relu", "none")


def test_three_axes_may_be_those_of_a_bilinear_layer():
    model = dense_model_of({"mix.weight": np.ones((5, 3, 4)), "mix.bias": np.ones(5), "fc.weight": np.ones((2, 5))})
    assert kinds(model) == {"mix": "conv", "fc": "linear"}
    assert reading_notes(model.provenance) == [
        "three axes, read as a convolution over one axis: mix; --keep NAME if it is the weight of a Bilinear layer"
    ]
