"""Any small graph of machine operators: its normal form, and what is read and written of it, compute what it does."""

import numpy as np
import onnx
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.onnx_layers import layer_errors, session_of
from compressor import compress_model
from compressor.importers import read_onnx, write_onnx
from compressor.importers.onnx_file import OnnxFile
from compressor.importers.onnx_normal import normalise
from compressor.types.network import PRODUCTS
from tests.examples import examples
from tests.random_graphs import RandomGraph, random_recurrent

seeds = st.integers(0, 2**32)


def results_of(model, x):
    session = session_of(model)
    return {o.name: y for o, y in zip(session.get_outputs(), session.run(None, {"x": x}), strict=True)}


def agree(found, wanted):
    assert found.keys() == wanted.keys()
    for name, y in wanted.items():
        assert found[name].shape == y.shape
        assert np.abs(found[name] - y).max(initial=0) <= 1e-5 * max(1, np.abs(y).max(initial=0))


def saved(graph, folder):
    path = folder / "model.onnx"
    path.write_bytes(graph.model.SerializeToString())
    return path


@settings(deadline=None, max_examples=examples(100))
@given(seed=seeds)
def test_the_normal_form_computes_what_the_graph_does_and_is_its_own(seed, tmp_path_factory):
    graph = RandomGraph(seed)
    path = saved(graph, tmp_path_factory.mktemp("normal"))
    file = OnnxFile(path)
    normalise(file, {}, {})
    agree(results_of(file.model, graph.x), results_of(graph.model, graph.x))
    content = file.model.SerializeToString(deterministic=True)
    path.write_bytes(content)
    again = OnnxFile(path)
    normalise(again, {}, {})
    assert again.model.SerializeToString(deterministic=True) == content


@settings(deadline=None, max_examples=examples(100))
@given(seed=seeds)
def test_every_layer_that_is_read_computes_what_its_node_does(seed, tmp_path_factory):
    graph = RandomGraph(seed)
    model, errors = layer_errors(saved(graph, tmp_path_factory.mktemp("layers")), {"x": graph.x})
    assert len(errors) == len(model.network.uses)
    assert all(error.error < 1e-5 for error in errors)


@settings(deadline=None, max_examples=examples(100))
@given(seed=seeds)
def test_a_compressed_model_is_a_whole_network(seed, tmp_path_factory):
    """Codes of 8 bits hold its few values exactly, so that all of its outputs are those of the original."""
    graph = RandomGraph(seed)
    path = saved(graph, tmp_path_factory.mktemp("whole"))
    model = read_onnx(path)
    compressed = compress_model(model, 1.0, weight_bits=8)
    for dense, coded in zip(model.tensors, compressed.tensors, strict=True):
        assert np.array_equal(dense.weights, coded.dense())
    wanted = results_of(graph.model, graph.x)
    for source in (None, path):
        write_onnx(compressed, source, path.with_name("written.onnx"))
        agree(results_of(onnx.load(path.with_name("written.onnx")), graph.x), wanted)


@settings(deadline=None, max_examples=examples(100))
@given(seed=seeds)
def test_every_product_is_in_one_list(seed, tmp_path_factory):
    graph = RandomGraph(seed)
    path = saved(graph, tmp_path_factory.mktemp("lists"))
    model = read_onnx(path)
    file = OnnxFile(path)
    normalise(file, {}, {})
    products = [node.output[0] for node in file.model.graph.node if node.op_type in PRODUCTS]
    uses = [use.result for use in model.network.uses]
    assert sorted(uses) == sorted(products)
    assert {name for use in model.network.uses for name in use.tensors} == {t.name for t in model.tensors}
    assert [kept for kept in model.network.kept if kept.operator != "constant"] == []


@settings(deadline=None, max_examples=examples(100))
@given(seed=seeds)
def test_any_recurrent_operator_computes_what_its_node_does(seed, tmp_path_factory):
    model, feeds = random_recurrent(seed)
    path = tmp_path_factory.mktemp("recurrent") / "model.onnx"
    path.write_bytes(model.SerializeToString())
    read, errors = layer_errors(path, feeds)
    assert [error.node for error in errors] == ["rnn"]
    assert errors[0].error < 1e-5
    compressed = compress_model(read, 1.0, weight_bits=8)
    write_onnx(compressed, None, path.with_name("written.onnx"))
    agree(results_of(onnx.load(path.with_name("written.onnx")), feeds["x"]), results_of(model, feeds["x"]))
