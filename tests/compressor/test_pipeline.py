import tracemalloc

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compressor import CompressedModel, PackedLayer, PackedModel, compress_layer, compress_model
from compressor.pipeline import compress_layer_report
from compressor.weight_sharing import share_weights
from tests.examples import examples


def random_weights(shape, seed=0):
    """Multiples of 2**-12: every sum of them is exact, so that two ways to compute a mean agree to the bit."""
    normal = np.random.default_rng(seed).standard_normal(shape)
    return ((normal * 1024).round() / 4096).astype(np.float32)


def naive_pipeline(weights, density, bits, bias=None):
    """Prune, share from a linear start, decode, in plain numpy. Returns (dense weights, dense bias, codebook).

    Only for weights that leave no cluster empty.
    """
    flat = weights.reshape(-1)
    kept = np.argsort(-np.abs(flat), kind="stable")[: round(density * flat.size)]
    kept = kept[flat[kept] != 0]
    values = flat[kept].astype(np.float64)
    pool = values if bias is None else np.append(values, bias[bias != 0])
    centroids = np.linspace(pool.min(), pool.max(), (1 << bits) - 1).astype(np.float32)
    before = None
    while True:
        codes = np.abs(pool[:, None] - centroids.astype(np.float64)).argmin(axis=1)
        assert np.unique(codes).size == centroids.size
        if np.array_equal(codes, before):
            break
        before = codes
        centroids = np.array([pool[codes == c].mean() for c in range(centroids.size)], np.float32)
    dense = np.zeros(flat.size, np.float32)
    dense[kept] = centroids[np.abs(values[:, None] - centroids.astype(np.float64)).argmin(axis=1)]
    codebook = np.append(np.float32(0), centroids)
    if bias is None:
        return dense.reshape(weights.shape), None, codebook
    return dense.reshape(weights.shape), codebook[np.abs(bias[:, None] - codebook).argmin(axis=1)], codebook


@settings(deadline=None, max_examples=examples(25))
@given(
    st.integers(0, 2**32 - 1), st.integers(20, 40), st.integers(20, 40), st.integers(1, 70),
    st.integers(2, 8), st.integers(1, 3), st.sampled_from([0.3, 0.5, 1.0]), st.booleans(),
)  # fmt: skip
def test_a_layer_is_what_the_plain_pipeline_makes(seed, n_rows, n_cols, n_pe, index_bits, bits, density, with_bias):
    weights = random_weights((n_rows, n_cols), seed)
    bias = random_weights(n_rows, seed + 1) if with_bias else None
    dense, bias_values, codebook = naive_pipeline(weights, density, bits, bias)
    layer = compress_layer(weights, density, n_pe, bias, bits, index_bits)
    assert np.array_equal(layer.codebook, codebook)
    assert np.array_equal(layer.dense(), dense)
    assert layer.has_bias == with_bias
    if with_bias:
        assert np.array_equal(layer.coded_bias(), bias_values)


def test_a_layer_keeps_exactly_its_density_by_default_nine_percent_on_64_pes():
    layer = compress_layer(random_weights((200, 100)))
    assert isinstance(layer, PackedLayer)
    assert (layer.n_rows, layer.n_cols, layer.n_pe, layer.weight_bits, layer.index_bits) == (200, 100, 64, 4, 4)
    assert layer.n_entries - layer.n_fillers == 1800
    assert layer.density == 0.09


def test_a_row_permutation_moves_rows_but_not_results():
    weights = random_weights((50, 30))
    order = np.random.default_rng(1).permutation(50)
    plain = compress_layer(weights, 0.2, n_pe=8)
    moved = compress_layer(weights, 0.2, n_pe=8, row_permutation=order)
    assert np.array_equal(moved.row_permutation, order)
    assert np.array_equal(moved.dense(), plain.dense())
    assert moved == plain.repack(row_permutation=order)


def test_threshold_and_quality_take_the_place_of_the_density():
    weights = random_weights((40, 40))
    assert np.array_equal(compress_layer(weights, threshold=0.25).dense() != 0, np.abs(weights) >= 0.25)
    limit = 1.5 * weights.astype(np.float64).std()
    assert np.array_equal(compress_layer(weights, quality=1.5).dense() != 0, np.abs(weights) >= limit)


def test_the_report_tells_what_the_steps_found():
    weights, bias = random_weights((60, 50)), random_weights(60, 1)
    bias[:10] = 0
    report = compress_layer_report(weights, 0.1, bias=bias)
    dense, kept = report.layer.dense(), report.layer.dense() != 0
    assert report.n_kept == 300 == kept.sum()
    assert report.threshold == np.abs(weights[kept]).min()
    assert report.largest_bias_error == np.abs(report.layer.coded_bias().astype(np.float64) - bias).max()
    shared = share_weights(np.append(weights[kept], bias[bias != 0]))
    assert (report.inertia, report.iterations) == (shared.inertia, shared.iterations)
    assert np.array_equal(dense[kept], shared.codebook[shared.codes][:300])


def test_a_zero_bias_stays_zero():
    bias = np.zeros(20, np.float32)
    layer = compress_layer(random_weights((20, 20)), 0.3, bias=bias)
    assert layer.has_bias
    assert not layer.coded_bias().any()
    assert compress_layer_report(random_weights((20, 20)), 0.3).largest_bias_error == 0


def test_nothing_kept_is_a_layer_without_entries():
    layer = compress_layer(random_weights((10, 12)), density=0)
    assert (layer.n_entries, layer.density) == (0, 0)
    assert not layer.dense().any()


def test_the_callers_weights_are_not_changed():
    weights = random_weights((30, 30))
    before = weights.copy()
    compress_layer(weights, bias=np.ones(30, np.float32))
    assert np.array_equal(weights, before)


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_other_float_types_give_the_layer_of_their_float32_values(dtype):
    weights = random_weights((30, 20)).astype(dtype)
    assert compress_layer(weights) == compress_layer(weights.astype(np.float32))


def test_a_transposed_matrix_gives_the_layer_of_its_copy():
    weights = random_weights((30, 20)).T
    assert compress_layer(weights) == compress_layer(weights.copy())


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="too many weights for plain Python")
def test_no_second_dense_copy_is_made():
    weights = np.random.default_rng(0).standard_normal((4096, 1024), dtype=np.float32)
    compress_layer(weights[:64])
    tracemalloc.start()
    try:
        compress_layer(weights)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < weights.nbytes


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"weights": np.ones(5)}, r"weights: shape \(5,\), but it must be \(outputs, inputs\)"),
        ({"weights": [[1, np.nan]]}, r"weights: nan at \(0, 1\), but every number must be finite"),
        ({"bias": np.ones(3)}, r"bias: shape \(3,\), but 2 outputs need \(2,\)"),
        ({"bias": [np.inf, 0]}, r"bias: inf at \(0,\), but every number must be finite"),
        ({"n_pe": 0}, "n_pe: 0, but it must be 1 to 4294967295"),
        ({"index_bits": 9}, "index_bits: 9, but it must be 2 to 8"),
        ({"weight_bits": 0}, "weight_bits: 0, but it must be 1 to 8"),
        ({"density": 2}, "density: 2, but it must be 0 to 1"),
        ({"name": ""}, "name: '', but it must be a text that is not empty"),
    ],
)
def test_a_bad_argument_of_a_layer_is_named(arguments, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        compress_layer(**{"weights": np.ones((2, 3)), **arguments})


# A model --------------------------------------------------------------------------------------------------------------


def two_layers():
    return {"fc6": (random_weights((40, 30), 1), random_weights(40, 2)), "fc7": random_weights((20, 40), 3)}


def test_a_model_packs_to_the_layers_that_compress_layer_makes():
    weights = two_layers()
    packed = compress_model(weights, density=0.2).pack(n_pe=8, index_bits=3)
    matrix, bias = weights["fc6"]
    assert isinstance(packed, PackedModel)
    assert packed["fc6"] == compress_layer(matrix, 0.2, 8, bias, index_bits=3, name="fc6")
    assert packed["fc7"] == compress_layer(weights["fc7"], 0.2, 8, index_bits=3, name="fc7")
    assert [layer.name for layer in packed.layers] == ["fc6", "fc7"]


def test_a_state_dict_brings_its_biases_and_keeps_what_is_no_layer():
    state = {
        "0.weight": random_weights((8, 6)),
        "0.bias": random_weights(8),
        "embedding.weight": random_weights((9, 4)),
    }
    model = compress_model(state, density={"0": 0.5})
    assert [(t.name, t.kind, t.density) for t in model.tensors] == [("0", "linear", 0.5)]
    assert np.array_equal(model.tensors[0].bias, state["0.bias"])
    assert list(model.others) == ["embedding.weight"]


def test_matrices_with_names_of_their_own_are_all_layers():
    filters, embedding = random_weights((4, 2, 3, 3)), random_weights((9, 4))
    model = compress_model({"conv": filters, "embedding": embedding})
    assert [(t.name, t.kind) for t in model.tensors] == [("conv", "conv"), ("embedding", "linear")]


def test_each_tensor_may_have_settings_of_its_own():
    weights = two_layers()
    model = compress_model(
        weights, density={"fc6": 0.5}, quality={"fc7": 1.2},
        weight_bits={"fc6": 2, "fc7": 5}, init={"fc6": "exact", "fc7": "density"},
    )  # fmt: skip
    packed = model.pack()
    matrix, bias = weights["fc6"]
    assert packed["fc6"] == compress_layer(matrix, 0.5, bias=bias, weight_bits=2, init="exact", name="fc6")
    assert packed["fc7"] == compress_layer(weights["fc7"], quality=1.2, weight_bits=5, init="density", name="fc7")


def test_a_convolution_is_pruned_and_shared_in_its_shape():
    filters = random_weights((8, 4, 3, 3))
    model = compress_model({"conv1": filters}, density=0.5, weight_bits=2)
    tensor = model.tensors[0]
    assert (tensor.kind, tensor.shape, model.activations) == ("conv", (8, 4, 3, 3), ("none",))
    dense, _, codebook = naive_pipeline(filters, 0.5, 2)
    assert np.array_equal(tensor.codebook, codebook)
    assert np.array_equal(tensor.dense(), dense)


def test_activations_are_relu_but_for_the_last_unless_given():
    assert compress_model(two_layers()).activations == ("relu", "none")
    assert compress_model(two_layers(), activations=["tanh", "sigmoid"]).activations == ("tanh", "sigmoid")


def test_kinds_may_be_given():
    model = compress_model({"gates": random_weights((8, 6))}, kinds={"gates": "lstm"})
    assert isinstance(model, CompressedModel)
    assert model.tensors[0].kind == "lstm"


def test_progress_is_told_after_every_tensor(capsys):
    told = []
    compress_model(two_layers(), progress=lambda *step: told.append(step))
    assert told == [("fc6", 1, 2), ("fc7", 2, 2)]
    assert capsys.readouterr() == ("", "")


def test_the_provenance_tells_the_settings_and_the_bias_error():
    weights = two_layers()
    model = compress_model(weights, density={"fc6": 0.5, "fc7": 0.1}, init="forgy", seed=7)
    assert model.provenance["pruning"] == "density {'fc6': 0.5, 'fc7': 0.1}"
    assert model.provenance["weight_sharing"] == "weight_bits 4, init forgy, seed 7"
    matrix, bias = weights["fc6"]
    report = compress_layer_report(matrix, 0.5, bias=bias, init="forgy", seed=7)
    assert float(model.pack().provenance["largest_bias_error"]) == pytest.approx(report.largest_bias_error, rel=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"weights": {}}, "weights: a model has at least one tensor"),
        ({"density": {"fc6": 0.1}}, "density: there is none for tensor 'fc7'"),
        ({"density": {"fc6": 0.1, "fc7": 0.1, "fc8": 0.1}}, "density: there is no tensor 'fc8'"),
        ({"quality": {"fc8": 1.0}}, "quality: there is no tensor 'fc8'"),
        ({"kinds": {"fc8": "lstm"}}, "kinds: there is no tensor 'fc8'"),
        ({"density": 3}, "fc6: density: 3, but it must be 0 to 1"),
        ({"activations": ["relu"]}, "activations: 1 of them, but there are 2 tensors"),
    ],
)
def test_a_bad_argument_of_a_model_is_named(arguments, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        compress_model(**{"weights": two_layers(), **arguments})
