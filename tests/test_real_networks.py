"""The benchmark of real networks: what it finds in a wheel, without a download."""

import json
import zipfile

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from benchmarks import real_networks
from benchmarks.harness import command

SHAPES = {"input": (1, 576), "state": (2, 1, 128)}


def speech():
    """A model that is called as one of silero's: a condition on the rate, in each branch a matrix."""
    rng = np.random.default_rng(0)
    branches = {}
    for name in ("then_branch", "else_branch"):
        weights = numpy_helper.from_array(rng.normal(size=(576, 4)).astype(np.float32), "w")
        product = helper.make_node("MatMul", ["input", "w"], ["z"], "fc")
        ends = [helper.make_tensor_value_info("z", TensorProto.FLOAT, [1, 4])]
        branches[name] = helper.make_graph([product], name, [], ends, [weights])
    nodes = [
        helper.make_node("Equal", ["sr", "rate"], ["c"]),
        helper.make_node("If", ["c"], ["a"], "If_0", **branches),
        helper.make_node("ReduceSum", ["state"], ["s"], keepdims=0),
        helper.make_node("Add", ["a", "s"], ["y"]),
    ]
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in SHAPES.items()]
    inputs.append(helper.make_tensor_value_info("sr", TensorProto.INT64, []))
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4])]
    rate = numpy_helper.from_array(np.array(16000), "rate")
    graph = helper.make_graph(nodes, "speech", inputs, outputs, [rate])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 16)], ir_version=8)


def quantised():
    nodes = [helper.make_node("MatMulInteger", ["x", "w"], ["y"], "product")]
    inputs = [helper.make_tensor_value_info("x", TensorProto.INT8, [1, 2])]
    outputs = [helper.make_tensor_value_info("y", TensorProto.INT32, [1, 2])]
    weights = numpy_helper.from_array(np.ones((2, 2), np.int8), "w")
    graph = helper.make_graph(nodes, "quantised", inputs, outputs, [weights])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 16)], ir_version=8)


@pytest.fixture
def cache(tmp_path):
    """A folder with a wheel of two models, so that nothing is fetched."""
    with zipfile.ZipFile(tmp_path / "my_speech-1.0-py3-none-any.whl", "w") as archive:
        archive.writestr("my_speech/silero_vad.onnx", speech().SerializeToString())
        archive.writestr("my_speech/small.onnx", quantised().SerializeToString())
        archive.writestr("my_speech/__init__.py", "")
    return tmp_path


def test_every_file_of_a_wheel_is_read_and_held_against_onnx_runtime(cache, capsys):
    options = ["my-speech==1.0", "--cache", str(cache), "--json", "--check", "--out", str(cache / "out")]
    assert command("real_networks", "", real_networks.measure, options, real_networks.add_options) == 0
    report = json.loads(capsys.readouterr().out)
    first, second = report["tables"]["Networks"]
    assert (first["file"], first["products"], first["weights, %"]) == ("my_speech: silero_vad.onnx", "1 of 1", "100")
    assert "MatMulInteger has quantised weights" in second["note"]
    bars = [(figure["bar"], figure["met"]) for figure in report["figures"]]
    assert bars == [(99.0, True), (1e-5, True), *[(1e-4, True)] * 3, (2.0, True)]
    (whole, pruned) = report["tables"]["On the machine"]
    assert (whole["density"], whole["bits"], whole["products"]) == (1.0, 8, "1")
    assert (pruned["density"], pruned["bits"], pruned["products"]) == (0.3, 4, "1")
    assert float(whole["output error"]) < 1e-4
    assert "On the machine" in (cache / "out" / "real_networks.md").read_text()


def test_the_cache_is_outside_of_the_project():
    assert real_networks.default_cache().parts[-2:] == ("eie-sim", "real_networks")
    assert all("==" in wheel for wheel in real_networks.WHEELS)
