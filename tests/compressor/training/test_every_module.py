"""Any network of Linear, Conv2d, LSTM and GRU goes through every stage and back."""

import io

import numpy as np
import pytest

from tests.extras import needs

torch = needs("torch", "train")

from compressor.importers.pytorch import load_into, read_pytorch  # noqa: E402
from compressor.training import (  # noqa: E402
    DeepCompression,
    Prune,
    Share,
    TrainSettings,
    compressed_model_of,
    deep_compress,
    densities,
    error_rate,
    find_layers,
    load_shared,
    masks_of,
    remove_masks,
    run_phases,
    set_masks,
)
from compressor.training.phases import Phase  # noqa: E402
from tests.compressor.training import networks  # noqa: E402
from tests.compressor.training.networks import MIXED_LAYERS  # noqa: E402

SETTINGS = DeepCompression(
    train=TrainSettings(2, rate=0.05, batch_size=20),
    rounds=[Prune(0.5), Prune(0.2)],
    retrain=TrainSettings(1, rate=0.02, l2=1e-3, batch_size=20),
    share=Share(3),
    tune=TrainSettings(1, rate=1e-3, batch_size=20),
)


@pytest.fixture(scope="module")
def done():
    model = networks.mixed()
    return model, deep_compress(model, networks.images(), SETTINGS, held_out=networks.images(seed=2))


def test_the_layers_are_found_in_order_with_their_kinds():
    layers = find_layers(networks.mixed())
    assert list(layers) == MIXED_LAYERS
    assert [layer.kind for layer in layers.values()] == ["conv", *["lstm"] * 4, *["gru"] * 4, "linear"]


def test_every_layer_ends_with_its_density_and_its_shared_values(done):
    model, compression = done
    tensors = compression.model.tensors
    assert [tensor.name for tensor in tensors] == MIXED_LAYERS
    for tensor, layer in zip(tensors, find_layers(model).values(), strict=True):
        assert np.count_nonzero(tensor.codes) == round(0.2 * tensor.codes.size)
        assert len(tensor.codebook) == 8
        assert np.array_equal(tensor.dense(), layer.weight.detach().numpy())
        assert np.array_equal(tensor.bias, layer.bias.detach().numpy())


def test_gates_and_other_parameters_come_along(done):
    compressed = done[1].model
    gates = {tensor.name: tensor.gates for tensor in compressed.tensors}
    assert gates["lstm.weight_hh_l1"] == ("i", "f", "g", "o")
    assert gates["gru.weight_ih_l0_reverse"] == ("r", "z", "n")
    assert gates["fc"] == ()
    assert list(compressed.others) == ["norm.weight", "norm.bias", "norm.running_mean", "norm.running_var"]


def test_the_compressed_model_in_a_fresh_network_gives_the_same_outputs(done):
    model, compression = done
    fresh = networks.mixed(seed=9)
    load_shared(fresh, compression.model)
    inputs, _ = networks.images(seed=3)
    with torch.no_grad():
        assert torch.equal(fresh.eval()(inputs), model.eval()(inputs))
    assert compressed_model_of(fresh) == compression.model
    plain = networks.mixed(seed=9)
    load_into(compression.model, plain)
    with torch.no_grad():
        assert torch.equal(plain.eval()(inputs), model(inputs))


def test_it_learns_and_every_phase_is_recorded(done):
    model, compression = done
    records = compression.records
    assert [record.name for record in records] == ["dense", "prune 1 of 2", "prune 2 of 2", "share"]
    assert [len(record.losses) for record in records] == [2, 1, 1, 1]
    assert records[-1].error_after == error_rate(model, networks.images(seed=2))


def test_a_matrix_alone_is_a_network():
    model = networks.seeded(lambda: torch.nn.Linear(8, 3))
    Share(2).apply(model)
    compressed = compressed_model_of(model)
    assert compressed.tensors[0].name == "weight"
    fresh = torch.nn.Linear(8, 3)
    load_shared(fresh, compressed)
    assert torch.equal(fresh.weight, model.weight)


def test_a_dense_model_has_the_weights_in_effect_and_says_what_is_no_layer():
    class WithEmbedding(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = torch.nn.Embedding(5, 4)
            self.fc = torch.nn.Linear(4, 2)

    model = networks.seeded(WithEmbedding)
    Prune({"fc": 0.25}).apply(model)
    dense = read_pytorch(model)
    assert [tensor.name for tensor in dense.tensors] == ["fc"]
    assert np.count_nonzero(dense.tensors[0].weights) == 2
    assert list(dense.others) == ["embedding.weight"]
    everything = read_pytorch(networks.mixed())
    assert [tensor.name for tensor in everything.tensors] == MIXED_LAYERS
    assert all(tensor.bias is not None for tensor in everything.tensors)


def test_layers_that_are_not_shared_are_kept_as_they_are():
    model = networks.small()
    Share({"0": 2}).apply(model)
    compressed = compressed_model_of(model)
    assert [tensor.name for tensor in compressed.tensors] == ["0"]
    assert compressed.activations == ("relu",)
    assert np.array_equal(compressed.others["3.weight"], model[3].weight.detach().numpy())
    fresh = networks.small(seed=4)
    load_shared(fresh, compressed)
    assert torch.equal(fresh[3].weight, model[3].weight)


@pytest.mark.parametrize("step", [Prune(0.3), Share(2)])
def test_sparsity_and_sharing_hold_after_100_steps_with_momentum_and_decay(step):
    model = networks.mixed()
    Prune(0.3).apply(model)
    step.apply(model)
    before = densities(model)
    optimizer = torch.optim.SGD(model.parameters(), 0.05, momentum=0.9, weight_decay=0.01, nesterov=True)
    inputs, labels = networks.images(20)
    weights = {name: layer.weight.detach().clone() for name, layer in find_layers(model).items()}
    for _ in range(100):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(inputs), labels).backward()
        optimizer.step()
    assert densities(model) == before
    for name, layer in find_layers(model).items():
        assert torch.equal(layer.weight == 0, weights[name] == 0)
        assert not torch.equal(layer.weight, weights[name])
        if isinstance(step, Share):
            assert layer.trained[0] == 0
            assert len(layer.weight.unique()) <= 4


def test_sparsity_holds_when_an_optimizer_remembers_the_time_before_pruning():
    model = networks.small()
    inputs, labels = networks.vectors()
    optimizer = torch.optim.SGD(model.parameters(), 0.05, momentum=0.9)
    for step in range(20):
        if step == 10:
            Prune(0.3).apply(model)
            pruned = {name: layer.weight == 0 for name, layer in find_layers(model).items()}
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(inputs), labels).backward()
        optimizer.step()
    for name, layer in find_layers(model).items():
        assert torch.equal(layer.weight == 0, pruned[name])


def test_what_lies_below_a_mask_is_zero_so_that_dense_weights_begin_there():
    model = networks.small()
    Prune(0.3).apply(model)
    run_phases(model, networks.vectors(), [Phase("retrain", TrainSettings(3, 0.1, l2=0.01, l1=0.001))])
    masks = masks_of(model)
    assert all(int(layer.trained[~masks[name]].count_nonzero()) == 0 for name, layer in find_layers(model).items())
    remove_masks(model)
    assert masks_of(model) == {}
    assert all(int(layer.weight[~masks[name]].count_nonzero()) == 0 for name, layer in find_layers(model).items())
    assert all(layer.weight is layer.trained for layer in find_layers(model).values())


def test_a_state_dict_of_a_pruned_and_shared_network_loads_into_one_of_the_same_form():
    model, other = networks.small(), networks.small(seed=5)
    for one in (model, other):
        Prune(0.5).apply(one)
        Share(2).apply(one)
    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    file.seek(0)
    with pytest.raises(AssertionError):
        assert torch.equal(other[0].weight, model[0].weight)
    other.load_state_dict(torch.load(file, weights_only=True))
    assert torch.equal(other[0].weight, model[0].weight)
    inputs, _ = networks.vectors()
    assert torch.equal(other(inputs), model(inputs))


def test_what_cannot_be_done_is_one_clear_error():
    model = networks.small()
    with pytest.raises(ValueError, match="masks: there is no layer 'fc9'"):
        set_masks(model, {"fc9": torch.ones(1)})
    with pytest.raises(ValueError, match=r"masks: shape \(2, 2\) for '0', which is \(12, 8\)"):
        set_masks(model, {"0": torch.ones(2, 2)})
    with pytest.raises(ValueError, match="no layer of Sequential has shared weights"):
        compressed_model_of(model)
    with pytest.raises(ValueError, match="density: there is no layer 'fc9', only 0, 3"):
        Prune({"fc9": 0.5}).apply(model)
    with pytest.raises(ValueError, match="weight_bits: there is no layer 'fc9'"):
        Share({"fc9": 3}).apply(model)
    with pytest.raises(ValueError, match="0: weight_bits: 9, but it must be 1 to 8"):
        Share(9).apply(model)
    with pytest.raises(ValueError, match="'0' is given density and quality"):
        Prune(0.5, quality={"0": 1.0}).apply(model)
    with pytest.raises(ValueError, match="a density, a threshold or a quality must be given"):
        Prune()
    Share(2).apply(model)
    with pytest.raises(ValueError, match="'0' is under SharedWeights"):
        Prune(0.5).apply(model)
    with pytest.raises(ValueError, match="Flatten has no Linear, Conv, LSTM or GRU layer"):
        find_layers(torch.nn.Flatten())
    tied = networks.small()
    tied.extra = torch.nn.Linear(8, 12)
    tied.extra.weight = tied[0].weight
    with pytest.raises(ValueError, match=r"'0\.weight' and 'extra\.weight' are one parameter"):
        find_layers(tied)
    with pytest.raises(ValueError, match="there is no layer '0', only conv"):
        load_shared(networks.mixed(), compressed_model_of(model))
    normalised = networks.small()
    torch.nn.utils.parametrizations.weight_norm(normalised[0])
    with pytest.raises(ValueError, match="'0' is under _WeightNorm; remove it first"):
        find_layers(normalised)


def test_an_embedding_that_is_tied_to_a_matrix_is_refused():
    class Tied(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = torch.nn.Embedding(20, 8)
            self.out = torch.nn.Linear(8, 20)
            self.out.weight = self.embedding.weight

    with pytest.raises(ValueError, match=r"'embedding\.weight' and 'out\.weight' are one parameter"):
        Share(4).apply(Tied())


def test_a_layer_that_stands_in_two_places_is_one_layer():
    layer = torch.nn.Linear(4, 4)
    assert list(find_layers(torch.nn.Sequential(layer, torch.nn.ReLU(), layer))) == ["0"]
