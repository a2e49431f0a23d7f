"""The networks as PyTorch modules: shapes, layers in order, what stands after each, and that a seed decides."""

import inspect
from math import sqrt

import pytest

from compressor import networks
from compressor.networks import NETWORKS, activations_of, network, paper_names, shapes
from tests.extras import needs

torch = needs("torch", "train")
fx = needs("torch.fx", "train")
torch.set_num_threads(1)

TABLES = {
    "lenet-300-100": shapes.LENET_300_100,
    "lenet-5": shapes.LENET_5,
    "alexnet": shapes.ALEXNET,
    "vgg-16": shapes.VGG_16,
    "squeezenet-1.0": shapes.SQUEEZENET_1_0,
    "squeezenet-1.1": shapes.SQUEEZENET_1_1,
}
LARGE = ("alexnet", "vgg-16")  # hundreds of megabytes: without memory here, whole in the slow tests
SMALL = tuple(name for name in NETWORKS if name not in LARGE)
N_PARAMETERS = {
    "lenet-300-100": 266_610,
    "lenet-5": 431_080,
    "alexnet": 60_965_224,
    "vgg-16": 138_357_544,
    "squeezenet-1.0": 1_248_424,
    "squeezenet-1.1": 1_235_496,
    "lstm-classifier": 4 * 128 * (28 + 128 + 2) + 10 * 129,
    "char-lstm": 4 * 128 * (24 + 128 + 2) + 24 * 129,
}
INPUTS = {
    "lenet-300-100": (2, 28, 28),
    "lenet-5": (2, 28, 28),
    "alexnet": (1, 3, 227, 227),
    "vgg-16": (1, 3, 224, 224),
    "squeezenet-1.0": (1, 3, 227, 227),
    "squeezenet-1.1": (1, 3, 227, 227),
    "lstm-classifier": (2, 28, 28),
}
WEIGHTED = (torch.nn.Linear, torch.nn.Conv2d)
RELUS = (torch.relu, torch.nn.functional.relu)


@pytest.fixture
def meta(monkeypatch):
    """Networks without memory, for their structure alone."""
    for module in ("alexnet", "vgg", "lenet", "squeezenet", "recurrent"):
        home = __import__(f"compressor.networks.{module}", fromlist=["initialise"])
        monkeypatch.setattr(home, "initialise", lambda *_: None)


def layers_of(model):
    """Weights by their names in the network, in order."""
    found = {}
    for name, module in model.named_modules():
        if isinstance(module, WEIGHTED):
            found[name] = module.weight
        elif isinstance(module, torch.nn.LSTM):
            found |= {f"{name}.{key}": p for key, p in module.named_parameters() if key.startswith("weight")}
    return found


@pytest.mark.parametrize("name", NETWORKS)
def test_layers_stand_in_the_order_of_their_names(name, meta):
    assert list(layers_of(network(name))) == list(activations_of(name))


@pytest.mark.parametrize("name", TABLES)
def test_shapes_are_those_of_the_table(name, meta):
    paper = paper_names(name)
    found = {paper[layer]: tuple(weight.shape) for layer, weight in layers_of(network(name)).items()}
    assert found == TABLES[name]


@pytest.mark.parametrize("name", NETWORKS)
def test_the_number_of_parameters_is_known(name, meta):
    assert sum(p.numel() for p in network(name).parameters()) == N_PARAMETERS[name]


def test_alexnet_has_the_sizes_of_table_4(meta):
    model = network("alexnet")
    sizes = [model.get_submodule(f"conv{i}").weight.numel() // 1000 for i in range(1, 6)]
    assert sizes == [34, 307, 884, 663, 442]  # there 35K, 307K, 885K, 663K, 442K: some rounded up, some down
    assert [model.get_submodule(f"conv{i}").groups for i in range(1, 6)] == [1, 2, 1, 2, 2]


@pytest.mark.parametrize("name", TABLES)
def test_after_each_layer_comes_the_function_that_is_told(name, meta):
    model = network(name)
    traced = fx.Tracer(autowrap_functions=RELUS)
    graph = traced.trace(model)
    modules, found = dict(model.named_modules()), {}
    for node in graph.nodes:
        if node.op == "call_module" and isinstance(modules[node.target], WEIGHTED):
            after = [user.target for user in node.users]
            assert len(after) <= 1 or set(after) <= set(RELUS)
            found[node.target] = "relu" if after and after[0] in RELUS else "none"
    assert found == activations_of(name)
    assert list(found) == list(activations_of(name))  # computed in the order in which they stand


@pytest.mark.parametrize(
    ("name", "n_dropouts"), [("alexnet", 2), ("vgg-16", 2), ("squeezenet-1.0", 1), ("squeezenet-1.1", 1)]
)
def test_dropout_is_where_the_papers_have_it(name, n_dropouts, meta):
    for rate in (0.5, 0.25):
        model = network(name) if rate == 0.5 else network(name, dropout=rate)
        rates = [module.p for module in model.modules() if isinstance(module, torch.nn.Dropout)]
        assert rates == [rate] * n_dropouts


def test_the_lenets_drop_nothing_unless_asked():
    for name in ("lenet-300-100", "lenet-5"):
        images = torch.rand(3, 28, 28)
        assert torch.equal(network(name).train()(images), network(name).eval()(images))
        model = network(name, dropout=0.5)
        assert not torch.equal(model.train()(images), model.eval()(images))


@pytest.mark.parametrize("name", [name for name in SMALL if name in INPUTS])
def test_a_forward_pass_gives_a_score_for_each_class(name):
    model = network(name, n_classes=7).eval()
    with torch.no_grad():
        scores = model(torch.rand(INPUTS[name], generator=torch.Generator().manual_seed(0)))
    assert scores.shape == (INPUTS[name][0], 7)
    assert torch.isfinite(scores).all()
    assert scores.std() > 0


@pytest.mark.slow
@pytest.mark.parametrize("name", LARGE)
def test_one_image_goes_through_the_large_networks(name):
    model = network(name).eval()
    with torch.no_grad():
        scores = model(torch.rand(INPUTS[name], generator=torch.Generator().manual_seed(0)))
    assert scores.shape == (1, 1000)
    assert torch.isfinite(scores).all()
    assert 0.01 < scores.std() < 100  # the signal neither dies nor explodes on its way through 16 layers


@pytest.mark.parametrize("name", ["lenet-300-100", "lenet-5"])
def test_images_may_be_flat_or_have_a_channel(name):
    model, images = network(name).eval(), torch.rand(3, 28, 28)
    for shape in ((3, 1, 28, 28), (3, 784)):
        assert torch.equal(model(images.reshape(shape)), model(images))


def test_lenet_5_computes_what_its_layers_say():
    model, image = network("lenet-5", seed=3), torch.rand(1, 28, 28)
    with torch.no_grad():
        patches = image.unfold(1, 5, 1).unfold(2, 5, 1)  # (1, 24, 24, 5, 5)
        x = torch.einsum("nrcij,oij->norc", patches, model.conv1.weight[:, 0]) + model.conv1.bias[:, None, None]
        x = x.reshape(1, 20, 12, 2, 12, 2).amax((3, 5))
        x = torch.einsum("nkrcij,okij->norc", x.unfold(2, 5, 1).unfold(3, 5, 1), model.conv2.weight)
        x = x.reshape(1, 50, 4, 2, 4, 2).amax((3, 5)).flatten()
        x = (model.ip1.weight @ x).clamp(min=0)
        expected = model.ip2.weight @ x
        torch.testing.assert_close(model(image)[0], expected, rtol=1e-4, atol=1e-5)


def test_squeezenet_1_0_pads_its_last_layer_as_the_authors_do():
    model = network("squeezenet-1.0", dropout=0.0)
    sizes = []
    model.conv_final.register_forward_hook(lambda _, given, result: sizes.append((given[0].shape, result.shape)))
    with torch.no_grad():
        model(torch.rand(1, 3, 227, 227))
    assert sizes == [((1, 512, 13, 13), (1, 1000, 15, 15))]


# The LSTMs ------------------------------------------------------------------------------------------------------------


def lstm_by_hand(model, rows):
    """One layer of an LSTM, gate by gate."""
    lstm = model.lstm
    h = c = torch.zeros(lstm.hidden_size)
    states = []
    for x in rows:
        sums = lstm.weight_ih_l0 @ x + lstm.bias_ih_l0 + lstm.weight_hh_l0 @ h + lstm.bias_hh_l0
        i, f, g, o = sums.chunk(4)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        states.append(h)
    return torch.stack(states)


def test_the_classifier_reads_the_rows_one_after_another():
    model, image = network("lstm-classifier", hidden=9, n_inputs=5), torch.rand(1, 7, 5)
    with torch.no_grad():
        expected = model.fc(lstm_by_hand(model, image[0])[-1])
        torch.testing.assert_close(model(image)[0], expected)
        torch.testing.assert_close(model(image[:, None])[0], expected)


@pytest.mark.parametrize("embedding", [None, 3])
def test_the_character_network_scores_what_comes_after_each_character(embedding):
    model = network("char-lstm", n_symbols=6, hidden=4, embedding=embedding)
    characters = torch.tensor([[0, 5, 2, 2]])
    with torch.no_grad():
        inputs = torch.eye(6)[characters[0]] if embedding is None else model.embedding.weight[characters[0]]
        torch.testing.assert_close(model(characters)[0].T, model.fc(lstm_by_hand(model, inputs)))
    assert model(characters).shape == (1, 6, 4)
    assert torch.nn.functional.cross_entropy(model(characters), characters).ndim == 0


def test_a_one_hot_network_has_nothing_to_learn_before_its_lstm():
    assert not [name for name, _ in network("char-lstm").named_parameters() if "embedding" in name]


@pytest.mark.parametrize("name", ["lstm-classifier", "char-lstm"])
def test_forget_gates_begin_open(name):
    lstm = network(name, hidden=5).lstm
    assert (lstm.bias_ih_l0 + lstm.bias_hh_l0).tolist() == [0] * 5 + [1] * 5 + [0] * 10


# Seeds and settings ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SMALL)
def test_the_seed_decides_the_weights(name):
    first, again, other = (network(name, seed=seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not any(torch.equal(first[key], other[key]) for key in first if first[key].ndim > 1)


def test_making_a_network_leaves_the_random_numbers_of_the_caller_alone():
    before = torch.get_rng_state()
    network("lenet-5")
    network("char-lstm", embedding=4)
    assert torch.equal(torch.get_rng_state(), before)


def test_weights_are_of_the_size_that_keeps_the_signal():
    model = network("lenet-300-100")
    assert float(model.ip1.weight.detach().abs().max()) <= sqrt(3 / 784)
    assert float(model.ip1.weight.detach().std()) == pytest.approx(sqrt(1 / 784), rel=0.01)
    assert not model.ip1.bias.detach().any()
    assert float(network("squeezenet-1.0").conv_final.weight.detach().std()) == pytest.approx(sqrt(2 / 512), rel=0.01)


def test_the_first_weights_of_a_seed_never_change():
    first = network("lenet-300-100", seed=0).ip1.weight.detach()[0, :3]
    torch.testing.assert_close(first, torch.tensor([-0.000463127, 0.033183839, -0.050912712]), rtol=1e-6, atol=0)


def test_a_network_is_ready_to_train():
    model = network("lenet-300-100", seed=1)
    rng = torch.Generator().manual_seed(0)
    images, labels = torch.rand(50, 28, 28, generator=rng), torch.randint(0, 10, (50,), generator=rng)
    optimizer = torch.optim.SGD(model.parameters(), 0.05, momentum=0.9)
    losses = []
    for _ in range(30):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0] / 2


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("lenet-5", {"hidden": 3}, "hidden: no setting of the network 'lenet-5', which has dropout, n_classes, seed"),
        ("lenet-5", {"seed": -1}, "seed: -1, but it must be 0 to"),
        ("lenet-5", {"seed": 0.5}, "seed: 0.5 is not an integer"),
        ("lenet-5", {"dropout": 1}, "dropout: 1, but it must be at least 0 and below 1"),
        ("lenet-5", {"dropout": "half"}, "dropout: 'half' is not a number"),
        ("lenet-300-100", {"n_classes": 0}, "n_classes: 0, but it must be at least 1"),
        ("alexnet", {"dropout": -0.1}, "dropout: -0.1"),
        ("vgg-16", {"n_classes": 0}, "n_classes: 0"),
        ("squeezenet-1.1", {"dropout": 2}, "dropout: 2"),
        ("lstm-classifier", {"hidden": 0}, "hidden: 0"),
        ("lstm-classifier", {"n_inputs": 2.5}, "n_inputs: 2.5"),
        ("char-lstm", {"embedding": 0}, "embedding: 0"),
        ("char-lstm", {"n_symbols": 0}, "n_symbols: 0"),
    ],
)
def test_a_bad_setting_is_one_clear_error(name, settings, message):
    with pytest.raises(ValueError, match=message):
        network(name, **settings)


@pytest.mark.parametrize("name", [name for name in networks.__all__ if name[0].isupper() and not name.isupper()])
def test_every_class_tells_its_settings(name):
    made = getattr(networks, name)
    for setting in inspect.signature(made).parameters:
        assert f"{setting} : " in made.__doc__ or f"{setting}, " in made.__doc__, setting


def test_a_state_dict_goes_into_the_network_of_another_seed():
    first, second = network("lstm-classifier", seed=1), network("lstm-classifier", seed=2)
    second.load_state_dict(first.state_dict())
    image = torch.rand(1, 28, 28)
    assert torch.equal(first(image), second(image))
