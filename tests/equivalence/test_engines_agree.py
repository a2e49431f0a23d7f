"""Independent answers to one contract: every engine equals the naive machine and every other, in every field."""

import os
from dataclasses import fields
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compressor import PackedModel, pack_codes
from eie_sim import ArchConfig, simulate, simulate_batch, simulate_model
from eie_sim.engines.base import ENGINES
from eie_sim.result import BatchResult, Counts, differences
from tests import naive
from tests.examples import examples
from tests.strategies import Case, activations, cases, code_matrices, codebooks, crowded, layers, machines

some = settings(max_examples=examples(60), deadline=None)
few = settings(max_examples=examples(20), deadline=None)


def assert_all_agree(case: Case) -> None:
    truth = naive.simulate(case.layer, case.acts, case.arch, schedule=True)
    for engine in ENGINES:
        result = simulate(case.layer, case.acts, case.arch, engine, schedule=True)
        assert differences(result, truth) == [], engine
        assert result.engine == engine


@pytest.mark.parametrize("seed", range(40))
def test_all_engines_agree_on_a_crowded_machine(seed):
    assert_all_agree(crowded(seed))


def test_crowded_machines_show_everything_there_is_to_count():
    cases = [crowded(seed) for seed in range(40)]
    counts = [naive.simulate(case.layer, case.acts, case.arch).counts for case in cases]
    seen = {f.name: sum(bool(np.any(getattr(c, f.name))) for c in counts) for f in fields(Counts)}
    assert min(seen.values()) >= 5, seen
    stalled = {case.arch.act_queue_depth for case, c in zip(cases, counts, strict=True) if c.broadcast_stalls}
    assert stalled == {1, 2, 3, 4, 5, 6}


@some
@given(case=cases())
def test_all_engines_agree_with_the_naive_machine_in_every_field(case):
    assert_all_agree(case)


@some
@given(case=cases(arithmetics=("fixed8", "fixed16", "fixed32")))
def test_all_engines_agree_in_fixed_point(case):
    assert_all_agree(case)


@some
@given(data=st.data())
def test_all_engines_agree_in_lock_step(data):
    case = data.draw(cases())
    assert_all_agree(Case(case.layer, case.acts, case.arch.replace(act_queue_depth=1)))


@pytest.mark.slow
@settings(max_examples=1000, deadline=None)
@given(case=cases(max_rows=120, max_cols=60))
def test_all_engines_agree_on_a_thousand_layers(case):
    assert_all_agree(case)


@pytest.mark.slow
@settings(max_examples=3000, deadline=None)
@given(case=cases(max_rows=40, max_cols=20))
def test_the_fast_engine_agrees_with_the_naive_machine_on_thousands_of_small_layers(case):
    result = simulate(case.layer, case.acts, case.arch, schedule=True)
    assert differences(result, naive.simulate(case.layer, case.acts, case.arch, schedule=True)) == []


@few
@given(case=cases())
def test_without_outputs_timing_and_counters_stay_the_same(engine, case):
    full = simulate(case.layer, case.acts, case.arch, engine, output=True, schedule=True)
    lean = simulate(case.layer, case.acts, case.arch, engine, output=False, schedule=True)
    assert lean.output is None
    assert lean.counts.saturations.tolist() == [0] * case.layer.n_pe
    assert set(differences(full, lean)) <= {"output", "counts.saturations"}


@few
@given(case=cases())
def test_keeping_the_schedule_changes_nothing_else(engine, case):
    without = simulate(case.layer, case.acts, case.arch, engine)
    assert without.schedule is None
    assert differences(simulate(case.layer, case.acts, case.arch, engine, schedule=True), without) == ["schedule"]


@few
@given(case=cases())
def test_a_run_leaves_nothing_behind_for_the_next(engine, case):
    first = simulate(case.layer, case.acts, case.arch, engine, schedule=True)
    simulate(case.layer, -np.ones(case.layer.n_cols), case.arch.replace(act_queue_depth=2), engine)
    assert differences(first, simulate(case.layer, case.acts, case.arch, engine, schedule=True)) == []


@few
@given(data=st.data())
def test_columns_in_another_order_give_the_same_fixed_point_outputs_when_nothing_saturates(engine, data):
    n_rows, n_cols = data.draw(st.integers(1, 40)), data.draw(st.integers(1, 30))
    codes = data.draw(code_matrices(n_rows, n_cols, weight_bits=4))
    book = data.draw(codebooks(4))
    acts = data.draw(activations(n_cols))
    order = data.draw(st.permutations(range(n_cols)))
    n_pe = data.draw(st.integers(1, 8))
    # 62 bits hold any sum of 30 products of two 16-bit numbers, however they are shifted here.
    arch = ArchConfig(n_pe=n_pe, arithmetic="fixed16", weight_frac_bits=data.draw(st.integers(0, 20)), acc_bits=62)
    a = simulate(pack_codes(codes, book, n_pe), acts, arch, engine)
    b = simulate(pack_codes(codes[:, order], book, n_pe), acts[order], arch, engine)
    assert a.counts.saturations.sum() == b.counts.saturations.sum() == 0
    assert a.output.tolist() == b.output.tolist()


@few
@given(data=st.data())
def test_where_a_row_lives_changes_no_output(engine, data):
    case = data.draw(cases())
    order = data.draw(st.permutations(range(case.layer.n_rows))) if case.layer.n_rows < 100 else None
    moved = case.layer.repack(n_pe=data.draw(st.integers(1, 70)), row_permutation=order)
    a = simulate(case.layer, case.acts, case.arch, engine)
    b = simulate(moved, case.acts, case.arch.replace(n_pe=moved.n_pe), engine)
    assert np.array_equal(a.output, b.output)
    assert a.counts.saturations.sum() == b.counts.saturations.sum()
    assert a.counts.acc_writes.sum() == b.counts.acc_writes.sum()


def batch_of(data) -> tuple:
    layer = data.draw(layers(max_rows=30, max_cols=20))
    acts = [data.draw(activations(layer.n_cols)) for _ in range(data.draw(st.integers(0, 4)))]
    return layer, np.reshape(np.array(acts, np.float32), (len(acts), layer.n_cols)), data.draw(machines(layer))


def assert_batch_is_single_calls(batch: BatchResult, layer, acts, arch, engine, output=True) -> None:
    assert len(batch) == len(acts)
    for b, one in enumerate(acts):
        single = simulate(layer, one, arch, engine, output)
        assert differences(batch[b], single) == []
        assert (batch[b].engine, batch[b].version) == (single.engine, single.version)


@few
@given(data=st.data(), output=st.booleans())
def test_a_batch_is_as_many_single_calls(engine, data, output):
    layer, acts, arch = batch_of(data)
    batch = simulate_batch(layer, acts, arch, engine, output)
    assert batch.cycles.dtype == np.int64
    assert batch.cycles.shape == (len(acts),)
    assert (batch.output is None) == (not output)
    assert_batch_is_single_calls(batch, layer, acts, arch, engine, output)


@pytest.mark.compiled_only
def test_a_big_batch_is_as_many_single_calls():
    rng = np.random.default_rng(7)
    codes = rng.integers(0, 16, (50, 40)) * (rng.random((50, 40)) < 0.2)
    layer = pack_codes(codes, rng.normal(size=16) * (np.arange(16) > 0), n_pe=6, bias_codes=codes[:, 0])
    acts = rng.normal(size=(300, 40)) * (rng.random((300, 40)) < rng.random((300, 1)))
    for arithmetic in ("float32", "fixed8"):
        arch = ArchConfig(n_pe=6, arithmetic=arithmetic)
        assert_batch_is_single_calls(simulate_batch(layer, acts, arch), layer, acts, arch, "fast")


@few
@given(data=st.data())
def test_a_model_is_its_layers_chained_by_hand(engine, data):
    sizes = data.draw(st.lists(st.integers(1, 20), min_size=2, max_size=4))
    functions = data.draw(st.lists(st.sampled_from(["none", "relu"]), min_size=len(sizes) - 1, max_size=len(sizes) - 1))
    n_pe = data.draw(st.integers(1, 6))
    packed = tuple(
        pack_codes(data.draw(code_matrices(rows, cols, 4)), data.draw(codebooks(4)), n_pe, name=f"fc{at}")
        for at, (cols, rows) in enumerate(pairwise(sizes))
    )
    arch = ArchConfig(n_pe=n_pe, arithmetic=data.draw(st.sampled_from(["float32", "fixed16"])))
    acts = data.draw(activations(sizes[0]))
    result = simulate_model(PackedModel(packed, tuple(functions)), acts, arch, engine, schedule=True)
    values, cycles = acts, 0
    for layer, function, one in zip(packed, functions, result.layers, strict=True):
        by_hand = simulate(layer, values, arch, engine, schedule=True)
        assert differences(one, by_hand) == []
        values = np.maximum(by_hand.output, 0) if function == "relu" else by_hand.output
        cycles += by_hand.cycles
    assert np.array_equal(result.output, values)
    assert result.output.dtype == values.dtype
    assert result.cycles == cycles


@pytest.mark.parametrize("arithmetic", ["float32", "fixed16"])
def test_results_do_not_depend_on_the_number_of_cores(engine, arithmetic, monkeypatch):
    rng = np.random.default_rng(3)
    codes = rng.integers(0, 16, (90, 70)) * (rng.random((90, 70)) < 0.3)
    book = rng.normal(size=16).astype(np.float32) * (np.arange(16) > 0)
    acts = rng.normal(size=(5, 70)) * (rng.random((5, 70)) < 0.5)
    arch = ArchConfig(n_pe=5, arithmetic=arithmetic)

    def results(cores):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)), raising=False)
        layer = pack_codes(codes, book, n_pe=5, bias_codes=codes[:, 1])  # a new one: nothing prepared
        batch = simulate_batch(layer, acts, arch, engine)
        return [simulate(layer, acts[0], arch, engine, schedule=True), *(batch[b] for b in range(len(acts)))]

    one_core = results(1)
    for cores in (2, 3, 16):
        assert [differences(a, b) for a, b in zip(one_core, results(cores), strict=True)] == [[]] * len(one_core)
