"""ONNX graphs through the commands: what is compressed, what is kept and why, and back without the original."""

import json

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper, numpy_helper

from compressor import load_compressed, load_model
from eie_sim.cli.app import app as simulator
from tests.command_line import call


def drawn(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def saved(path, nodes, arrays, x=("n", 16), y=("n", 4), more_inputs=()):
    ends = [helper.make_tensor_value_info(*end) for end in (("x", 1, x), ("y", 1, y))]
    tensors = [numpy_helper.from_array(np.asarray(array), name) for name, array in arrays.items()]
    graph = helper.make_graph(nodes, "g", [ends[0], *more_inputs], ends[1:], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


def of_matrices(path, between="Relu", **attributes):
    """Two matrices, something between them, and an embedding that is added to the scores."""
    nodes = [
        helper.make_node("Gemm", ["x", "fc1.weight"], ["a"], "node_linear", transB=1),
        helper.make_node(between, ["a"], ["b"], "middle", **attributes),
        helper.make_node("Gemm", ["b", "fc2.weight"], ["c"], "node_linear_1", transB=1),
        helper.make_node("Gather", ["table", "word"], ["row"], "lookup"),
        helper.make_node("Add", ["c", "row"], ["y"], "sum"),
    ]
    signs = {"fc1.weight": np.sign(drawn(1, 8, 16)), "fc2.weight": np.sign(drawn(2, 4, 8))}
    word = helper.make_tensor_value_info("word", onnx.TensorProto.INT64, ())
    return saved(path, nodes, {**signs, "table": drawn(3, 20, 4)}, more_inputs=[word])


def answers(path, **inputs):
    return onnxruntime.InferenceSession(path).run(None, inputs)[0]


def test_a_compressed_file_is_a_whole_network_and_needs_no_original(cli, tmp_path):
    source = of_matrices(tmp_path / "net.onnx")
    assert cli("compress", source, "-o", tmp_path / "net.dcz", "--density", "1").exit_code == 0
    assert cli("unpack", tmp_path / "net.dcz", "-o", tmp_path / "back.onnx").exit_code == 0
    x = drawn(9, 5, 16)
    word = np.array(7)
    assert np.array_equal(answers(tmp_path / "back.onnx", x=x, word=word), answers(source, x=x, word=word))


def test_what_fraction_is_compressed_and_what_is_kept_is_said(cli, tmp_path):
    source = of_matrices(tmp_path / "net.onnx")
    done = cli("compress", source, "-o", tmp_path / "net.dcz", "--density", "1")
    assert "compressed: 2 of 2 products, 66.7 % of the weights, 100 % of the multiply-accumulates" in done.stderr
    assert "kept as they are: table (embedding table of 'lookup')" in done.stderr
    for shown in (cli("info", source), cli("info", tmp_path / "net.dcz")):
        assert "Compressed: 2 of 2 products, 66.7 % of the weights" in " ".join(shown.stdout.split())
    listed = cli("info", source, "--kept").stdout.splitlines()
    assert listed[-1] == "table: constant, 80 weights, 0 multiply-accumulates: embedding table of 'lookup'"
    document = json.loads(cli("info", tmp_path / "net.dcz", "--json").stdout)
    assert document["network"]["coverage"]["weights"] == 160
    assert [use["tensors"] for use in document["network"]["uses"]] == [["fc1"], ["fc2"]]
    assert document["parts"]["graph"] == len(load_compressed(tmp_path / "net.dcz").network.onnx)


def test_a_packed_file_has_the_graph_and_what_is_kept(cli, tmp_path):
    source = of_matrices(tmp_path / "net.onnx")
    assert cli("compress", source, "-o", tmp_path / "net.eie", "--density", "1").exit_code == 0
    packed = load_model(tmp_path / "net.eie")
    assert packed.chained
    assert packed.others.keys() == {"table"}
    shown = cli("info", tmp_path / "net.eie").stdout
    assert "66.7 % of the weights" in " ".join(shown.split())


@pytest.mark.parametrize(
    ("between", "attributes"),
    [("Clip", {}), ("LeakyRelu", {"alpha": 0.1}), ("HardSwish", {}), ("Softmax", {}), ("Elu", {}), ("Abs", {})],
)
def test_a_function_between_matrices_is_named_and_inputs_are_not_sent_past_it(between, attributes, cli, tmp_path):
    source = of_matrices(tmp_path / "net.onnx", between, **attributes)
    assert cli("compress", source, "-o", tmp_path / "net.dcz", "--density", "1").exit_code == 0
    assert load_compressed(tmp_path / "net.dcz").activations[0] == "host"
    alone = call(simulator, "run", tmp_path / "net.dcz")
    assert f"not a chain ({between} 'middle' is between 'fc1' and 'fc2')" in alone.stderr
    np.save(tmp_path / "x.npy", drawn(1, 16))
    refused = call(simulator, "run", tmp_path / "net.dcz", "--acts", tmp_path / "x.npy")
    assert refused.exit_code == 2
    assert f"--acts: the layers are not a chain ({between} 'middle' is between" in refused.stderr


def conditional(path):
    """A Gemm in each branch of an If on an input."""
    branches = {}
    for name, seed in (("then_branch", 1), ("else_branch", 2)):
        node = helper.make_node("Gemm", ["x", f"{name}.weight"], [f"{name}.y"], f"{name}/fc", transB=1)
        weight = numpy_helper.from_array(np.sign(drawn(seed, 4, 16)), f"{name}.weight")
        output = helper.make_tensor_value_info(f"{name}.y", 1, ("n", 4))
        branches[name] = helper.make_graph([node], name, [], [output], [weight])
    nodes = [
        helper.make_node("Equal", ["sr", "rate"], ["is"]),
        helper.make_node("If", ["is"], ["y"], "which", **branches),
    ]
    rate = helper.make_tensor_value_info("sr", onnx.TensorProto.INT64, ())
    return saved(path, nodes, {"rate": np.int64(16000)}, more_inputs=[rate])


@pytest.mark.parametrize(("rate", "branch"), [(16000, "then_branch"), (8000, "else_branch")])
def test_a_branch_that_an_input_decides_is_taken_where_the_input_is_fixed(rate, branch, cli, tmp_path):
    source = conditional(tmp_path / "net.onnx")
    assert "inside If 'which', whose condition is unknown" in cli("info", source).stderr
    done = cli("compress", source, "-o", tmp_path / "net.dcz", "--density", "1", "--fix", f"sr={rate}")
    assert done.exit_code == 0, done.stderr
    model = load_compressed(tmp_path / "net.dcz")
    assert model.provenance["onnx_fixed_inputs"] == f"sr={rate}"
    assert cli("unpack", tmp_path / "net.dcz", "-o", tmp_path / "back.onnx").exit_code == 0
    x = drawn(3, 2, 16)
    wanted = answers(source, x=x, sr=np.array(rate))
    assert np.array_equal(answers(tmp_path / "back.onnx", x=x), wanted)
    assert branch in model.tensors[0].name


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--fix", "sr"], "--fix: 'sr', but it must be NAME=VALUE"),
        (["--fix", "rate=1"], "fix: 'rate' is not an input of the graph, which has x, sr"),
        (["--fix", "sr=fast"], "fix: sr='fast', but the input holds numbers of type int64"),
        (["--shape", "x=axb"], "--shape: x='axb', but it must be sizes such as 1x576"),
        (["--shape", "x=1x17"], "shape: axis 1 of x is 16, not 17"),
        (["--shape", "x=1"], "shape: x has 2 axes, but 1 1"),
    ],
)
def test_what_is_said_of_inputs_must_fit_them(options, message, fails, tmp_path):
    assert message in fails("info", conditional(tmp_path / "net.onnx"), *options)


def test_inputs_are_those_of_onnx_files_alone(fails, files):
    assert fails("info", files / "network.npz", "--fix", "a=1").startswith("--fix: is for ONNX files")


def test_the_simulator_shows_what_would_run_before_anything_is_compressed(tmp_path):
    source = of_matrices(tmp_path / "net.onnx")
    shown = " ".join(call(simulator, "info", source).stdout.split())
    assert "fc1 Gemm 8x16 128 one for each input row" in shown
    assert "On the machine: 2 of 2 products, 66.7 % of the weights" in shown
    document = json.loads(call(simulator, "info", source, "--json").stdout)
    assert [operator["products"] for operator in document["operators"]] == ["one for each input row"] * 2
    refused = call(simulator, "info", source, "--preset", "eie-256pe-28nm")
    assert refused.exit_code == 2


def test_matrices_without_a_graph_are_packed_as_the_chain_that_the_user_names(cli, fails, tmp_path):
    np.savez(tmp_path / "net.npz", **{"b.weight": drawn(1, 8, 16), "a.weight": drawn(2, 4, 8)})
    words = ["compress", tmp_path / "net.npz", "-o", tmp_path / "net.eie", "--density", "1"]
    assert cli(*words).exit_code == 0
    assert not load_model(tmp_path / "net.eie").chained
    assert cli(*words, "--chain", "b,a").exit_code == 0
    packed = load_model(tmp_path / "net.eie")
    assert (packed.chained, [layer.name for layer in packed.layers]) == (True, ["b", "a"])
    assert fails(*words, "--chain", "a,b") == "chain: 'b' has 16 inputs, 'a' before it 4 outputs"
    assert fails(*words, "--chain", "a,c") == "chain: 'c', but the layers are b, a"
