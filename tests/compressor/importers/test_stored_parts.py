"""Weights stored in parts: read as the module computes with them, and written back for the module to load."""

import json
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compressor import CompressedModel, compress_model
from compressor.importers import read_npz, read_safetensors, write_npz, write_safetensors
from compressor.importers.named_arrays import changed_arrays, dense_model_of, named_arrays, reading_notes
from tests.examples import examples
from tests.extras import needs

torch = needs("torch", "train")
pytorch = needs("compressor.importers.pytorch", "train")
prune, parametrizations = needs("torch.nn.utils.prune", "train"), torch.nn.utils.parametrizations
nn, weight_norm, spectral_norm = torch.nn, torch.nn.utils.weight_norm, torch.nn.utils.spectral_norm
read_pytorch, state_dict_of = pytorch.read_pytorch, pytorch.state_dict_of

pytestmark = pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")


def numbers(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).normal(size=shape).astype(np.float32)


def pruned_network():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 4))
    prune.l1_unstructured(network[0], "weight", 0.75)
    prune.random_unstructured(network[0], "bias", 0.5)
    return network


def norms():
    """Modules with a weight norm in all its forms, and the name of the tensor that each has."""
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return {
            "a norm for each output": weight_norm(nn.Linear(6, 4)),
            "a norm for each input": weight_norm(nn.Linear(6, 4), dim=1),
            "one norm": weight_norm(nn.Linear(6, 4), dim=None),
            "a convolution": weight_norm(nn.Conv2d(3, 4, (2, 3))),
            "as a parametrisation": parametrizations.weight_norm(nn.Linear(6, 4)),
            "one norm as a parametrisation": parametrizations.weight_norm(nn.Linear(6, 4), dim=None),
        }


def weight_of(module):
    """What a module computes with, after the hooks that make it have run."""
    for hook in module._forward_pre_hooks.values():
        hook(module, None)
    return module.weight.detach().numpy()


# Masks ----------------------------------------------------------------------------------------------------------------


def test_a_pruned_checkpoint_is_read_as_the_module_with_its_biases(tmp_path):
    network = pruned_network()
    state = network.state_dict()
    torch.save(state, tmp_path / "a.pth")
    np.savez(tmp_path / "a.npz", **{name: tensor.numpy() for name, tensor in state.items()})
    by_types = read_pytorch(network)
    for model in (read_pytorch(state), read_pytorch(tmp_path / "a.pth"), read_npz(tmp_path / "a.npz")):
        assert [(t.name, t.shape) for t in model.tensors] == [("0", (8, 16)), ("2", (4, 8))]
        assert not model.others
        for one, other in zip(model.tensors, by_types.tensors, strict=True):
            assert np.array_equal(one.weights, other.weights)
            assert np.array_equal(one.bias, other.bias)
    assert np.count_nonzero(model.tensors[0].weights) == 32


def test_a_pruned_module_loads_what_is_written_and_computes_with_it(tmp_path):
    network = pruned_network()
    state = network.state_dict()
    torch.save(state, tmp_path / "a.pth")
    model = compress_model(read_pytorch(tmp_path / "a.pth"), density=0.1, weight_bits=3)
    pytorch.write_pytorch(model, tmp_path / "a.pth", tmp_path / "b.pth")
    new = torch.load(tmp_path / "b.pth", weights_only=True)
    assert new.keys() == state.keys()
    assert torch.equal(new["0.weight_mask"], state["0.weight_mask"])
    network.load_state_dict(new)
    assert np.array_equal(weight_of(network[0]), model.tensors[0].dense())
    with pytest.raises(ValueError, match="has parametrisations; remove them first"):
        pytorch.load_into(model, network)


def test_what_nothing_changes_in_is_no_change():
    state = {name: tensor.numpy() for name, tensor in pruned_network().state_dict().items()}
    assert changed_arrays(dense_model_of(state), state) == {}


def test_without_the_original_a_mask_is_where_the_weight_is_not_zero(tmp_path):
    state = {name: tensor.numpy() for name, tensor in pruned_network().state_dict().items()}
    model = compress_model(dense_model_of(state), density=1, weight_bits=8)
    write_npz(model, tmp_path / "b.npz")
    again = read_npz(tmp_path / "b.npz")
    assert np.load(tmp_path / "b.npz").keys() == state.keys()
    for one, other in zip(again.tensors, model.tensors, strict=True):
        assert np.array_equal(one.weights, other.dense())


def test_a_mask_of_truth_values_serves_too(tmp_path):
    arrays = {"fc.weight_orig": numbers(3, 4), "fc.weight_mask": numbers(3, 4) > 0}
    np.savez(tmp_path / "a.npz", **arrays)
    model = compress_model(read_npz(tmp_path / "a.npz"), density=0.2, weight_bits=2)
    assert not (model.tensors[0].dense()[~arrays["fc.weight_mask"]]).any()
    write_npz(model, tmp_path / "b.npz", like=tmp_path / "a.npz")
    assert np.array_equal(np.load(tmp_path / "b.npz")["fc.weight_mask"], arrays["fc.weight_mask"])
    assert np.array_equal(read_npz(tmp_path / "b.npz").tensors[0].weights, model.tensors[0].dense())


# Norms ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", norms())
def test_a_weight_norm_is_read_as_the_module_computes_with_it(form):
    module = norms()[form]
    for source in (module, module.state_dict()):
        model = read_pytorch(source)
        assert [t.bias is not None for t in model.tensors] == [True]
        assert not model.others
        np.testing.assert_allclose(model.tensors[0].weights, weight_of(module), rtol=2e-6)


@pytest.mark.parametrize("form", norms())
@pytest.mark.parametrize("density", [1, 0.1])
def test_what_is_written_makes_the_module_compute_with_the_new_weight(form, density):
    module = norms()[form]
    model = compress_model(read_pytorch(module.state_dict()), density, weight_bits=8)
    module.load_state_dict(state_dict_of(model, module.state_dict()))
    np.testing.assert_allclose(weight_of(module), model.tensors[0].dense(), rtol=1e-6, atol=1e-9)


def test_a_module_with_hooks_gives_plain_weights_and_takes_none():
    module = norms()["a norm for each output"]
    model = compress_model(module, density=0.5)
    assert list(state_dict_of(model, module)) == ["bias", "weight"]
    with pytest.raises(ValueError, match="has parametrisations; remove them first"):
        pytorch.load_into(model, module)


def test_the_hidden_matrix_of_a_recurrent_layer_may_have_a_norm():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        module = weight_norm(nn.LSTM(3, 5), "weight_hh_l0")
    model = read_pytorch(module.state_dict())
    assert {t.name: (t.kind, t.shape) for t in model.tensors} == {
        "weight_ih_l0": ("lstm", (20, 3)),
        "weight_hh_l0": ("lstm", (20, 5)),
    }
    assert all(t.bias is not None for t in model.tensors)


@settings(deadline=None, max_examples=examples(200))
@given(
    st.lists(st.integers(1, 4), min_size=2, max_size=4),
    st.integers(-1, 3),
    st.integers(0, 2**16),
    st.sampled_from([("_g", "_v"), ("_orig", "_mask")]),
)
def test_parts_make_the_weight_that_was_split(shape, own, seed, suffixes):
    weight = numbers(*shape, seed=seed)
    norm = numbers(*(n if axis == own else 1 for axis, n in enumerate(shape)))
    parts = {
        "_orig": (weight, (numbers(*shape, seed=seed + 1) > 0).astype(np.float32)),
        "_g": (norm if 0 <= own < len(shape) else np.float32(2), weight),
    }[suffixes[0]]
    arrays = {f"a.weight{suffix}": part for suffix, part in zip(suffixes, parts, strict=True)}
    model = dense_model_of(arrays)
    (tensor,) = model.tensors
    assert changed_arrays(model, arrays) == {}
    back = named_arrays(compress_model(model, density=0.5, weight_bits=2))
    assert {name: array.shape for name, array in back.items()} == {n: np.shape(a) for n, a in arrays.items()}
    again = dense_model_of(back).tensors[0]
    expected = compress_model(model, density=0.5, weight_bits=2).tensors[0].dense()
    assert again.name == tensor.name
    np.testing.assert_allclose(again.weights, expected, rtol=1e-6)


# What is refused ------------------------------------------------------------------------------------------------------


def states():
    """State dicts that do not say what their module computes with, and what is said of each."""
    torch.manual_seed(0)
    return {
        "old spectral norm": (
            spectral_norm(nn.Linear(4, 4)).state_dict(),
            r"spectral norm, .*remove_spectral_norm",
        ),
        "spectral norm": (
            parametrizations.spectral_norm(nn.Linear(4, 4)).state_dict(),
            r"'weight' has spectral norm, .*remove_parametrizations",
        ),
        "orthogonal": (
            parametrizations.orthogonal(nn.Linear(4, 4)).state_dict(),
            r"'weight' has a parametrisation that is not a weight norm",
        ),
        "scaled": (
            {"weight": torch.ones(2, 2).to(torch.float8_e4m3fn), "weight_scale_inv": torch.ones(1, 1)},
            "multiplied by its scale",
        ),
        "scaled integers": (
            {"weight": torch.ones(2, 2).to(torch.int8), "weight_scale": torch.ones(1)},
            "multiplied by its scale",
        ),
        "soft mask": (
            {"weight_orig": torch.ones(2, 2), "weight_mask": torch.full((2, 2), 0.5)},
            r"'weight_mask': 0\.5 in a mask of 0 and 1",
        ),
        "another mask": (
            {"weight_orig": torch.ones(2, 2), "weight_mask": torch.ones(2)},
            r"'weight_mask': shape \(2,\)",
        ),
        "a pruned norm": (
            {"weight_g": torch.ones(2, 1), "weight_v_orig": torch.ones(2, 2), "weight_v_mask": torch.ones(2, 2)},
            r"'weight': its parts are stored in parts again",
        ),
        "another norm": ({"weight_g": torch.ones(3), "weight_v": torch.ones(2, 2)}, r"'weight_g': shape \(3,\) is not"),
    }


@pytest.mark.parametrize("case", states())
def test_what_does_not_follow_from_the_names_is_refused_with_a_cure_that_helps(case):
    state, message = states()[case]
    with pytest.raises(ValueError, match=message):
        read_pytorch(state)
    inside = {f"a.{name}": tensor for name, tensor in state.items()}
    kept = "a.parametrizations*" if any("parametrizations" in name for name in state) else "a.weight*"
    model = read_pytorch({**inside, "fc.weight": torch.ones(2, 2)}, keep=[kept])
    assert [t.name for t in model.tensors] == ["fc"]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_a_scale_beside_float_weights_is_kept_and_not_multiplied_in(dtype):
    state = {"fc.weight": torch.full((3, 2), 0.5, dtype=dtype), "fc.weight_scale": torch.full((1,), 8.0)}
    model = read_pytorch(state)
    assert np.array_equal(model.tensors[0].weights, np.full((3, 2), 0.5))
    assert list(model.others) == ["fc.weight_scale"]
    (note,) = reading_notes(model.provenance)
    assert note.startswith("kept as they are: fc.weight_scale (called a scale, but the weights are not quantised")


def test_a_module_with_spectral_norm_is_read_as_it_computes():
    module = spectral_norm(nn.Linear(6, 4))
    module(torch.ones(2, 6))
    module.eval()
    assert np.array_equal(read_pytorch(module).tensors[0].weights, weight_of(module))


@pytest.mark.parametrize(
    "note",
    ["[", "[]", '{"fc.weight": 1}', '{"fc.weight": ["mask", "a"]}', '{"fc.weight": ["other", "a", "b", []]}',
     '{"fc.weight": ["weight_norm", "a", "b", [7, 7]]}'],
)  # fmt: skip
def test_a_forged_note_of_parts_is_refused(note):
    model = compress_model(dense_model_of({"fc.weight": numbers(2, 2)}), density=1)
    forged = CompressedModel(model.tensors, model.activations, {"stored_in_parts": note}, model.others)
    with pytest.raises(ValueError, match="provenance: stored_in_parts"):
        named_arrays(forged)


def test_parts_of_a_safetensors_file_are_written_in_place(tmp_path):
    arrays = {"fc.weight_orig": numbers(3, 4), "fc.weight_mask": (numbers(3, 4) > 0).astype(np.float32)}
    write_safetensors(dense_model_of(arrays), tmp_path / "a.safetensors")
    model = compress_model(read_safetensors(tmp_path / "a.safetensors"), density=0.3, weight_bits=2)
    assert json.loads(model.provenance["stored_in_parts"])["fc.weight"][1:3] == list(arrays)
    write_safetensors(model, tmp_path / "b.safetensors", like=tmp_path / "a.safetensors")
    assert np.array_equal(read_safetensors(tmp_path / "b.safetensors").tensors[0].weights, model.tensors[0].dense())
