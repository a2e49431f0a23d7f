"""The node tests of the `onnx` package itself, their weights made initialisers: what is read computes their results."""

import warnings

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from onnx.backend.test.case.node import collect_testcases

from benchmarks.operators import computed, last_states, matmul
from compressor.importers import read_onnx
from compressor.types.network import PRODUCTS

RECURRENT = ("LSTM", "GRU", "RNN")


@pytest.fixture(scope="module")
def cases():
    """The tests of a single machine operator, by the operator."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tests of other operators overflow while they are made
        everything = collect_testcases(None)
    found = {operator: [] for operator in PRODUCTS}
    for case in everything:
        operators = [node.op_type for node in case.model.graph.node]
        if len(operators) == 1 and operators[0] in found and not case.name.endswith("_expanded"):
            found[operators[0]].append(case)
    return found


def with_initialisers(case):
    """The model of a test with its weights as initialisers, its inputs by name, and its results by name."""
    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    inputs, results = (list(map(as_array, values)) for values in case.data_sets[0])
    given = dict(zip([value.name for value in model.graph.input], inputs, strict=True))
    (node,) = model.graph.node
    for at in (1, 2) if node.op_type in RECURRENT else (1,):
        name = node.input[at]
        model.graph.input.remove(next(value for value in model.graph.input if value.name == name))
        model.graph.initializer.append(numpy_helper.from_array(given[name], name))
    return model, given, dict(zip([value.name for value in model.graph.output], results, strict=True))


def as_array(value):
    return numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else np.asarray(value)


def results_of(model, given, found):
    """The results of the only node from the tensors that were read; its other inputs, biases too, are the test's."""
    (node,), (use,) = model.graph.node, found.network.uses
    operands = [given[name] if name else None for name in node.input]
    if node.op_type == "MatMul":
        return [matmul(found.tensors, operands[0], 1, operands[1].shape)]
    operands[1] = None
    first = computed(node.op_type, use.attributes, found.tensors, operands)
    return [first, last_states(first, use.attributes)] if node.op_type in RECURRENT else [first]


@pytest.mark.parametrize(
    ("operator", "at_least"),
    {"Gemm": 11, "MatMul": 5, "Conv": 6, "ConvTranspose": 9, "LSTM": 4, "GRU": 4, "RNN": 3}.items(),
)
def test_every_node_test_of_onnx_is_read_with_the_right_matrices(operator, at_least, cases, tmp_path):
    for case in cases[operator]:
        model, given, wanted = with_initialisers(case)
        path = tmp_path / f"{case.name}.onnx"
        path.write_bytes(model.SerializeToString())
        found = read_onnx(path)
        compared = 0
        for name, result in zip(model.graph.node[0].output, results_of(model, given, found), strict=False):
            if name:
                assert np.allclose(result, wanted[name], rtol=1e-4, atol=1e-5), case.name
                compared += 1
        assert compared, case.name
    assert len(cases[operator]) >= at_least
