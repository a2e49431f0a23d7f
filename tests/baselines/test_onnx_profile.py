"""The profiler's events led back to the operators of a graph: runs, kernels within kernels, fused and put in."""

import pytest
from onnx import helper

from eie_sim.baselines.onnx_profile import Kernel, NumberedGraph, kernel_times, times_by_node
from tests.network.small_networks import few, made, residual

RUN = {"cat": "Session", "name": "model_run", "ts": 0, "dur": 100, "args": {}}


def event(name, operator, ts, dur):
    return {"cat": "Node", "name": f"{name}_kernel_time", "ts": ts, "dur": dur, "args": {"op_name": operator}}


def test_events_are_those_of_the_run_that_ends_after_them():
    profile = [
        {"cat": "Session", "name": "session_initialization", "ts": 0, "dur": 9, "args": {}},
        event("a", "Conv", 10, 5), {"cat": "Node", "name": "a_fence_after", "ts": 15, "dur": 1, "args": {}}, RUN,
        event("a", "Conv", 30, 7), event("b", "Relu", 40, 2), RUN, event("a", "Conv", 50, 6),
    ]  # fmt: skip
    a, b = Kernel("a", "Conv"), Kernel("b", "Relu")
    assert kernel_times(profile) == [{a: 5}, {a: 7, b: 2}]  # the third run has no end


def test_what_is_within_another_kernel_is_not_counted_twice():
    within = [event("body", "MatMul", 12, 3), event("body", "MatMul", 16, 4), event("inner", "Relu", 17, 1)]
    profile = [*within, event("loop", "Loop", 10, 20), event("next", "Relu", 30, 2), RUN]
    assert kernel_times(profile) == [
        {Kernel("loop", "Loop"): 13, Kernel("body", "MatMul"): 6, Kernel("inner", "Relu"): 1, Kernel("next", "Relu"): 2}
    ]


@pytest.fixture
def graph():
    return NumberedGraph(residual())


@pytest.mark.parametrize(
    ("kernel", "name"),
    [
        (Kernel("eie-sim node 7 ", "Gemm"), "fc"),
        (Kernel("fused eie-sim node 7 ", "FusedGemm"), "fc"),
        (Kernel("eie-sim node 7 /MatMulAddFusion", "Gemm"), "fc"),
        (Kernel("c2_nchwc", "Conv"), "depthwise"),
        (Kernel("r1_nchwc", "Conv"), "first"),  # Relu is fused, and gave the result its name
        (Kernel("eie-sim node 4 _nchwc", "Conv"), "pointwise"),  # the nearest that Add was fused with
        (Kernel("eie-sim node 4 ", "Add"), "Add sum"),
        (Kernel("mean_nchwc", "ReduceMean"), "GlobalAveragePool mean"),
        (Kernel("ReorderOutput_token_6", "ReorderOutput"), None),
        (Kernel("eie-sim node 99 ", "Gemm"), None),
    ],
)
def test_a_kernel_belongs_to_the_first_operator_that_it_computes(graph, kernel, name):
    number = graph.number_of(kernel)
    assert (None if number is None else graph.nodes[number].name) == name


def test_an_operator_is_found_by_the_result_of_what_is_folded_into_it(graph):
    assert graph.nodes[graph.by_result("r1", "Conv")].name == "first"
    assert graph.nodes[graph.by_result("y", "Gemm")].name == "fc"
    assert graph.by_result("absent", "Conv") is None


def test_operators_within_an_if_are_numbered_too():
    branches = [
        helper.make_graph([helper.make_node("MatMul", ["x", weights], [out], out)], out, [], [])
        for weights, out in (("w1", "yes"), ("w2", "no"))
    ]
    for branch in branches:
        branch.output.add(name=branch.name)
    choice = helper.make_node("If", ["flag"], ["y"], "choice", then_branch=branches[0], else_branch=branches[1])
    model = made([choice], {"w1": few(1, 2, 2), "w2": few(2, 2, 2)}, {"x": [1, 2], "flag": []}, {"y": [1, 2]})
    assert sorted(node.name for node in NumberedGraph(model).nodes) == ["choice", "no", "yes"]


def test_kernels_that_were_put_in_are_together_by_their_kind(graph):
    one, other, conv = Kernel("r", "Reorder"), Kernel("r_2", "Reorder"), Kernel("c2_nchwc", "Conv")
    found = list(times_by_node([{one: 1, conv: 5, other: 2}, {one: 3, conv: 6}], graph))
    assert found == [(None, one, [3.0, 3.0]), (2, conv, [5.0, 6.0])]
