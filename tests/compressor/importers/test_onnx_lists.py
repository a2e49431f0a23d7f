"""Nothing vanishes: every operator and every constant that may hold weights is in one list, with its reason."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx_models import drawn, model_of

from compressor import compress_model
from compressor.importers import read_onnx, write_onnx
from compressor.importers.onnx_tensors import all_tensors, is_wide
from compressor.storage.files import FormatError

node = helper.make_node


def branch(output, seed):
    """A product with weights of its own, one stored and one a ``Constant``."""
    nodes = [
        node("Constant", [], [f"k{seed}"], value=numpy_helper.from_array(drawn(seed, 10, 9))),
        node("MatMul", ["f", f"k{seed}"], [f"m{seed}"], f"inner{seed}"),
        node("MatMul", [f"m{seed}", f"w{seed}"], [output], f"last{seed}"),
    ]
    ends = [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["a", "b"])]
    return helper.make_graph(nodes, "branch", [], ends, [numpy_helper.from_array(drawn(seed + 1, 9, 10), f"w{seed}")])


def everything():
    """One of each kind of use that a constant of weights may have."""
    nodes = [
        node("Gather", ["table", "x"], ["e"], "embedding"),
        node("MatMul", ["e", "w"], ["a"], "fc"),
        node("MatMul", ["a", "b"], ["q"], "attention"),
        node("Transpose", ["a"], ["b"], perm=[1, 0]),
        node("Einsum", ["a", "sum"], ["s"], "einsum", equation="ij,jk->ik"),
        node("FusedMatMul", ["a", "fused"], ["g"], "fused", domain="com.microsoft"),
        node("DynamicQuantizeLinear", ["a"], ["aq", "as", "az"]),
        node("MatMulInteger", ["aq", "int8"], ["i"], "quantised"),
        node("Mul", ["a", "mask"], ["d"], "masked"),
        node("Add", ["d", "positions"], ["f"]),
        node("ReduceMax", ["f"], ["top"], keepdims=0),
        node("Greater", ["top", "zero"], ["c"]),
        node("If", ["c"], ["y"], "choice", then_branch=branch("t", 50), else_branch=branch("o", 60)),
    ]
    nodes[2], nodes[3] = nodes[3], nodes[2]
    initialisers = {
        "table": drawn(1, 20, 10),
        "w": drawn(2, 10, 10),
        "sum": drawn(3, 10, 10),
        "fused": drawn(4, 10, 10),
        "int8": np.ones((10, 10), np.int8),
        "mask": drawn(5, 10, 10),
        "positions": drawn(6, 10, 10),
        "unused": drawn(7, 10, 10),
        "zero": np.float32(0),
        "few": drawn(8, 8, 8),  # 64 are too few to be asked for
    }
    model = model_of(nodes, initialisers, (10,), None, 17)
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.INT64
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    return model


@pytest.fixture
def path(tmp_path):
    found = tmp_path / "model.onnx"
    found.write_bytes(everything().SerializeToString())
    return found


def test_every_constant_and_every_product_is_in_one_list(path):
    read = read_onnx(path, keep=["quantised"])
    assert [use.node for use in read.network.uses] == ["fc"]
    unknown = "inside If 'choice', whose condition is unknown"
    assert sorted((entry.name, entry.operator, entry.reason, entry.n_weights) for entry in read.network.kept) == sorted(
        [
            ("attention", "MatMul", "both operands are computed (attention)", 0),
            ("einsum", "Einsum", "Einsum is not an operator of the machine", 100),
            ("fused", "FusedMatMul", "com.microsoft.FusedMatMul is not an operator of ONNX itself", 100),
            ("quantised", "MatMulInteger", "quantised (MatMulInteger)", 100),
            ("table", "constant", "embedding table of 'embedding'", 200),
            ("mask", "constant", "operand of Mul 'masked'", 100),
            ("positions", "constant", "operand of Add 'Add'", 100),
            ("unused", "constant", "not used by an operator of the graph itself", 100),
            *(
                entry
                for seed in (50, 60)
                for entry in (
                    (f"inner{seed}", "MatMul", unknown, 0),
                    (f"last{seed}", "MatMul", unknown, 0),
                    (f"k{seed}", "constant", unknown, 90),
                    (f"w{seed}", "constant", unknown, 90),
                )
            ),
        ]
    )


def test_the_numbers_of_both_lists_add_up_to_those_of_the_file(path):
    read = read_onnx(path, keep=["quantised"])
    listed = sum(entry.n_weights for entry in read.network.kept) + sum(t.weights.size for t in read.tensors)
    wide = [tensor for tensor in all_tensors(onnx.load(path)) if is_wide(tensor)]
    assert listed == sum(int(np.prod(tensor.dims)) for tensor in wide)


def test_what_is_kept_is_written_as_it_was(path, tmp_path):
    read = read_onnx(path, keep=["quantised"])
    write_onnx(compress_model(read, 1.0, weight_bits=8), None, tmp_path / "whole.onnx")
    whole = {tensor.name: tensor for tensor in onnx.load(tmp_path / "whole.onnx").graph.initializer}
    for tensor in everything().graph.initializer:
        assert np.array_equal(numpy_helper.to_array(whole[tensor.name]), numpy_helper.to_array(tensor))


def test_the_fraction_that_is_read_counts_what_is_kept(path):
    read = read_onnx(path, keep=["quantised"])
    covered = read.network.coverage(["fc"])
    assert (covered.products, covered.all_products) == (1, 9)
    assert (covered.weights, covered.all_weights) == (100, 1260)


def test_layers_that_are_kept_are_listed_as_asked(tmp_path):
    nodes = [node("Gemm", ["x", "w"], ["a"], "fc1"), node("Gemm", ["a", "v"], ["y"], "fc2")]
    path = tmp_path / "model.onnx"
    model = model_of(nodes, {"w": drawn(1, 10, 10), "v": drawn(2, 10, 10)}, (1, 10), (1, 10))
    path.write_bytes(model.SerializeToString())
    read = read_onnx(path, keep=["*1"])
    assert [(entry.name, entry.reason, entry.n_weights) for entry in read.network.kept] == [
        ("fc1", "as asked (keep)", 100)
    ]
    assert np.array_equal(read.others["w"], drawn(1, 10, 10))
    with pytest.raises(FormatError, match=r"keep: no layer matches 'x\*'; there are fc1, fc2"):
        read_onnx(path, keep=["x*"])


def test_the_name_of_a_layer_does_not_depend_on_what_is_kept(tmp_path):
    nodes = [node("Gemm", [f"h{i}" if i else "x", f"w{i}"], [f"h{i + 1}"], "fc") for i in range(3)]
    nodes[2].output[0] = "y"
    path = tmp_path / "model.onnx"
    model = model_of(nodes, {f"w{i}": drawn(i, 10, 10) for i in range(3)}, (1, 10), (1, 10))
    path.write_bytes(model.SerializeToString())
    read = read_onnx(path, keep=["fc_2"])
    assert [tensor.name for tensor in read.tensors] == ["fc", "fc_3"]
    assert [entry.name for entry in read.network.kept] == ["fc_2"]


def test_a_model_beside_quantised_operators_is_written_into_its_source(path, tmp_path):
    model = compress_model(read_onnx(path, keep=["quantised"]), 0.5, weight_bits=2)
    write_onnx(model, path, tmp_path / "new.onnx")
    (tensor,) = read_onnx(tmp_path / "new.onnx", keep=["quantised"]).tensors
    assert np.array_equal(tensor.weights, model.tensors[0].dense())


def test_a_part_of_a_network_is_no_whole_one(tmp_path):
    nodes = [node("Gemm", ["x", "w"], ["a"], "fc1"), node("Gemm", ["a", "v"], ["y"], "fc2")]
    path = tmp_path / "model.onnx"
    model = model_of(nodes, {"w": drawn(1, 10, 10), "v": drawn(2, 10, 10)}, (1, 10), (1, 10))
    path.write_bytes(model.SerializeToString())
    compressed = compress_model(read_onnx(path), 0.5, weight_bits=2).select("fc2")
    with pytest.raises(ValueError, match="tensors: 'fc1' of the graph is not in the model"):
        write_onnx(compressed, None, tmp_path / "new.onnx")
    write_onnx(compressed, path, tmp_path / "new.onnx")


def test_a_graph_whose_layers_are_all_inside_a_condition_says_how_to_reach_them(tmp_path):
    model = everything()
    del model.graph.node[:-1]
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.BOOL
    model.graph.node[0].input[0] = "x"
    model.graph.initializer.append(numpy_helper.from_array(drawn(9, 10, 10), "f"))
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(FormatError, match=r"fix an input it depends on \(--fix NAME=VALUE\).*: x$"):
        read_onnx(path)
