"""A network's answers through the machine, and the cycles of each input."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

import compressor.models
from compressor import CodedTensor, CompressedModel, compress_model
from compressor.importers import write_onnx
from compressor.models import packaged_digits, packaged_model
from eie_sim import preset, simulate_model
from eie_sim.inference import classify, in_fixed_point
from tests.graphs import POOL, with_images

ARCH = preset("eie-64pe-45nm").replace(n_pe=8)


CHAIN = ("ip1", "ip2")


def small_network(seed=0):
    rng = np.random.default_rng(seed)
    weights = {"ip1": rng.normal(size=(20, 36)), "ip2": rng.normal(size=(5, 20))}
    return compress_model(weights, density=0.5)


def with_convolution(seed=0, **graph):
    rng = np.random.default_rng(seed)
    weights = {"conv1": rng.normal(size=(3, 1, 3, 3)), "ip1": rng.normal(size=(7, 12))}
    model = compress_model({**weights, "ip2": rng.normal(size=(5, 7))}, density=0.8)
    return with_images(model, (1, 6, 6), **graph)


def images(n=6, seed=1):
    return np.maximum(np.random.default_rng(seed).normal(size=(n, 6, 6)), 0).astype(np.float32)


@pytest.mark.parametrize("arithmetic", ["float32", "fixed16"])
def test_each_input_takes_the_cycles_and_gets_the_answer_it_would_have_alone(arithmetic):
    arch, model = ARCH.replace(arithmetic=arithmetic), small_network()
    found = classify(model, images(), np.arange(6) % 5, arch, chain=CHAIN)
    for at, image in enumerate(images()):
        alone = simulate_model(model.pack(8).chain(*CHAIN), image.ravel(), arch)
        assert found.cycles[at] == alone.cycles
        assert found.predicted[at] == alone.output.argmax()
        assert found.time_us[at] == pytest.approx(alone.time_us)


def test_accuracy_is_right_answers_over_all():
    found = classify(small_network(), images(), np.zeros(6, int), ARCH, chain=CHAIN)
    right = classify(small_network(), images(), found.predicted, ARCH, chain=CHAIN)
    assert right.accuracy == 1.0
    assert found.correct == int((found.predicted == 0).sum())
    assert "6 of 6 right" in repr(right)


def test_convolutions_come_before_the_machine_and_cost_no_cycles():
    model = with_convolution()
    found = classify(model, images(), np.zeros(6, int), ARCH.replace(arithmetic="fixed16", act_frac_bits=9))
    assert [layer.layer for layer in found.layers] == ["ip1", "ip2"]
    # Sums reach 36, so that 9 fraction bits leave room; a step is 1/512.
    exact = classify(model, images(), np.zeros(6, int), ARCH)
    assert np.abs(found.layers[-1].output - exact.layers[-1].output).max() < 0.5


def test_progress_is_told_for_every_layer():
    told = []
    classify(with_convolution(), images(), np.zeros(6, int), ARCH, progress=lambda *step: told.append(step))
    assert told == [("conv1", 1, 3), ("ip1", 2, 3), ("ip2", 3, 3)]


def test_labels_must_be_as_many_as_images():
    with pytest.raises(ValueError, match="one for each"):
        classify(small_network(), images(), np.zeros(5, int), ARCH)


def test_a_convolution_after_a_matrix_is_refused():
    ip, conv = small_network().tensors[0], with_convolution().tensors[0]
    with pytest.raises(ValueError, match="convolutions, then matrices"):
        classify(CompressedModel((ip, conv), ("relu", "none")), images(), np.zeros(6, int), ARCH)


def test_the_answers_are_those_of_the_graph(tmp_path):
    """ONNX Runtime on the decoded weights."""
    model = with_convolution()
    write_onnx(model, None, tmp_path / "m.onnx")
    scores = onnxruntime.InferenceSession(tmp_path / "m.onnx").run(None, {"x": images(64)[:, None]})[0]
    assert classify(model, images(64), scores.argmax(axis=1), ARCH).accuracy == 1.0


@pytest.mark.parametrize(
    ("graph", "match"),
    [
        ({"strides": [2, 2]}, r"strides \[2, 2\] of 'conv1', but only 1 is run"),
        ({"strides": [2, 2], "pool": None}, "strides .*; 'conv1' is not followed by 2 x 2 max-pooling"),
        ({"pads": [1, 1, 1, 1]}, r"pads \[1, 1, 1, 1\] of 'conv1', but only 0 is run"),
        ({"dilations": [2, 2]}, "dilations"),
        ({"auto_pad": "SAME_UPPER"}, "auto_pad 'SAME_UPPER' of 'conv1' is not run"),
        ({"pool": None}, "'conv1' is not followed by 2 x 2 max-pooling"),
        ({"pool": POOL | {"kernel_shape": [3, 3]}}, "'conv1' is not followed by 2 x 2 max-pooling"),
        ({"pool": POOL | {"pads": [1, 1, 1, 1]}}, "'conv1' is not followed by 2 x 2 max-pooling"),
        ({"pool": POOL | {"ceil_mode": 1}}, "'conv1' is not followed by 2 x 2 max-pooling"),
        ({"function": "Elu"}, "'conv1' is not followed by 2 x 2 max-pooling"),
        ({"more": [onnx.helper.make_node("Transpose", ["p"], ["more"], perm=[0, 2, 3, 1])]}, "Transpose 'more'"),
    ],
)
def test_a_network_that_would_be_computed_as_another_is_refused(graph, match):
    with pytest.raises(ValueError, match=match):
        classify(with_convolution(**graph), images(), np.zeros(6, int), ARCH)


def with_nodes(*nodes, before="x", after=None, **graph):
    """The network with `nodes` put in behind the value `before`, the last of them making `after`."""
    model = with_convolution(**graph)
    proto = onnx.ModelProto.FromString(model.network.onnx)
    at = next(i for i, node in enumerate(proto.graph.node) if before in node.input)
    for node in proto.graph.node:
        for number, name in enumerate(node.input):
            if name == before:
                node.input[number] = nodes[-1].output[0]
    kept = [onnx.NodeProto.FromString(node.SerializeToString()) for node in proto.graph.node]
    del proto.graph.node[:]
    proto.graph.node.extend([*kept[:at], *nodes, *kept[at:]])
    return replace(model, network=replace(model.network, onnx=proto.SerializeToString()))


def made(operator, *inputs, **attributes):
    return onnx.helper.make_node(operator, list(inputs), ["new"], **attributes)


@pytest.mark.parametrize(
    ("node", "before", "match"),
    [
        (made("Relu", "x"), "x", "Relu 'new' stands before 'conv1'"),
        (made("Add", "x", "picture"), "x", "Add 'new' stands before 'conv1'"),
        (made("Add", "c", "map"), "c", "'conv1' is not followed by"),
        (made("Sigmoid", "r"), "r", "'conv1' is not followed by"),
        (made("Tanh", "p"), "p", "Tanh 'new' stands before 'ip1'"),
        (made("Softmax", "p"), "p", "Softmax 'new' stands before 'ip1'"),
        (made("Add", "p", "map"), "p", "Add 'new' stands before 'ip1'"),
        (made("Add", "r", "map"), "r", "'conv1' is not followed by"),
        (made("Softmax", "g1", axis=0), "g1", "Softmax 'new' stands behind 'ip2'"),
    ],
)
def test_nothing_of_the_graph_is_skipped(node, before, match):
    with pytest.raises(ValueError, match=match):
        classify(with_nodes(node, before=before), images(), np.zeros(6, int), ARCH)


def test_pooling_that_pads_by_itself_is_another():
    with pytest.raises(ValueError, match="'conv1' is not followed by 2 x 2 max-pooling"):
        classify(with_convolution(pool=POOL | {"auto_pad": "SAME_UPPER"}), images(), np.zeros(6, int), ARCH)


def test_matrices_without_a_graph_run_in_the_order_that_is_named_alone():
    with pytest.raises(
        ValueError, match=r"nothing says in which order they run; PackedModel.chain\('ip1', 'ip2', ...\) does"
    ):
        classify(small_network(), images(), np.zeros(6, int), ARCH)


def test_a_convolution_without_a_graph_is_refused():
    model = replace(with_convolution(), network=None)
    with pytest.raises(ValueError, match="has no graph, so that strides, padding and pooling of 'conv1' are unknown"):
        classify(model, images(), np.zeros(6, int), ARCH)


def test_a_recurrent_layer_is_refused():
    gates = CodedTensor("lstm", (8, 36), "lstm", np.r_[0, np.ones(15)], np.ones(288, np.uint8))
    with pytest.raises(ValueError, match="kinds lstm"):
        classify(CompressedModel((gates,), ("none",)), images(), np.zeros(6, int), ARCH)


@pytest.mark.compiled_only
@pytest.mark.parametrize("arithmetic", ["float32", "fixed16"])
def test_the_packaged_network_reads_handwritten_digits_through_the_machine(arithmetic):
    model, digits = packaged_model("lenet-300-100"), packaged_digits()
    arch = preset("eie-64pe-45nm")
    exact = classify(model, digits.inputs(), digits.labels, arch)
    found = exact if arithmetic == "float32" else classify(model, digits.inputs(), digits.labels, in_fixed_point(exact))
    assert len(found) == 256
    assert found.accuracy > 0.95
    assert found.arch.arithmetic == arithmetic
    assert (found.cycles > 200).all()


def test_the_fraction_bits_hold_every_sum_of_the_float_run():
    exact = classify(small_network(), images(), np.zeros(6, int), ARCH, chain=CHAIN)
    found = classify(small_network(), images(), np.zeros(6, int), in_fixed_point(exact), chain=CHAIN)
    assert sum(int(layer.counts.saturations.sum()) for layer in found.layers) == 0
    tight = in_fixed_point(exact).replace(act_frac_bits=in_fixed_point(exact).act_frac_bits + 2)
    cut = classify(small_network(), images(), np.zeros(6, int), tight, chain=CHAIN)
    assert sum(int(layer.counts.saturations.sum()) for layer in cut.layers) > 0


def test_packaged_models_and_digits_take_at_most_200_kilobytes():
    folder = Path(compressor.models.__file__).parent
    files = [path for path in folder.iterdir() if path.suffix in (".dcz", ".npz")]
    assert {path.name for path in files} >= {"lenet-300-100.dcz", "digits.npz"}
    assert sum(path.stat().st_size for path in files if path.name != "lenet-5.dcz") <= 200_000


def test_a_model_that_is_not_packaged_is_refused_by_name():
    with pytest.raises(ValueError, match="model: 'alexnet', but it must be one of lenet-300-100, lenet-5"):
        packaged_model("alexnet")
