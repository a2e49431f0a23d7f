"""`measure_network` on networks so small that they take no time: what is timed, and what it is called."""

import json

import numpy as np
import onnxruntime
import pytest
from onnx import helper, numpy_helper

from compressor import save_compressed
from compressor.jit import available_cores
from compressor.models import packaged_model
from eie_sim import plan_network
from eie_sim.baselines import measure_network as module
from eie_sim.baselines.measure_network import measure_network
from eie_sim.baselines.network_measurement import WHOLE, NetworkTimes
from tests.network.small_networks import compressed, few, made, residual, with_state

FEW = {"samples": 3, "limit_s": 1.0}
X = np.random.default_rng(0).normal(size=(4, 2, 6, 5)).astype(np.float32)


def saved(model, folder, name="network.onnx"):
    path = folder / name
    path.write_bytes(model.SerializeToString())
    return path


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """The residual network with all threads, and the steps that progress reported."""
    steps = []
    path = saved(residual(), tmp_path_factory.mktemp("network"))
    return measure_network(path, X, progress=lambda *x: steps.append(x), **FEW), steps


def test_a_network_is_timed_whole_and_by_node_for_each_number_of_threads(measured):
    measurement, steps = measured
    counts = tuple(sorted({1, available_cores()}))
    assert measurement.threads == counts
    for count in counts:
        assert 1 <= len(measurement.network(count).samples_us) <= 3
        nodes = [node for node in measurement.nodes if node.threads == count]
        assert {"first", "depthwise", "pointwise", "fc"} <= {node.node for node in nodes}
        assert all(len(node.samples_us) in (1, 2, 3) for node in nodes)
        assert measurement.median_us(count) == np.median(measurement.network(count).samples_us)
    assert [done for done, _, _ in steps] == [*range(len(counts)), len(counts)]
    assert steps[0][2] == "network.onnx, 1 thread"


def test_nodes_are_called_as_on_the_machine_too(measured, tmp_path):
    measurement, _ = measured
    plan = plan_network(compressed(residual(), tmp_path))
    assert measurement.layers == tuple(plan.nodes)
    assert set(measurement.layer_us()) == set(plan.nodes)
    assert measurement.untimed_layers() == []
    layers = {node.node: node.layer for node in measurement.nodes}
    assert layers["GlobalAveragePool mean"] is None


def test_the_first_sample_alone_is_timed(measured):
    measurement, _ = measured
    assert measurement.shapes == {"x": (1, 2, 6, 5)}


def test_an_onnx_file_is_timed_with_its_own_weights_and_a_compressed_model_with_decoded_ones(measured, tmp_path):
    coded = compressed(residual(), tmp_path, density=0.5)
    save_compressed(coded, tmp_path / "network.dcz")
    found = measure_network(tmp_path / "network.dcz", X, threads=[1], **FEW)
    assert (measured[0].weights, found.weights) == ("original", "decoded")
    assert found.layers == measured[0].layers
    assert set(found.layer_us()) == set(found.layers)
    assert measure_network(coded, X, threads=[1], **FEW).model == "network"


def test_the_packaged_network_has_a_time_for_each_of_its_layers():
    found = measure_network(packaged_model("lenet-5"), np.zeros((1, 1, 28, 28), np.float32), threads=[1], **FEW)
    assert list(found.layer_us()) == ["conv1", "conv2", "ip1", "ip2"]


def test_what_the_weights_compute_is_what_is_timed(tmp_path, monkeypatch):
    """The answers of the session that is timed, through its own door."""
    sessions = []
    make = onnxruntime.InferenceSession
    monkeypatch.setattr(onnxruntime, "InferenceSession", lambda *a, **k: sessions.append(make(*a, **k)) or sessions[-1])
    path = saved(residual(), tmp_path)
    measure_network(path, X, threads=[1], by_node=False, **FEW)
    (timed,), wanted = sessions, make(path.read_bytes(), providers=["CPUExecutionProvider"])
    assert np.array_equal(timed.run(None, {"x": X[:1]})[0], wanted.run(None, {"x": X[:1]})[0])


def test_a_convolution_with_its_normalisation_is_matched(tmp_path):
    nodes = [
        helper.make_node("Conv", ["x", "k"], ["c"], "conv", pads=[1, 1, 1, 1]),
        helper.make_node("BatchNormalization", ["c", "s", "b", "m", "v"], ["n"], "norm"),
        helper.make_node("Relu", ["n"], ["r"], "relu"),
        helper.make_node("Conv", ["r", "k2"], ["c2"], "last"),
        helper.make_node("Mul", ["c2", "s2"], ["m2"], "scale"),
        helper.make_node("Add", ["m2", "b2"], ["y"], "shift"),
    ]
    ones = {name: np.ones(16, np.float32) for name in ("s", "b", "m", "v")}
    constants = {"k": few(1, 16, 16, 3, 3), "k2": few(2, 16, 16, 1, 1), "s2": few(3, 16, 1, 1), "b2": few(4, 16, 1, 1)}
    model = made(nodes, constants | ones, {"x": [1, 16, 6, 6]}, {"y": [1, 16, 6, 6]})
    found = measure_network(saved(model, tmp_path), np.ones((1, 16, 6, 6), np.float32), threads=[1], **FEW)
    assert found.untimed_layers() == []
    assert [node.node for node in found.nodes if node.layer] == ["conv", "last"]


def test_nodes_are_left_out_where_nobody_asks(tmp_path):
    found = measure_network(saved(residual(), tmp_path), X, threads=[1], by_node=False, **FEW)
    assert (found.nodes, found.layers, found.untimed_layers()) == ((), (), [])
    assert [row["node"] for row in found.rows()] == [WHOLE]


def test_samples_along_another_axis_and_states(tmp_path):
    path = saved(with_state(), tmp_path)
    feeds = {"x": np.zeros((5, 4)), "h": np.zeros((1, 1, 3)), "c": np.zeros((1, 1, 3))}
    found = measure_network(path, feeds, threads=[1], **FEW)
    assert found.shapes == {"x": (1, 4), "h": (1, 1, 3), "c": (1, 1, 3)}
    two = feeds | {"h": np.zeros((1, 2, 3))}
    first = measure_network(path, two | {"x": np.zeros((2, 4))}, batch_axis={"h": 1}, threads=[1], **FEW)
    assert first.shapes == found.shapes


def chosen():
    """A product in either branch of an If."""
    branches = []
    for weights, out in (("w1", "yes"), ("w2", "no")):
        branch = helper.make_graph([helper.make_node("MatMul", ["x", weights], [out], f"fc_{out}")], out, [], [])
        branch.output.add(name=out).type.CopyFrom(helper.make_tensor_type_proto(1, ["n", 2]))
        branches.append(branch)
    nodes = [
        helper.make_node("Greater", ["rate", "limit"], ["is_fast"]),
        helper.make_node("If", ["is_fast"], ["y"], "choice", then_branch=branches[0], else_branch=branches[1]),
    ]
    constants = {"w1": few(1, 3, 2), "w2": few(2, 3, 2), "limit": np.float32(1)}
    return made(nodes, constants, {"x": ["n", 3], "rate": []}, {"y": ["n", 2]})


def test_an_input_may_be_fixed_and_the_branch_that_is_taken_is_matched(tmp_path):
    path = saved(chosen(), tmp_path)
    x = np.zeros((2, 3), np.float32)
    found = measure_network(path, x, fix={"rate": "3"}, shapes={"x": (1, 3)}, threads=[1], **FEW)
    assert found.shapes == {"x": (1, 3)}
    assert len(found.layers) == 1
    assert found.untimed_layers() == []
    assert [node.node for node in found.nodes if node.layer] == ["fc_yes"]


def test_a_network_that_the_machine_does_not_run_is_timed_all_the_same(tmp_path):
    scale, zero = np.float32(0.5), np.uint8(0)
    nodes = [helper.make_node("QLinearMatMul", ["a", "s", "z", "b", "s", "z", "s", "z"], ["c"], "quantised")]
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["a"]), *nodes,
        helper.make_node("DequantizeLinear", ["c", "s", "z"], ["y"]),
    ]  # fmt: skip
    model = made(nodes, {"s": scale, "z": zero}, {"x": ["n", 3]}, {"y": ["n", 2]})
    model.graph.initializer.append(numpy_helper.from_array(np.ones((3, 2), np.uint8), "b"))
    found = measure_network(saved(model, tmp_path), np.zeros((1, 3), np.float32), threads=[1], **FEW)
    assert "quantised" in {node.node for node in found.nodes}
    assert found.layers == ()
    assert found.without_layers


def test_rows_are_the_whole_then_its_nodes(measured):
    measurement, _ = measured
    head, *lines = measurement.to_csv().splitlines()
    assert head == "threads,node,operator,kernel,layer,median_us,q1_us,q3_us,samples"
    assert len(lines) == len(measurement.rows()) == len(measurement.networks) + len(measurement.nodes)
    assert lines[0].startswith(f"1,{WHOLE},,,,")
    document = json.loads(measurement.to_json())
    assert (document["format"], document["batch"], document["model"]) == (
        "eie-sim-network-measurement", 1, "network.onnx",
    )  # fmt: skip
    assert document["rows"] == measurement.rows()
    assert document["networks"][0]["samples_us"] == list(measurement.network(1).samples_us)
    assert document["host"]["versions"]["onnxruntime"] == onnxruntime.__version__


def test_the_spread_is_half_the_distance_of_the_quartiles_over_their_middle():
    times = NetworkTimes(1, (10.0, 20.0, 30.0, 40.0, 50.0))
    assert (times.quartiles_us, times.spread) == ((20.0, 30.0, 40.0), pytest.approx(10 / 30))
    assert NetworkTimes(1, (0.0, 0.0)).spread == 0


# What goes wrong ------------------------------------------------------------------------------------------------------


def test_without_a_cuda_provider_it_is_one_line_that_says_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(ValueError, match=r"device: 'cuda', but .* has no CUDAExecutionProvider .*onnxruntime-gpu"):
        measure_network(saved(residual(), tmp_path), X, device="cuda", **FEW)


def test_without_a_cuda_device_it_is_one_line(tmp_path, monkeypatch):
    """ONNX Runtime then runs on the CPU, and says so in its log alone."""
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: list(module.PROVIDERS.values()))
    make = onnxruntime.InferenceSession
    monkeypatch.setattr(
        onnxruntime, "InferenceSession", lambda *a, providers, **k: make(*a, providers=providers[1:], **k)
    )
    with pytest.raises(ValueError, match="device: 'cuda', but ONNX Runtime found no such device"):
        measure_network(saved(residual(), tmp_path), X, device="cuda", **FEW)


def test_on_a_cuda_device_the_whole_network_alone_is_timed(tmp_path, monkeypatch):
    asked = []
    make = onnxruntime.InferenceSession

    class Stand:
        """A session of the CPU that says it is one of CUDA."""

        def __init__(self, content, options, providers):
            asked.append(providers)
            self._session = make(content, options, providers=providers[1:])

        def get_providers(self):
            return asked[-1]

        def run(self, *arguments):
            return self._session.run(*arguments)

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: list(module.PROVIDERS.values()))
    monkeypatch.setattr(onnxruntime, "InferenceSession", Stand)
    found = measure_network(saved(residual(), tmp_path), X, device="cuda", **FEW)
    assert asked == [["CUDAExecutionProvider", "CPUExecutionProvider"]]
    assert (found.device, found.threads, found.nodes) == ("cuda", (1,), ())


@pytest.mark.parametrize(
    ("inputs", "more", "message"),
    [
        (X, {"device": "tpu"}, "device: 'tpu', but it must be one of cpu, cuda"),
        (X, {"threads": [0]}, "threads: 0, but it must be 1 to"),
        (X, {"samples": 0}, "samples: 0, but it must be"),
        (X, {"fix": {"q": 1}}, "fix: 'q' is not an input of the graph, which has x"),
        (X, {"shapes": {"x": (1, 3, 6, 5)}}, "shape: axis 1 of x is 2, not 3"),
        (X[0], {}, r"inputs: 'x' has shape \(2, 6, 5\)"),
        (X[:0], {}, "inputs: hold no sample"),
        ({"q": X}, {}, "inputs: 'q' is not an input"),
        (X, {"batch_axis": {"q": 0}}, "batch_axis: 'q'"),
    ],
)
def test_what_cannot_be_measured_is_one_line(inputs, more, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        measure_network(saved(residual(), tmp_path), inputs, **{**FEW, **more})


def test_what_is_no_network_is_one_line(tmp_path):
    with pytest.raises(ValueError, match=r"network.eie: a network is measured from a file that ends in .onnx, "):
        measure_network(tmp_path / "network.eie", X)
    (tmp_path / "text.onnx").write_text("not a model")
    with pytest.raises(ValueError, match=r"text.onnx: no .*ONNX model"):
        measure_network(tmp_path / "text.onnx", X)
    with pytest.raises(FileNotFoundError):
        measure_network(tmp_path / "absent.onnx", X)


def test_what_onnx_runtime_refuses_is_one_line(tmp_path):
    nodes = [helper.make_node("Conv", ["x", "k"], ["y"], "wide", auto_pad="SAME_UPPER", pads=[1, 1, 1, 1])]
    model = made(nodes, {"k": few(1, 1, 2, 3, 3)}, {"x": [1, 2, 6, 5]}, {"y": ["n", 1, "h", "w"]})
    with pytest.raises(ValueError, match=r"network.onnx: ONNX Runtime refuses it: "):
        measure_network(saved(model, tmp_path), X, threads=[1], **FEW)
    state = {"x": np.zeros((1, 4)), "h": np.zeros((1, 1, 3)), "c": np.zeros((1, 1, 3))}
    with pytest.raises(ValueError, match=r"LSTM node. Name:'lstm'.*initial_h must have shape"):
        measure_network(
            saved(with_state(), tmp_path), state | {"x": np.zeros((5, 4))}, batch_axis={"x": None}, threads=[1], **FEW
        )
