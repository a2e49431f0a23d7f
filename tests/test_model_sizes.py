"""Sizes of the large networks: what is drawn and counted, the files, and the published numbers they stand beside."""

import csv
import json

import numpy as np
import pytest

from benchmarks import model_sizes
from benchmarks.harness import command
from benchmarks.reproduction.files import as_csv, as_markdown
from benchmarks.reproduction.model_sizes import (
    QUICK_SIDE,
    SQUEEZENET_DENSITIES,
    LayerPlan,
    drawn_tensor,
    layer_task,
    plans,
    rule_of,
    total,
)
from benchmarks.reproduction.tasks import Kept, Task, run_tasks
from compressor.networks import shapes
from compressor.published import ALEXNET, VGG_16

PLAN = LayerPlan("net", "fc", (64, 100), 0.09, 5, 4)


def call(tmp_path, *arguments):
    options = ["--quick", "--out", str(tmp_path / "out"), "--runs", str(tmp_path / "runs"), *arguments]
    return command("model_sizes", "", model_sizes.measure, options, model_sizes.add_options)


# What is drawn --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("drawn_from", ["normal", "Laplace", "Laplace, one iteration"])
def test_a_drawn_layer_has_the_published_density_and_bits(drawn_from):
    tensor = drawn_tensor(LayerPlan("net", "fc", (64, 100), 0.09, 5, 4, drawn_from), seed=1)
    assert np.count_nonzero(tensor.codes) == 576
    assert tensor.weight_bits == 5
    assert np.array_equal(
        tensor.codes, drawn_tensor(LayerPlan("net", "fc", (64, 100), 0.09, 5, 4, drawn_from), 1).codes
    )


def test_another_seed_is_another_layer():
    assert not np.array_equal(drawn_tensor(PLAN, 0).codes, drawn_tensor(PLAN, 1).codes)


def test_plans_are_the_rows_of_the_tables():
    of_normal = [plan for plan in plans() if plan.drawn_from == "normal"]
    for name, network, table in (("alexnet", ALEXNET, shapes.ALEXNET), ("vgg-16", VGG_16, shapes.VGG_16)):
        rows = [plan for plan in of_normal if plan.network == name]
        assert [plan.layer for plan in rows] == list(network.layers)
        assert all(plan.shape == table[plan.layer] for plan in rows)
        assert [100 * plan.density for plan in rows] == pytest.approx([row.kept_pct for row in network.layers.values()])


def test_the_densities_of_squeezenet_come_to_a_third():
    sizes = {layer: np.prod(shape) for layer, shape in shapes.SQUEEZENET_1_0.items()}
    kept = sum(SQUEEZENET_DENSITIES[layer] * size for layer, size in sizes.items())
    assert kept / sum(sizes.values()) == pytest.approx(0.335, abs=0.0005)


def test_every_key_is_there_once():
    keys = [plan.key for plan in plans()]
    assert len(set(keys)) == len(keys)
    assert max(max(plan.shape) for plan in plans(quick=True)) == QUICK_SIDE


# What is counted ------------------------------------------------------------------------------------------------------


def test_a_layer_is_counted_by_the_papers_rule():
    result = layer_task(PLAN, 0).compute(None)
    rule = rule_of(result)
    assert rule.n_kept == 576
    assert rule.shared_bits == rule.n_entries * (5 + 4) + 32 * 32
    assert total([rule, rule]).huffman_bits == 2 * rule.huffman_bits
    assert result["file_bytes"] < PLAN.shape[0] * PLAN.shape[1]


def test_a_conv_row_of_the_paper_comes_out_to_two_percent():
    """conv3 of AlexNet has hardly any fillers, so that positions without order do not matter (Table 4)."""
    plan = next(plan for plan in plans() if plan.key == "alexnet conv3, normal")
    rule = rule_of(layer_task(plan, 0).compute(None))
    assert 100 * rule.shared_rate == pytest.approx(ALEXNET.layers["conv3"].shared_pct, rel=0.02)


# Tasks ----------------------------------------------------------------------------------------------------------------


def test_a_task_is_done_once(tmp_path):
    done = []
    tasks = [Task(key, 1.0, lambda _, key=key: done.append(key) or {"key": key}) for key in "ab"]
    first = run_tasks(tasks[:1], Kept(tmp_path, "some", 1))
    both = run_tasks(tasks, Kept(tmp_path, "some", 1))
    assert done == ["a", "b"]
    assert first == {"a": {"key": "a"}}
    assert both == {"a": {"key": "a"}, "b": {"key": "b"}}


def test_what_was_done_before_an_interruption_is_kept(tmp_path):
    def stop(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_tasks([Task("a", 1.0, lambda _: {"n": 1}), Task("b", 1.0, stop)], Kept(tmp_path, "some", 1))
    assert Kept(tmp_path, "some", 1).results == {"a": {"n": 1}}


def test_other_settings_are_another_file(tmp_path):
    run_tasks([Task("a", 1.0, lambda _: {"n": 1})], Kept(tmp_path, "some", 1))
    assert Kept(tmp_path, "some", 2).results == {}


# Files ----------------------------------------------------------------------------------------------------------------


def test_tables_leave_a_missing_value_empty():
    columns, rows = ("name", "n"), [("a", 1), ("b", None)]
    assert as_csv(columns, rows) == "name,n\na,1\nb,\n"
    assert as_markdown(columns, rows).splitlines() == ["| name | n |", "| --- | ---: |", "| a | 1 |", "| b |  |"]


# The command ----------------------------------------------------------------------------------------------------------


@pytest.mark.compiled_only
def test_the_quick_form_writes_every_file_and_judges_no_drawn_layer(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("EIE_SIM_SQUEEZENET", raising=False)
    assert call(tmp_path, "--json", "--check") == 0
    report = json.loads(capsys.readouterr().out)
    assert {figure["bar"] for figure in report["figures"]} == {None}
    assert report["figures"][-1]["value"] is None
    assert "EIE_SIM_SQUEEZENET" in report["figures"][-1]["note"]
    out = tmp_path / "out"
    assert {path.name for path in out.iterdir()} == {"model_sizes.csv", "model_sizes.md", "model_sizes.png"}
    rows = list(csv.DictReader((out / "model_sizes.csv").read_text("utf-8").splitlines()))
    assert [row["paper_pqh_pct"] for row in rows if row["layer"] == "total"] == ["2.88", "2.05"] * 3 + ["", ""]
    assert "drawn" in (out / "model_sizes.md").read_text("utf-8")


@pytest.mark.compiled_only
def test_a_second_run_gives_the_same_files(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("EIE_SIM_SQUEEZENET", raising=False)
    names = ("model_sizes.csv", "model_sizes.md", "model_sizes.png")
    found = []
    for _ in range(2):
        assert call(tmp_path) == 0
        found.append([(tmp_path / "out" / name).read_bytes() for name in names])
    assert found[0] == found[1]
    capsys.readouterr()


def test_a_missing_extra_is_one_line(capsys):
    def measure(_):
        raise ImportError("PyTorch models need PyTorch: pip install 'eie-sim[train]'")

    assert command("model_sizes", "", measure, []) == 2
    line = "model_sizes: PyTorch models need PyTorch: pip install 'eie-sim[train]'\n"
    assert capsys.readouterr().err == line
