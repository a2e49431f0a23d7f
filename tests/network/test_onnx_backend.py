"""The node tests of the `onnx` package on the machine, weights as initialisers and codes of 8 bits."""

import warnings

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from onnx.backend.test.case.node import collect_testcases

from compressor import compress_model
from compressor.importers import read_onnx
from compressor.types.network import PRODUCTS, RECURRENT
from eie_sim import plan_network, run_network

N_CASES = 53


def single_nodes():
    """The tests of a machine operator alone."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tests of other operators overflow while they are made
        everything = collect_testcases(None)
    return [
        case
        for case in everything
        if len(case.model.graph.node) == 1
        and case.model.graph.node[0].op_type in PRODUCTS
        and not case.model.graph.node[0].domain
        and not case.name.endswith("_expanded")
    ]


CASES = {case.name: case for case in single_nodes()}


def with_initialisers(case):
    """The model of a test with its weights and biases as initialisers, its inputs and its results by name."""
    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    inputs, results = (list(map(as_array, values)) for values in case.data_sets[0])
    given = dict(zip([value.name for value in model.graph.input], inputs, strict=True))
    (node,) = model.graph.node
    for at in (1, 2, 3) if node.op_type in RECURRENT else (1, 2):
        name = node.input[at] if at < len(node.input) else ""
        if name:
            model.graph.input.remove(next(value for value in model.graph.input if value.name == name))
            model.graph.initializer.append(numpy_helper.from_array(given.pop(name), name))
    return model, given, dict(zip([value.name for value in model.graph.output], results, strict=True))


def as_array(value):
    return numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else np.asarray(value)


def test_all_of_them_are_there():
    assert len(CASES) >= N_CASES


@pytest.mark.parametrize("name", CASES)
def test_a_node_test_of_onnx_passes_on_the_machine(name, tmp_path):
    case = CASES[name]
    model, given, wanted = with_initialisers(case)
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    compressed = compress_model(read_onnx(path), 1.0, weight_bits=8)
    result = run_network(plan_network(compressed), given)
    for output, numbers in wanted.items():
        found = result.outputs[output]
        assert found.shape == numbers.shape
        assert found.dtype == numbers.dtype
        np.testing.assert_allclose(found, numbers, rtol=max(case.rtol, 1e-4), atol=max(case.atol, 1e-5))
