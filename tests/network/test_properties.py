"""Any small network on the machine answers what ONNX Runtime answers, and both engines say the same of it."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidArgument, InvalidGraph, RuntimeException

from eie_sim import plan_network, preset, run_network
from tests.examples import examples
from tests.network.small_networks import (
    agree,
    answers,
    any_convolution,
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


@settings(deadline=None, max_examples=examples(16))
@given(seed=seeds, arithmetic=st.sampled_from(["float32", "fixed16"]))
def test_both_engines_give_the_same_result_in_every_number(seed, arithmetic, tmp_path_factory):
    graph = RandomGraph(seed)
    model, feeds = graph.model, {"x": graph.x}
    if seed % 2:
        model, feeds = random_recurrent(seed)
    arch = SMALL.replace(arithmetic=arithmetic)
    plan = plan_network(compressed(model, tmp_path_factory.mktemp("engines")), arch)
    results = [run_network(plan, feeds, engine=engine, batch_axis=AS_ONE) for engine in ("fast", "reference")]
    same_result(*results)


def test_what_is_not_finite_is_refused_by_the_name_of_the_node(tmp_path):
    graph = RandomGraph(3)
    plan = plan_network(compressed(graph.model, tmp_path), SMALL)
    first = next(iter(plan.nodes))
    with pytest.raises(ValueError, match=f"node '{first}': inputs: nan at .* every number must be finite"):
        run_network(plan, np.full_like(graph.x, np.nan), batch_axis=AS_ONE)
