"""The page of recurrent layers over real time, on small networks: nothing is trained, drawn large or downloaded."""

from types import SimpleNamespace

import numpy as np
import pytest
from onnx import helper

from benchmarks import recurrent
from benchmarks.harness import command
from benchmarks.studies.recurrent_networks import NT_LSTM, Case
from tests.network.small_networks import compressed, few, made

HIDDEN = 6


def weights(n_inputs):
    rows = 4 * HIDDEN
    return {"w": few(1, 1, rows, n_inputs), "r": few(2, 1, rows, HIDDEN), "b": few(3, 1, 2 * rows)}


def whole(name, folder, decides):
    """All steps in one call."""
    nodes = [helper.make_node("LSTM", ["x", "w", "r", "b"], ["y", "last"], "lstm", hidden_size=HIDDEN)]
    outputs = {"y": ["steps", 1, "n", HIDDEN]}
    if decides:
        nodes.append(helper.make_node("Squeeze", ["last", "first"], ["answer"]))
        outputs = {"answer": ["n", HIDDEN]}
    constants = {**weights(5), "first": np.zeros(1, np.int64)}
    model = compressed(made(nodes, constants, {"x": ["steps", "n", 5]}, outputs), folder)
    x = np.maximum(np.random.default_rng(4).normal(size=(7, 3, 5)), 0).astype(np.float32)
    axes = {"x": 1} if decides else {"x": 1, "y": 2}
    return Case(name, model, {"x": x}, axes, {}, lambda of: [(of["x"],)], "answer" if decides else "y")


def with_state(name, folder):
    """A step a call, whose states go round; before the LSTM is a matrix."""
    nodes = [
        helper.make_node("MatMul", ["x", "m"], ["p"], "before"),
        helper.make_node("Relu", ["p"], ["z"]),
        helper.make_node("LSTM", ["z", "w", "r", "b", "", "h", "c"], ["y", "hn", "cn"], "lstm", hidden_size=HIDDEN),
        helper.make_node("ReduceSum", ["hn", "axes"], ["answer"], keepdims=0),
    ]
    constants = {**weights(4), "m": few(5, 5, 4), "axes": np.array([0, 2])}
    state = [1, 1, HIDDEN]
    ends = {"x": [1, 1, 5], "h": state, "c": state}, {"answer": [1], "z": [1, 1, 4], "hn": state, "cn": state}
    model = compressed(made(nodes, constants, *ends), folder)
    x = np.random.default_rng(6).normal(size=(130, 1, 5)).astype(np.float32)

    def calls(of):
        before = {name: np.concatenate([0 * of[name][:1], of[name][:-1]]) for name in ("hn", "cn")}
        steps = zip(of["z"], before["hn"], before["cn"], strict=True)
        return [(z[None], h[None], c[None]) for z, h, c in steps]

    return Case(name, model, {"x": x}, {}, {"hn": "h", "cn": "c"}, calls, "answer")


@pytest.fixture
def cases(tmp_path):
    return whole("digits", tmp_path, True), with_state("speech", tmp_path), whole(NT_LSTM, tmp_path, False)


@pytest.mark.slow
@pytest.mark.compiled_only
def test_the_command_writes_a_page_a_table_of_all_steps_and_a_picture(cases, tmp_path, monkeypatch, capsys):
    for name, case in zip(("digits", "speech", "drawn"), cases, strict=True):
        monkeypatch.setattr(recurrent, name, lambda *_, case=case: case)
    out = tmp_path / "page"
    options = ["--out", str(out), "--runs", str(tmp_path), "--json"]
    assert command("recurrent", "", recurrent.measure, options, recurrent.add_options) == 0
    assert sorted(path.name for path in out.iterdir()) == ["recurrent.csv", "recurrent.md", "recurrent.png"]
    page = (out / "recurrent.md").read_text("utf-8")
    assert "python -m benchmarks.recurrent" in page
    assert "| speech | real | 130 | 11 |" in page
    lines = (out / "recurrent.csv").read_text("utf-8").splitlines()
    assert lines[0].split(",") == list(recurrent.STEP_COLUMNS)
    assert len(lines) == 1 + 7 + 130 + 7
    assert '"digits: decisions as in float32"' in capsys.readouterr().out


def test_steps_that_are_not_those_of_the_network_are_an_error(cases):
    case = cases[0]
    other = Case(**{**vars(case), "calls": lambda of: [(of["x"][:-1],)]})
    with pytest.raises(ValueError, match="digits: the steps are not those of the network"):
        recurrent.run_case(other, "fixed16")


def test_the_lstm_alone_has_the_inputs_of_the_float32_network(cases):
    fixed, exact = (recurrent.run_case(cases[1], arithmetic) for arithmetic in ("fixed16", "float32"))
    alone = recurrent.errors_of(recurrent.states_alone(fixed, exact), exact)
    assert 0 < alone.max() < 0.01
    assert recurrent.errors_of(fixed.states, exact).shape == alone.shape == (130,)


def test_of_many_steps_a_curve_has_the_mean_or_the_largest_of_a_few():
    values = np.arange(250.0)
    mean, largest = (recurrent._curve("", values, of) for of in (False, True))
    assert mean.x[:3] == largest.x[:3] == (1, 4, 7)
    assert (mean.y[0], largest.y[0], mean.y[-1]) == (1, 2, 249)


def test_nothing_is_decided_by_what_is_not_a_score_of_each_sample():
    assert recurrent.decisions(SimpleNamespace(answer=np.zeros((3, 1, 2, 4)))) is None
    assert recurrent.decisions(SimpleNamespace(answer=np.eye(3))).tolist() == [0, 1, 2]
    assert recurrent.decisions(SimpleNamespace(answer=np.array([[0.2], [0.7]]))).tolist() == [[False], [True]]
