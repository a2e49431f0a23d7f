"""What is known of a network without PyTorch."""

import re
import subprocess
import sys
from math import prod

import pytest

from compressor import networks
from compressor.networks import NETWORKS, activations_of, network, paper_names
from compressor.networks.registry import SHAPES
from compressor.networks.shapes import ALEXNET, LENET_5, LENET_300_100, SQUEEZENET_1_0, SQUEEZENET_1_1, VGG_16
from compressor.types.model_checks import ACTIVATION_FUNCTIONS


def fresh(code):
    """Run `code` in a fresh interpreter; its output in words."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_names_and_activation_functions_need_no_pytorch():
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from compressor.networks import NETWORKS, activations_of, paper_names\n"
        "for name in NETWORKS: assert list(activations_of(name)) == list(paper_names(name))\n"
        "print(len(NETWORKS))"
    )
    assert fresh(code) == "8\n"


def test_the_package_alone_loads_neither_pytorch_nor_numpy():
    assert fresh("import compressor.networks, sys; print({'torch', 'numpy'} & set(sys.modules))") == "set()\n"


@pytest.mark.parametrize("asked", ["from compressor.networks import LeNet5", "network('lenet-5')"])
def test_without_pytorch_the_message_names_the_extra(asked):
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from compressor.networks import network\n"
        f"try: {asked}\n"
        "except ImportError as error: print(error)"
    )
    assert fresh(code) == "the networks need PyTorch: pip install 'eie-sim[train]'\n"


@pytest.mark.parametrize("name", ["resnet", "LeNet-5", "", None, []])
def test_an_unknown_network_is_one_error_that_lists_those_there_are(name):
    for ask in (activations_of, paper_names):
        with pytest.raises(
            ValueError, match=rf"network: {re.escape(repr(name))}, but it must be one of lenet-300-100, lenet-5, alex"
        ):
            ask(name)
    with pytest.raises(ValueError, match="network: "):
        network(name)


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match=r"compressor\.networks.*ResNet"):
        _ = networks.ResNet
    assert set(networks.__all__) <= set(dir(networks))


@pytest.mark.parametrize("name", NETWORKS)
def test_every_layer_has_a_function_that_a_model_may_name(name):
    assert set(activations_of(name).values()) <= set(ACTIVATION_FUNCTIONS)


def test_functions_are_those_of_the_caffe_models():
    assert list(activations_of("lenet-300-100").items()) == [("ip1", "relu"), ("ip2", "relu"), ("ip3", "none")]
    assert list(activations_of("lenet-5").values()) == ["none", "none", "relu", "none"]
    for name, n_layers in (("alexnet", 8), ("vgg-16", 16)):
        assert list(activations_of(name).values()) == ["relu"] * (n_layers - 1) + ["none"]
    assert list(activations_of("squeezenet-1.0").values()) == ["relu"] * 26
    assert set(activations_of("lstm-classifier").values()) == {"none"}


def test_names_of_the_papers_have_slashes_where_a_module_has_dots():
    names = paper_names("squeezenet-1.0")
    assert list(names.values()) == list(SQUEEZENET_1_0)
    assert names["fire2.conv1x1_1"] == "fire2/conv1x1_1"
    assert names["conv_final"] == "conv_final"
    assert paper_names("alexnet") == {layer: layer for layer in ALEXNET}


@pytest.mark.parametrize(
    ("shapes", "n_weights"),
    [
        (LENET_300_100, 266_200),
        (LENET_5, 430_500),
        (ALEXNET, 60_954_656),
        (VGG_16, 138_344_128),
        (SQUEEZENET_1_0, 1_244_448),
        (SQUEEZENET_1_1, 1_231_552),
    ],
)
def test_the_tables_have_the_weights_that_the_docstrings_tell(shapes, n_weights):
    assert sum(map(prod, shapes.values())) == n_weights


def test_a_network_has_the_table_of_its_own_layers():
    assert SHAPES["alexnet"] is ALEXNET
    assert SHAPES["squeezenet-1.1"] is SQUEEZENET_1_1
    assert set(NETWORKS) - set(SHAPES) == {"lstm-classifier", "char-lstm"}
    for name, table in SHAPES.items():
        assert list(paper_names(name).values()) == list(table)
