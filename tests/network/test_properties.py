"""Any small network on the machine answers what ONNX Runtime answers, and both engines say the same of it."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from onnx import helper
from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidArgument, InvalidGraph, RuntimeException

from eie_sim import plan_network, preset, run_network
from tests.examples import examples
from tests.network.small_networks import (
    agree,
    answers,
    any_convolution,
    any_convolution_of_3_by_3,
    any_product,
    any_recurrent,
    compressed,
    same_result,
    with_another_last_bit,
)
from tests.random_graphs import RandomGraph, random_recurrent

seeds = st.integers(0, 2**32)
SMALL = preset("eie-64pe-45nm").replace(n_pe=4, weight_bits=8)
REFUSALS = (Fail, InvalidArgument, InvalidGraph, RuntimeException)
"""Of ONNX Runtime."""

AS_ONE = {"x": None}
"""Inputs are those of one inference, whatever their first axis is."""


@settings(deadline=None, max_examples=examples(60))
@given(seed=seeds)
def test_a_graph_of_any_operators_answers_what_onnx_runtime_does(seed, tmp_path_factory):
    graph = RandomGraph(seed)
    model = compressed(graph.model, tmp_path_factory.mktemp("graph"))
    plan = plan_network(model, SMALL)
    assert [node.use for node in plan.nodes.values()] == list(model.network.uses)
    result = run_network(plan, {"x": graph.x}, batch_axis=AS_ONE)
    agree(result.outputs, answers(graph.model, {"x": graph.x}), 1e-4)
    for node in result.nodes.values():
        assert node.macs_performed <= node.macs_pruned <= node.macs_dense


@settings(deadline=None, max_examples=examples(60))
@given(seed=seeds)
def test_a_recurrent_operator_of_any_options_answers_what_onnx_runtime_does(seed, tmp_path_factory):
    model, feeds = random_recurrent(seed)
    plan = plan_network(compressed(model, tmp_path_factory.mktemp("recurrent")), SMALL)
    agree(run_network(plan, feeds).outputs, answers(model, feeds), 2e-5, answers(model, with_another_last_bit(feeds)))


@settings(deadline=None, max_examples=examples(100))
@given(seed=seeds)
def test_lengths_states_and_activation_functions_are_those_of_onnx_runtime(seed, tmp_path_factory):
    model, feeds = any_recurrent(seed)
    wanted = answers(model, feeds)
    assume(all(np.isfinite(numbers).all() for numbers in wanted.values()))
    plan = plan_network(compressed(model, tmp_path_factory.mktemp("any")), SMALL)
    agree(run_network(plan, feeds).outputs, wanted, 2e-5, answers(model, with_another_last_bit(feeds)))


@settings(deadline=None, max_examples=examples(100))
@given(seed=seeds)
def test_pads_shapes_and_groups_of_convolutions_are_those_of_onnx_runtime(seed, tmp_path_factory):
    model, feeds = any_convolution(seed)
    try:
        wanted = answers(model, feeds)
    except REFUSALS:
        assume(False)  # such as a kernel larger than its padded input
    plan = plan_network(compressed(model, tmp_path_factory.mktemp("any")), SMALL)
    agree(run_network(plan, feeds).outputs, wanted, 2e-5)


@settings(deadline=None, max_examples=examples(100))
@given(seed=seeds)
def test_sides_stacks_and_axes_of_products_are_those_of_onnx_runtime(seed, tmp_path_factory):
    model, feeds = any_product(seed)
    plan = plan_network(compressed(model, tmp_path_factory.mktemp("any")), SMALL)
    agree(run_network(plan, feeds, batch_axis=AS_ONE).outputs, answers(model, feeds), 2e-5)


@settings(deadline=None, max_examples=examples(100))
@given(seed=seeds)
def test_winograd_with_codebooks_that_hold_its_weights_answers_what_onnx_runtime_does(seed, tmp_path_factory):
    model, feeds = any_convolution_of_3_by_3(seed)
    plan = plan_network(compressed(model, tmp_path_factory.mktemp("winograd")), SMALL, lowering="winograd")
    agree(run_network(plan, feeds).outputs, answers(model, feeds), 2e-5)


def random_graph(seed):
    """A graph of several operators and what is between them, and its input."""
    graph = RandomGraph(seed)
    return graph.model, {"x": graph.x}


MOST_CYCLES = 5_000
"""Of a network in the reference engine, which takes some seconds for them."""

KINDS = {
    "graph": random_graph,
    "product": any_product,
    "convolution": any_convolution,
    "convolution of 3 by 3": any_convolution_of_3_by_3,
    "recurrent": any_recurrent,
    "recurrent of normal weights": random_recurrent,
}


@pytest.mark.parametrize("kind", KINDS)
@settings(deadline=None, max_examples=examples(16))
@given(seed=seeds, arithmetic=st.sampled_from(["float32", "fixed16"]), lowering=st.sampled_from(["im2col", "winograd"]))
def test_both_engines_give_the_same_result_in_every_number(kind, seed, arithmetic, lowering, tmp_path_factory):
    model, feeds = KINDS[kind](seed)
    if kind == "convolution":
        try:
            answers(model, feeds)
        except REFUSALS:
            assume(False)
    arch = SMALL.replace(arithmetic=arithmetic)
    plan = plan_network(compressed(model, tmp_path_factory.mktemp("engines")), arch, lowering=lowering)
    axes = AS_ONE if kind in ("graph", "product") else None
    fast = run_network(plan, feeds, batch_axis=axes)
    assume(fast.cycles < MOST_CYCLES)
    same_result(fast, run_network(plan, feeds, engine="reference", batch_axis=axes))


def features(model):
    """What operators of the network contract, section 2, a model has."""
    stored = {tensor.name: list(tensor.dims) for tensor in model.graph.initializer}
    for node in model.graph.node:
        options = {one.name: helper.get_attribute_value(one) for one in node.attribute}
        if node.op_type in ("Gemm", "MatMul"):
            for side, name in enumerate(node.input[:2]):
                if name in stored:
                    yield node.op_type, "right" if side else "left", min(len(stored[name]), 3)
        if node.op_type in ("Conv", "ConvTranspose"):
            yield node.op_type, len(stored[node.input[1]]) - 2
            yield node.op_type, "groups" if options.get("group", 1) > 1 else "one group"
            yield node.op_type, "dilated" if max(options.get("dilations", [1])) > 1 else "dense"
        if node.op_type in ("LSTM", "GRU", "RNN"):
            yield node.op_type, options["direction"].decode()
            yield node.op_type, "resets after" if options.get("linear_before_reset", 0) else "resets before"
            yield node.op_type, "lengths" if "lengths" in node.input else "all steps"


def test_every_operator_of_the_contract_is_drawn():
    found = {
        feature
        for kind in KINDS
        if kind != "graph"
        for seed in range(200)
        for feature in features(KINDS[kind](seed)[0])
    }
    sides = {(operator, side, 2) for operator in ("Gemm", "MatMul") for side in ("left", "right")}
    stacks = {("MatMul", side, axes) for side in ("left", "right") for axes in (1, 3)}
    windows = {
        (operator, what)
        for operator in ("Conv", "ConvTranspose")
        for what in (1, 2, 3, "groups", "one group", "dilated", "dense")
    }
    recurrences = {
        (operator, what)
        for operator in ("LSTM", "GRU", "RNN")
        for what in ("forward", "reverse", "bidirectional", "lengths", "all steps", "resets before")
    } | {("GRU", "resets after")}
    assert found == sides | stacks | windows | recurrences


def test_what_is_not_finite_is_refused_by_the_name_of_the_node(tmp_path):
    graph = RandomGraph(3)
    plan = plan_network(compressed(graph.model, tmp_path), SMALL)
    first = next(iter(plan.nodes))
    with pytest.raises(ValueError, match=f"node '{first}': inputs: nan at .* every number must be finite"):
        run_network(plan, np.full_like(graph.x, np.nan), batch_axis=AS_ONE)
