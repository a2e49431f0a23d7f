"""The graph that the authors' SqueezeNet comes with: its sizes, its answers, and that files keep it."""

import json

import numpy as np
import onnxruntime
import pytest

from compressor import CodedTensor, CompressedModel, load_compressed, save_compressed
from compressor.accounting import account
from compressor.cli.app import app as eie_compress
from compressor.importers import read_deep_compression_net, read_onnx, write_deep_compression_net, write_onnx
from compressor.importers.onnx import decoded_onnx
from compressor.importers.onnx_file import parsed_model
from compressor.networks.shapes import SQUEEZENET_1_0, SQUEEZENET_1_1
from eie_sim.cli.app import app as eie_sim
from tests.command_line import call
from tests.extras import needs

SIDES = {"conv1": 111} | dict.fromkeys(("fire2", "fire3", "fire4"), 55)
SIDES |= dict.fromkeys(("fire5", "fire6", "fire7", "fire8"), 27) | {"fire9": 13, "conv_final": 15}
"""Rows, and columns, of what each module gives for 227 x 227 pixels."""

CLASSES = {"chelsea": (285, 0.56), "coffee": (967, 0.95), "rocket": (733, 0.57)}
"""Photos of scikit-image: the class that PyTorch answers on the decoded weights, and its probability."""


def drawn(shapes) -> CompressedModel:
    """A model of those layers with codes and codebooks drawn, such that no layer blows its outputs up."""
    rng = np.random.default_rng(0)
    tensors = []
    for name, shape in shapes.items():
        codes = rng.integers(1, 256, np.prod(shape)) * (rng.random(np.prod(shape)) < 0.3)
        book = np.append(0, rng.normal(size=255) * np.sqrt(2 / 0.3 / np.prod(shape[1:])))
        tensors.append(CodedTensor(name, shape, "conv", book, codes.astype(np.uint8), rng.normal(size=shape[0])))
    return CompressedModel(tuple(tensors), ("relu",) * len(tensors))


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """A file as the authors', with weights that are drawn."""
    path = tmp_path_factory.mktemp("net") / "drawn.net"
    write_deep_compression_net(drawn(SQUEEZENET_1_0), path)
    return path


@pytest.fixture(scope="module")
def model(file) -> CompressedModel:
    return read_deep_compression_net(file)


def scores(model, images):
    """What ONNX Runtime answers on the decoded weights."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(decoded_onnx(model).SerializeToString(), options)
    return session.run(["scores"], {"images": images})[0]


def positions(network):
    """Input vectors of each layer in one inference: its multiply-accumulates over its weights."""
    found = {}
    for use in network.uses:
        found[use.node], rest = divmod(use.macs, use.sizes[0])
        assert rest == 0
    return found


# The graph ------------------------------------------------------------------------------------------------------------


def test_every_layer_is_an_operator_of_its_name(model):
    assert [(use.node, use.tensors, use.operator) for use in model.network.uses] == [
        (name, (name,), "Conv") for name in SQUEEZENET_1_0
    ]
    assert model.network.kept == ()
    assert str(model.network.coverage(list(SQUEEZENET_1_0))) == (
        "26 of 26 products, 100 % of the weights, 100 % of the multiply-accumulates"
    )


def test_a_photo_is_49_026_products(model):
    found = positions(model.network)
    assert found == {name: SIDES[name.partition("/")[0]] ** 2 for name in SQUEEZENET_1_0}
    assert sum(found.values()) == 49_026


def test_the_batch_is_open_and_all_else_is_settled(model):
    graph = parsed_model(model.network.onnx).graph
    sizes = {
        value.name: [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in [*graph.input, *graph.output]
    }
    assert sizes == {"images": ["n", 3, 227, 227], "scores": ["n", 1000]}
    assert model.network.open_sizes == ()


def test_pictures_of_a_batch_do_not_mix(model):
    images = np.random.default_rng(1).normal(size=(2, 3, 227, 227)).astype(np.float32)
    together = scores(model, images)
    assert together.shape == (2, 1000)
    for image, alone in zip(images, together, strict=True):
        np.testing.assert_allclose(scores(model, image[None])[0], alone, rtol=0, atol=1e-5 * np.abs(alone).max())


def test_the_graph_computes_what_the_pytorch_module_does(model):
    torch = needs("torch", "train")
    from compressor.networks import network

    module = network("squeezenet-1.0", dropout=0.0).eval()
    for tensor in model.tensors:
        layer = module.get_submodule(tensor.name.replace("/", "."))
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(tensor.dense().copy()))
            layer.bias.copy_(torch.from_numpy(tensor.bias.copy()))
    image = np.random.default_rng(2).normal(size=(1, 3, 227, 227)).astype(np.float32)
    with torch.no_grad():
        wanted = module(torch.from_numpy(image)).numpy()
    np.testing.assert_allclose(scores(model, image), wanted, rtol=0, atol=1e-4 * np.abs(wanted).max())


# Files ----------------------------------------------------------------------------------------------------------------


def test_a_net_file_is_written_back_byte_for_byte(file, model, tmp_path):
    write_deep_compression_net(model, tmp_path / "again.net")
    assert (tmp_path / "again.net").read_bytes() == file.read_bytes()


def test_a_dcz_file_keeps_the_graph_and_every_byte_of_it_is_accounted_for(model, tmp_path):
    save_compressed(model, tmp_path / "x.dcz")
    assert load_compressed(tmp_path / "x.dcz") == model
    found = account(model)
    assert found.graph_bytes == len(model.network.onnx)
    assert found.header_bytes + found.total.file.total + found.graph_bytes == found.file_bytes
    assert found.file_bytes == (tmp_path / "x.dcz").stat().st_size


def test_an_onnx_file_of_it_has_the_decoded_weights(model, tmp_path):
    write_onnx(model, None, tmp_path / "x.onnx")
    for written, tensor in zip(read_onnx(tmp_path / "x.onnx").tensors, model.tensors, strict=True):
        assert written.name == tensor.name
        assert np.array_equal(written.weights, tensor.dense())
        assert np.array_equal(written.bias, tensor.bias)


def test_other_layers_or_functions_are_a_set_of_matrices_without_a_graph(file, tmp_path):
    assert read_deep_compression_net(file, activations=["relu"] * 25 + ["none"]).network is None
    renamed = {f"conv_{number}": shape for number, shape in enumerate(SQUEEZENET_1_0.values())}
    assert read_deep_compression_net(file, renamed).network is None
    write_deep_compression_net(drawn(SQUEEZENET_1_1), tmp_path / "other.net")
    assert read_deep_compression_net(tmp_path / "other.net", SQUEEZENET_1_1).network is None


# The command lines ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("app", "line"),
    [
        (eie_compress, "Compressed: 26 of 26 products, 100 % of the weights, 100 % of the multiply-accumulates."),
        (eie_sim, "On the machine: "),
    ],
)
def test_info_of_a_net_file_shows_how_much_of_the_network_it_is(file, app, line):
    shown = " ".join(call(app, "info", file).stdout.split())  # a line may be wider than the terminal
    assert shown.count(line) == shown.count(" of 26 products, ") == 1
    document = json.loads(call(app, "info", file, "--json").stdout)
    assert document["file_bytes"] == file.stat().st_size
    coverage = document["network"]["coverage"]
    assert (coverage["all_products"], coverage["all_weights"], coverage["unknown"]) == (26, 1_244_448, 0)
    assert coverage["all_macs"] == 861_339_936


def test_a_report_of_a_net_file_accounts_for_its_bytes_and_not_for_the_graph(file):
    document = json.loads(call(eie_compress, "report", file, "--no-compare", "--json").stdout)
    assert document["graph_bytes"] == 0
    assert document["header_bytes"] == 4 * len(SQUEEZENET_1_0)  # the numbers of entries, uint32
    assert (
        document["header_bytes"] + document["total"]["file"]["total"] == document["file_bytes"] == file.stat().st_size
    )


def test_a_net_file_becomes_an_onnx_file_without_naming_another(file, model, tmp_path):
    result = call(eie_compress, "unpack", file, "-o", tmp_path / "x.onnx")
    assert result.exit_code == 0, result.stderr
    assert onnxruntime.InferenceSession(tmp_path / "x.onnx").get_outputs()[0].name == "scores"


# The authors' weights -------------------------------------------------------------------------------------------------


def published(squeezenet, name):
    """A file of expected values beside the authors' own; skips where it is absent."""
    path = squeezenet.parent / name
    if not path.is_file():
        pytest.skip(f"no {name} beside {squeezenet}: it is part of the reference data, not of the authors' repository")
    return path


@pytest.mark.reference_data
def test_the_products_of_each_layer_of_the_authors_network_are_those_of_the_reference(squeezenet, squeezenet_model):
    expected = json.loads(published(squeezenet, "expected_chelsea.json").read_text("utf-8"))
    assert positions(squeezenet_model.network) == {name: one["products"] for name, one in expected["layers"].items()}
    assert sum(positions(squeezenet_model.network).values()) == expected["products"]


@pytest.mark.reference_data
def test_the_scores_of_a_cat_are_those_of_the_reference(squeezenet, squeezenet_model):
    image = np.load(published(squeezenet, "chelsea_227.npy"))
    expected = np.load(published(squeezenet, "expected_chelsea_logits.npy"))
    (found,) = scores(squeezenet_model, image)
    assert np.abs(found - expected).max() <= 1e-4 * np.abs(expected).max()
    assert found.argmax() == 285


@pytest.mark.reference_data
@pytest.mark.parametrize("name", CLASSES)
def test_the_authors_network_knows_a_cat_a_coffee_and_a_rocket(squeezenet_model, name):
    data = needs("skimage", "photos").data
    from eie_sim.sources.photo import photo_inputs

    (image,) = photo_inputs(squeezenet_model.network, getattr(data, name)()).values()
    (found,) = scores(squeezenet_model, image)
    probabilities = np.exp(found - found.max()) / np.exp(found - found.max()).sum()
    number, probability = CLASSES[name]
    assert (probabilities.argmax(), round(float(probabilities.max()), 2)) == (number, probability)


@pytest.mark.reference_data
@pytest.mark.compiled_only
def test_the_graph_makes_the_authors_network_less_than_a_thirtieth_longer(squeezenet_model, squeezenet_layers):
    whole, layers = account(squeezenet_model), account(squeezenet_layers)
    assert whole.total.file == layers.total.file
    assert whole.file_bytes - layers.file_bytes == whole.graph_bytes + whole.header_bytes - layers.header_bytes
    assert whole.file_bytes - layers.file_bytes < layers.file_bytes / 30
