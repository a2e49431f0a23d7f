"""The gradient of a centroid is the sum over its cluster (Deep Compression, eq. 3)."""

import numpy as np

from tests.extras import needs

torch = needs("torch", "train")

from compressor.training import Prune, Share, find_layers  # noqa: E402
from compressor.training.sharing import SharedWeights, share_layer  # noqa: E402
from tests.compressor.training import networks  # noqa: E402


def test_the_gradient_by_hand():
    # The example of Deep Compression, Fig. 3: sixteen weights in four clusters, and their gradients.
    codes = torch.tensor([[3, 0, 2, 1], [1, 1, 0, 3], [0, 3, 1, 0], [3, 1, 2, 2]]) + 1
    gradients = torch.tensor(
        [[-0.03, -0.01, 0.03, 0.02], [-0.01, 0.01, -0.02, 0.12], [-0.01, 0.02, 0.04, 0.01], [-0.07, -0.02, 0.01, -0.02]]
    )
    shared = SharedWeights(codes.to(torch.uint8), 8)
    codebook = torch.tensor([0, -1.0, 0, 1.5, 2.0, 0, 0, 0], requires_grad=True)
    shared(codebook).backward(gradients)
    sums = [0, -0.03, 0.04, 0.02, 0.04, 0, 0, 0]
    assert torch.allclose(codebook.grad, torch.tensor(sums), atol=1e-7)


def test_the_gradient_is_what_autograd_finds():
    generator = torch.Generator().manual_seed(0)
    codes = torch.randint(0, 16, (40, 30), generator=generator)
    gradient = torch.randn(40, 30, dtype=torch.float64, generator=generator)
    codebook = torch.randn(16, dtype=torch.float64, generator=generator)
    codebook[0] = 0
    mine, theirs = codebook.clone().requires_grad_(), codebook.clone().requires_grad_()
    weight = SharedWeights(codes.to(torch.uint8), 16)(mine)
    plain = theirs[codes]
    assert torch.equal(weight, plain)
    weight.backward(gradient)
    plain.backward(gradient)
    assert torch.allclose(mine.grad[1:], theirs.grad[1:], rtol=1e-14)
    assert mine.grad[0] == 0
    assert torch.autograd.gradcheck(lambda book: SharedWeights(codes.to(torch.uint8), 16)(book)[codes > 0], (mine,))


def test_without_a_zero_every_weight_has_a_value():
    codes = torch.tensor([[1, 2], [3, 1]], dtype=torch.uint8)
    codebook = torch.tensor([0, 1.0, 2.0, 4.0], requires_grad=True)
    weight = SharedWeights(codes, 4)(codebook)
    assert weight.tolist() == [[1, 2], [4, 1]]
    weight.sum().backward()
    assert codebook.grad.tolist() == [0, 2, 1, 1]


def test_a_layer_pruned_to_nothing_is_zero_and_trains_on():
    model = networks.small()
    Prune({"0": 0.0}).apply(model)
    Share(2).apply(model)
    assert find_layers(model)["0"].weight.count_nonzero() == 0
    inputs, labels = networks.vectors()
    torch.nn.functional.cross_entropy(model(inputs), labels).backward()
    assert find_layers(model)["0"].trained.grad.tolist() == [0, 0, 0, 0]


def test_assigning_a_weight_gives_each_centroid_the_mean_of_its_cluster():
    model = torch.nn.Linear(2, 2)
    layer = find_layers(model)["weight"]
    share_layer(layer, np.array([0, 1, 2, 3], np.float32), np.array([[1, 0], [2, 1]], np.uint8))
    model.weight = torch.tensor([[1.0, 9.0], [5.0, 3.0]])
    assert layer.trained.tolist() == [0, 2, 5, 0]


def test_what_is_shared_is_the_k_means_of_the_kept_weights():
    from compressor.weight_sharing import share_weights

    model = networks.small()
    Prune(0.5).apply(model)
    weights = model[0].weight.detach().numpy()
    found = share_weights(weights[weights != 0], 3, "density")
    Share(3, init="density").apply(model)
    shared = model[0].weight.detach().numpy()
    assert np.array_equal(shared[shared != 0], found.codebook[found.codes])
    assert np.array_equal(shared == 0, weights == 0)


def test_the_bias_can_take_part_in_the_clustering():
    plain, together = networks.small(), networks.small()
    with torch.no_grad():
        together[0].bias.fill_(3.0)
        plain[0].bias.fill_(3.0)
    Share(3).apply(plain)
    Share(3, with_bias=True).apply(together)
    assert find_layers(plain)["0"].trained.max() < 1
    assert find_layers(together)["0"].trained.max() == 3
    assert together[0].bias.tolist() == [3.0] * 12
