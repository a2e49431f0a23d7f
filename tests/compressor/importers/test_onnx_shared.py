"""Constants that several operators take: which tensor they are, and that each use gets its own values back."""

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from onnx_models import drawn, model_of

from benchmarks.onnx_layers import session_of
from compressor import compress_model
from compressor.importers import read_onnx, write_onnx
from compressor.storage.files import FormatError

node = helper.make_node


def saved(model, tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def kept(read):
    return {entry.name: (entry.reason, entry.n_weights) for entry in read.network.kept}


A = drawn(1, 10, 10)


def two_layouts():
    nodes = [node("MatMul", ["x", "a"], ["h"], "fc1"), node("Relu", ["h"], ["r"])]
    nodes.append(node("Gemm", ["r", "a"], ["y"], "fc2", transB=1))
    return model_of(nodes, {"a": A}, [2, 10], [2, 10], 17)


def two_rnns():
    nodes = [node("RNN", ["x", "w", "r1"], ["h"], "rnn1", hidden_size=10), node("Squeeze", ["h", "axis"], ["s"])]
    nodes.append(node("RNN", ["s", "w", "r2"], ["y"], "rnn2", hidden_size=10))
    initialisers = {"w": A[None], "r1": drawn(2, 1, 10, 10), "r2": drawn(3, 1, 10, 10), "axis": np.array([1])}
    return model_of(nodes, initialisers, [3, 2, 10], [3, 1, 2, 10], 17)


def one_matrix_for_inputs_and_states():
    return model_of(
        [node("RNN", ["x", "w", "w"], ["y"], "rnn", hidden_size=10)], {"w": A[None]}, [3, 2, 10], [3, 1, 2, 10], 17
    )


def a_vector_that_is_weights_and_a_bias():
    nodes = [node("Gemm", ["x", "a", "v"], ["h"], "fc1"), node("MatMul", ["h", "v"], ["y"], "fc2")]
    return model_of(nodes, {"a": A, "v": drawn(2, 10)}, [2, 10], [2], 17)


def an_added_vector_that_is_weights():
    nodes = [node("MatMul", ["x", "v"], ["s"], "fc2"), node("MatMul", ["x", "a"], ["h"], "fc1")]
    nodes += [
        node("Add", ["h", "v"], ["b"]),
        node("ReduceSum", ["s"], ["t"], keepdims=0),
        node("Add", ["b", "t"], ["y"]),
    ]
    return model_of(nodes, {"a": A, "v": drawn(2, 10)}, [2, 10], [2, 10], 17)


@pytest.mark.parametrize(
    "made",
    [
        two_layouts,
        two_rnns,
        one_matrix_for_inputs_and_states,
        a_vector_that_is_weights_and_a_bias,
        an_added_vector_that_is_weights,
    ],
)
def test_each_tensor_of_a_shared_constant_gets_its_own_decoded_values(made, tmp_path):
    path = saved(made(), tmp_path)
    read = read_onnx(path)
    coarse = compress_model(read, 0.5, weight_bits=2)
    for source in (None, path):
        write_onnx(coarse, source, tmp_path / "new.onnx")
        again = read_onnx(tmp_path / "new.onnx")
        assert [t.name for t in again.tensors] == [t.name for t in coarse.tensors]
        for dense, coded in zip(again.tensors, coarse.tensors, strict=True):
            assert np.array_equal(dense.weights, coded.dense())
            assert np.array_equal(dense.bias, coded.bias) if coded.bias is not None else dense.bias is None
    write_onnx(compress_model(read, 1.0, weight_bits=8), None, tmp_path / "whole.onnx")
    x = drawn(9, *[dim.dim_value for dim in made().graph.input[0].type.tensor_type.shape.dim])
    wanted, found = (session_of(m).run(None, {"x": x})[0] for m in (made(), onnx.load(tmp_path / "whole.onnx")))
    np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-3)


def two_uses(*more, outputs=()):
    nodes = [
        node("MatMul", ["x", "a"], ["h"], "fc1"),
        node("Relu", ["h"], ["r"]),
        node("MatMul", ["r", "a"], ["p"], "fc2"),
    ]
    model = model_of(
        [*nodes, node("MatMul", ["p", "b"], ["y"], "fc3"), *more], {"a": A, "b": drawn(2, 10, 10)}, [2, 10], [2, 10], 17
    )
    model.graph.output.extend(helper.make_tensor_value_info(name, 1, ["n", "m"]) for name in outputs)
    return model


@pytest.mark.parametrize(("asked", "other"), [("fc1", "fc2"), ("fc2", "fc1")])
def test_weights_that_one_use_keeps_are_kept_for_all(asked, other, tmp_path):
    read = read_onnx(saved(two_uses(), tmp_path), keep=[asked])
    assert [tensor.name for tensor in read.tensors] == ["fc3"]
    assert [use.node for use in read.network.uses] == ["fc3"]
    reasons = kept(read)
    assert reasons.pop(other) == (f"its weights are those of {asked!r}, which is kept as asked", 0)
    assert reasons == {asked: ("as asked (keep)", 100)}
    write_onnx(compress_model(read, 0.5, weight_bits=2), None, tmp_path / "new.onnx")
    stored = {t.name: numpy_helper.to_array(t) for t in onnx.load(tmp_path / "new.onnx").graph.initializer}
    assert np.array_equal(stored["a"], A)


def test_what_else_reads_a_compressed_constant_is_listed(tmp_path):
    more = [node("Transpose", ["a"], ["t"]), node("Add", ["t", "x"], ["z"], "plus"), node("Neg", ["a"], ["folded"])]
    more += [node("ArgMax", ["x"], ["at"]), node("Gather", ["a", "at"], ["g"], "rows")]
    model = two_uses(*more, outputs=["g", "z", "folded"])
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 10
    reason, n_weights = kept(read_onnx(saved(model, tmp_path)))["a"]
    for what in ("Gather 'rows'", "Add 'plus'", "an output"):
        assert what in reason
    assert reason.startswith("compressed; also read by")
    assert n_weights == 0


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_constant_that_is_compressed_is_not_counted_again(order, tmp_path):
    nodes = [node("Einsum", ["x", "a"], ["e"], "sum", equation="ij,jk->ik"), node("MatMul", ["x", "a"], ["m"], "fc")]
    nodes = [*(nodes[at] for at in order), node("Add", ["e", "m"], ["y"])]
    read = read_onnx(saved(model_of(nodes, {"a": A}, [2, 10], [2, 10], 17), tmp_path))
    assert kept(read)["sum"] == ("Einsum is not an operator of the machine", 0)
    assert read.network.coverage(["fc"]).all_weights == 100


def test_an_einsum_with_a_vector_is_listed(tmp_path):
    nodes = [node("Einsum", ["x", "v"], ["e"], "sum", equation="ij,j->ij"), node("MatMul", ["e", "a"], ["y"], "fc")]
    read = read_onnx(saved(model_of(nodes, {"a": A, "v": drawn(2, 10)}, [2, 10], [2, 10], 17), tmp_path))
    assert kept(read) == {"sum": ("Einsum is not an operator of the machine", 10)}


def test_sparse_weights_are_named(tmp_path):
    values = helper.make_tensor("v", 1, [2], [1.0, 2.0])
    sparse = helper.make_sparse_tensor(values, helper.make_tensor("i", 7, [2], [0, 11]), [10, 10])
    nodes = [node("Constant", [], ["s"], sparse_value=sparse), node("MatMul", ["x", "s"], ["h"], "first")]
    nodes.append(node("MatMul", ["h", "a"], ["y"], "fc"))
    read = read_onnx(saved(model_of(nodes, {"a": A}, [2, 10], [2, 10], 17), tmp_path))
    assert kept(read)["first"][0] == "its operand 's' is a Constant with sparse_value, which is not read"


def test_a_limit_that_is_not_finite_is_refused(tmp_path):
    nodes = [node("RNN", ["x", "w", "w"], ["y"], "rnn", clip=float("inf"))]
    model = model_of(nodes, {"w": A[None]}, [3, 2, 10], [3, 1, 2, 10], 17)
    with pytest.raises(FormatError, match="'rnn': clip is inf, but it must be finite"):
        read_onnx(saved(model, tmp_path))


def test_every_kind_of_product_inside_a_graph_of_a_node_is_listed(tmp_path):
    inner = [
        node("Einsum", ["h", "h"], ["e"], "sum", equation="ij,kj->ik"),
        node("MatMulInteger", ["q", "q8"], ["i"], "integers"),
        node("FusedMatMul", ["e", "h"], ["o"], "fused", domain="com.microsoft"),
        node("QAttention", ["o"], ["z"], "attention", domain="com.microsoft"),
        node("MoE", ["z"], ["out"], "experts", domain="com.microsoft"),
    ]
    ends = [helper.make_tensor_value_info("out", 1, ["a", "b"])]
    tensors = [numpy_helper.from_array(np.ones((2, 2), np.int8), name) for name in ("q", "q8")]
    branch = helper.make_graph(inner, "branch", [], ends, tensors)
    nodes = [
        node("MatMul", ["x", "a"], ["h"], "fc"),
        node("ReduceMax", ["h"], ["m"], keepdims=0),
        node("Cast", ["m"], ["c"], to=9),
        node("If", ["c"], ["y"], "choice", then_branch=branch, else_branch=branch),
    ]
    model = model_of(nodes, {"a": A}, [2, 10], ["n", "m"], 17)
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    assert {"sum", "integers", "fused", "attention", "experts"} <= kept(read_onnx(saved(model, tmp_path))).keys()


def test_copies_of_one_matrix_take_no_more_memory_than_a_file_may(tmp_path):
    nodes, factors = [], {}
    for at in range(30):
        names = [f"h{at}" if at else "x", f"m{at}", f"s{at}", f"h{at + 1}"]
        nodes += [node("MatMul", [names[0], "a"], [names[1]], f"fc{at}"), node("Mul", names[1:3], [names[3]])]
        factors[names[2]] = np.float32(2 + at)
    nodes[-1].output[0] = "y"
    read = read_onnx(saved(model_of(nodes, {"a": drawn(1, 1000, 1000), **factors}, [1, 1000], [1, 1000], 17), tmp_path))
    reasons = kept(read)
    assert 2 < len(read.tensors) < 20
    assert len(read.tensors) + len(reasons) == 30
    assert reasons["fc29"] == ("its scaled weights take more memory than a file of this size may", 0)
    assert sum(n_weights for _, n_weights in reasons.values()) in (0, 1_000_000)


def test_a_product_of_another_domain_is_not_counted_as_one_of_onnx_itself(tmp_path):
    nodes = [node("MatMul", ["x", "b"], ["h"], "own", domain="own"), node("MatMul", ["h", "a"], ["y"], "fc")]
    model = model_of(nodes, {"a": A, "b": drawn(2, 10, 10)}, [2, 10], [2, 10], 17)
    model.opset_import.append(helper.make_opsetid("own", 1))
    model.graph.value_info.append(helper.make_tensor_value_info("h", 1, [2, 10]))
    (entry,) = read_onnx(saved(model, tmp_path)).network.kept
    assert (entry.reason, entry.macs) == ("own.MatMul is not an operator of ONNX itself", None)
