"""The plain trainer: what it moves, how far, and what it refuses."""

from dataclasses import replace

import numpy as np
import pytest

from tests.extras import needs

torch = needs("torch", "train")

from compressor.training import (  # noqa: E402
    Prune,
    Share,
    TensorData,
    Trainer,
    TrainSettings,
    densities,
    error_rate,
    find_layers,
    masks_of,
    run_phases,
    train,
)
from compressor.training.phases import Phase  # noqa: E402
from tests.compressor.training import networks  # noqa: E402


def one_step(settings, model=None):
    """A network before and after one step over all examples."""
    model = networks.small() if model is None else model
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    train(model, networks.vectors(), replace(settings, epochs=1, batch_size=90))
    return before, model.state_dict(), gradients(before)


def gradients(state):
    model = networks.small()
    model.load_state_dict(state)
    inputs, labels = networks.vectors()
    torch.nn.functional.cross_entropy(model(inputs), labels).backward()
    return {name: parameter.grad for name, parameter in model.named_parameters()}


def test_a_step_goes_against_the_gradient():
    before, after, gradient = one_step(TrainSettings(1, rate=0.5))
    for name in before:
        assert torch.allclose(after[name], before[name] - 0.5 * gradient[name], atol=1e-6)


def test_l2_pulls_weights_but_not_biases():
    before, after, gradient = one_step(TrainSettings(1, rate=0.5, l2=0.1))
    weight = before["0.weight"] - 0.5 * (gradient["0.weight"] + 0.1 * before["0.weight"])
    assert torch.allclose(after["0.weight"], weight, atol=1e-6)
    assert torch.allclose(after["0.bias"], before["0.bias"] - 0.5 * gradient["0.bias"], atol=1e-6)


def test_l1_pulls_every_weight_alike():
    before, after, gradient = one_step(TrainSettings(1, rate=0.5, l1=0.1))
    weight = before["0.weight"] - 0.5 * (gradient["0.weight"] + 0.1 * before["0.weight"].sign())
    assert torch.allclose(after["0.weight"], weight, atol=1e-6)
    assert torch.allclose(after["0.bias"], before["0.bias"] - 0.5 * gradient["0.bias"], atol=1e-6)


def test_the_whole_gradient_is_clipped():
    before, after, _ = one_step(TrainSettings(1, rate=1.0, clip=0.01))
    moved = torch.cat([(after[name] - before[name]).flatten() for name in before])
    assert float(moved.norm()) == pytest.approx(0.01, rel=1e-3)


def test_the_rate_is_cut_at_the_published_epochs():
    settings = TrainSettings(6, rate=1.0, cuts=[(2, 0.1), (4, 0.5)])
    assert [settings.rate_in(epoch) for epoch in range(6)] == pytest.approx([1, 1, 0.1, 0.1, 0.05, 0.05])
    model, still = networks.small(), networks.small()
    train(model, networks.vectors(), TrainSettings(2, rate=0.1, cuts=[(0, 0.0)]))
    assert networks.same_state(model, still)


@pytest.mark.parametrize("fixed", [("conv",), ("0", "2")])
def test_fixed_layers_stay_as_they_are_with_their_biases(fixed):
    model = networks.conv_net()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    train(model, networks.images(), TrainSettings(1, rate=0.1, l2=0.1, fixed=fixed))
    moved = {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])}
    assert moved == {"4.weight", "4.bias"}
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_a_network_learns_and_the_error_is_a_share_of_the_labels():
    model = networks.small()
    record = train(model, networks.vectors(), TrainSettings(20, rate=0.1), held_out=networks.vectors(seed=2))
    assert record.losses[-1] < record.losses[0] / 2
    assert record.error_before > 0.4 > 0.2 > record.error_after
    inputs, labels = networks.vectors(seed=2)
    assert error_rate(model, (inputs, labels)) == int((model(inputs).argmax(1) != labels).sum()) / 90
    assert error_rate(model, [(inputs[:40], labels[:40]), (inputs[40:], labels[40:])]) == record.error_after


def test_a_sequence_has_an_error_for_each_of_its_labels():
    class Echo(torch.nn.Module):
        def forward(self, symbols):
            return torch.nn.functional.one_hot(symbols, 4).float().transpose(1, 2)

    symbols = torch.tensor([[0, 1, 2], [3, 3, 1]])
    labels = torch.tensor([[0, 1, 1], [3, 0, 1]])
    assert error_rate(Echo(), (symbols, labels)) == 2 / 6


def test_the_centroids_alone_can_be_tuned():
    model = networks.small()
    Share(2).apply(model)
    codes = {name: layer.parametrization.codes.clone() for name, layer in find_layers(model).items()}
    books = {name: layer.trained.clone() for name, layer in find_layers(model).items()}
    record = train(model, networks.vectors(), TrainSettings(20, rate=0.01))
    assert record.losses[-1] < record.losses[0]
    for name, layer in find_layers(model).items():
        assert torch.equal(layer.parametrization.codes, codes[name])
        assert not torch.equal(layer.trained, books[name])
        assert layer.trained[0] == 0


def test_images_may_be_bytes_until_they_are_needed():
    pictures, labels = networks.images()
    as_bytes = (pictures * 100).to(torch.uint8)
    one, other = networks.conv_net(), networks.conv_net()
    train(one, TensorData(as_bytes, labels, lambda x: x.float() / 100), TrainSettings(1))
    train(other, (as_bytes.float() / 100, labels), TrainSettings(1))
    assert networks.same_state(one, other)


def test_progress_counts_the_batches_of_all_phases():
    calls = []
    phases = [Phase("one", TrainSettings(2, batch_size=40)), Phase("two", TrainSettings(1, batch_size=90))]
    run_phases(
        networks.small(), networks.vectors(), phases,
        held_out=networks.vectors(), progress=lambda *at: calls.append(at),
    )  # fmt: skip
    assert [done for done, _, _ in calls] == [1, 2, 3, 4, 5, 6, 7]
    assert {total for _, total, _ in calls} == {7}
    assert calls[3][2].startswith("one, epoch 2 of 2, error ")
    assert calls[6][2].startswith("two, epoch 1 of 1, error ")


def test_the_mode_of_the_network_is_kept():
    model = networks.small(dropout=0.5).eval()
    train(model, networks.vectors(), TrainSettings(1))
    assert not model.training
    error_rate(model.train(), networks.vectors())
    assert model.training


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": -1}, "epochs: -1, but it must be at least 0"),
        ({"rate": -0.1}, "rate: -0.1, but it must be at least 0"),
        ({"l2": float("nan")}, "l2: nan, but it must be finite"),
        ({"momentum": 1.0}, "momentum: 1.0, but it must be at least 0 and less than 1"),
        ({"batch_size": 0}, "batch_size: 0, but it must be at least 1"),
        ({"optimizer": "lbfgs"}, "optimizer: 'lbfgs', but it must be one of sgd, adam"),
        ({"clip": 0}, "clip: 0, but it must be above 0"),
        ({"cuts": [(-1, 0.1)]}, "cuts: -1, but it must be at least 0"),
    ],
)
def test_a_setting_out_of_its_limits_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        TrainSettings(**{"epochs": 1, **changes})


def test_what_cannot_be_trained_is_one_clear_error():
    model, (inputs, labels) = networks.small(), networks.vectors()
    with pytest.raises(ValueError, match="90 inputs and 89 labels"):
        train(model, (inputs, labels[1:]), TrainSettings(1))
    with pytest.raises(ValueError, match="data: generator, but it must be TensorData"):
        train(model, (batch for batch in [(inputs, labels)]), TrainSettings(1))
    with pytest.raises(ValueError, match="there are no batches"):
        train(model, [], TrainSettings(1))
    with pytest.raises(ValueError, match="there are no labels"):
        error_rate(model, [])
    with pytest.raises(ValueError, match="'fc9' is no layer"):
        Trainer(model, (inputs, labels), TrainSettings(1, fixed="fc9"))
    with pytest.raises(ValueError, match="leaves nothing to train"):
        Trainer(model, (inputs, labels), TrainSettings(1, fixed=("linear",)))
    with pytest.raises(ValueError, match=r"rate: 1e\+30 is too high, the loss is nan in epoch"):
        train(model, (inputs, labels), TrainSettings(9, rate=1e30))


def test_sparsity_holds_in_a_trainer_that_was_there_before_the_pruning():
    model = networks.small()
    trainer = Trainer(model, networks.vectors(), TrainSettings(3, rate=0.1, l2=0.01, l1=0.001))
    trainer.run_epoch()
    Prune(0.25).apply(model)
    kept = masks_of(model)
    trainer.run_epoch()
    assert densities(model) == {"0": 0.25, "3": 0.25}
    for name, layer in find_layers(model).items():
        assert torch.equal(layer.weight != 0, kept[name])
        assert int(layer.trained[~kept[name]].count_nonzero()) == 0


def test_images_are_inputs_from_0_to_1_and_paper_stays_0():
    images = np.array([[[0, 51], [255, 0]]], np.uint8)
    data = TensorData.of_images(images, np.array([7], np.uint8))
    assert data.inputs.dtype == torch.float32
    assert data.inputs.tolist() == [[[0, np.float32(0.2)], [1, 0]]]
    assert data.labels.dtype == torch.int64
    assert data.labels.tolist() == [7]


def test_a_trainer_trains_a_pruned_network_as_plain_steps_through_its_masks_do():
    inputs, labels = networks.vectors()
    model, plain = networks.small(), networks.small()
    for one in (model, plain):
        Prune(0.4).apply(one)
    train(model, (inputs, labels), TrainSettings(5, rate=0.1, batch_size=90, momentum=0.9))
    optimizer = torch.optim.SGD(plain.parameters(), 0.1, momentum=0.9)
    for _ in range(5):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(plain(inputs), labels).backward()
        optimizer.step()
    for name, tensor in plain.state_dict().items():
        assert torch.allclose(model.state_dict()[name], tensor, atol=1e-6)
    assert all(not layer.parametrization.kept for layer in find_layers(model).values())
