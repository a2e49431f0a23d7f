"""What is checked once stays as it was checked: layers and results own their arrays, and nobody can write to them."""

from dataclasses import asdict, fields

import numpy as np
import pytest

from compressor import CodedTensor, PackedLayer, PackedModel, pack_codes
from eie_sim import ArchConfig, CapacityError, CapacityWarning, Workload, simulate, simulate_batch, simulate_model
from eie_sim.engines.base import ENGINES
from eie_sim.engines.prepared import prepared
from eie_sim.limits import MOST_ROW_BITS
from eie_sim.result import differences

ARRAYS = ("codebook", "codes", "runs", "pointers", "row_permutation", "bias")
ONE_PE = ArchConfig(n_pe=1)


def a_layer(n_pe=2):
    codes = np.random.default_rng(0).integers(0, 4, (6, 5)).astype(np.uint8)
    return pack_codes(codes, [0, 1, 2, 3], n_pe, 4, codes[:, 0], "layer", [5, 4, 3, 2, 1, 0], codes[:, 1])


def test_a_layer_does_not_follow_later_changes_of_the_arrays_it_was_made_of():
    layer = a_layer()
    given = {name: getattr(layer, name).copy() for name in ARRAYS}
    sizes = (layer.n_rows, layer.n_cols, layer.n_pe, layer.weight_bits, layer.index_bits)
    made = PackedLayer(layer.name, *sizes, **given)
    for array in given.values():
        array[:] = 1
    assert made == layer


def test_a_layer_does_not_follow_a_writeable_array_behind_a_read_only_view():
    memory = np.array([0, 1, 2, 3], np.float32)
    view = memory.view()
    view.flags.writeable = False
    layer = pack_codes([[1, 2]], view, 1)
    memory[:] = 9
    assert layer.codebook.tolist() == [0, 1, 2, 3]


def test_no_array_of_a_layer_can_be_written():
    layer = a_layer()
    streamed = prepared(layer)
    for array in [*(getattr(layer, name) for name in ARRAYS), *streamed.by_lane, streamed.address]:
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_tensors_and_workloads_own_their_arrays_too():
    codes, bias, acts = np.ones(4, np.uint8), np.zeros(2, np.float32), np.ones(5, np.float32)
    tensor = CodedTensor("t", (2, 2), "linear", [0, 1], codes, bias)
    workload = Workload(a_layer(), acts, "here")
    codes[:], bias[:], acts[:] = 0, 7, 7
    assert (tensor.codes.sum(), tensor.bias.sum(), workload.acts.sum()) == (4, 0, 5)


@pytest.mark.parametrize("engine", ENGINES)
def test_no_array_of_a_result_can_be_written(engine):
    arch = ArchConfig(n_pe=2, weight_bits=2)
    one = simulate(a_layer(), np.ones(5), arch, engine, schedule=True)
    many = simulate_batch(a_layer(), np.ones((2, 5)), arch, engine)
    records = [one.counts, one.schedule, many.counts, many]
    arrays = [getattr(record, f.name) for record in records for f in fields(record)]
    for array in [one.output, *(a for a in arrays if isinstance(a, np.ndarray)), many[0].output]:
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_a_layer_can_be_taken_apart_into_a_dictionary():
    parts = asdict(a_layer())
    assert list(parts)[:2] == ["name", "n_rows"]
    assert parts["pointers"].tolist() == a_layer().pointers.tolist()


def test_rows_in_their_own_places_are_no_permutation():
    layer = a_layer()
    plain = layer.repack(row_permutation=range(6))
    assert plain.row_permutation is None
    assert plain.repack(row_permutation=[5, 4, 3, 2, 1, 0]) == layer


@pytest.mark.parametrize("engine", ENGINES)
def test_thirty_two_bit_numbers_pass_from_layer_to_layer_whole(engine):
    arch = ArchConfig(n_pe=1, weight_bits=1, arithmetic="fixed32", weight_frac_bits=0, act_frac_bits=0)
    adder = pack_codes([[1, 1], [0, 1]], [0, 1], 1, name="adder")
    same = pack_codes([[1, 0], [0, 1]], [0, 1], 1, name="same")
    result = simulate_model(PackedModel([adder, same], ["none", "none"]), [2**24, 1], arch, engine)
    assert [layer.output.tolist() for layer in result.layers] == [[2**24 + 1, 1], [2**24 + 1, 1]]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_row_may_be_as_wide_as_the_limit(engine):
    arch = ArchConfig(n_pe=2, weight_bits=2, spmat_width_bits=MOST_ROW_BITS)
    assert simulate(a_layer(), np.ones(5), arch, engine).counts.spmat_row_reads.tolist() == [1, 1]


def test_layers_that_fit_alone_but_not_together_are_told():
    layer = pack_codes(np.ones((300, 300), np.uint8), [0, *[1] * 15], 1, name="a")
    model = PackedModel([layer, layer.repack(name="b")], ["none", "none"])
    with pytest.warns(CapacityWarning, match="the model does not fit the SRAM: spmat_bytes: 180,000 bytes"):
        result = simulate_model(model, np.ones(300), ONE_PE)
    with pytest.raises(CapacityError, match="the model does not fit"):
        simulate_model(model, np.ones(300), ONE_PE.replace(strict_capacity=True))
    assert result.load_balance == pytest.approx(
        sum(r.counts.entries.sum() for r in result.layers) / result.cycles, rel=1e-12
    )
    assert result.gops == pytest.approx(2 * 180000 / result.time_us / 1e3)


def test_bits_of_a_row_that_hold_no_entry_hold_nothing():
    assert ArchConfig(spmat_width_bits=15).sram_limits[0] == 131072 * 8 // 15


def test_a_batch_has_the_figures_of_its_inputs():
    batch = simulate_batch(a_layer(), np.eye(5), ArchConfig(n_pe=2, weight_bits=2))
    for name in ("time_us", "theoretical_us", "load_balance"):
        assert getattr(batch, name).tolist() == [getattr(one, name) for one in (batch[i] for i in range(5))]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: simulate(a_layer(), np.ones(5), "eie-64pe-45nm"), "arch: 'eie-64pe-45nm' is no ArchConfig; preset"),
        (lambda: simulate("fc", np.ones(5)), "layer: 'fc' is no PackedLayer"),
        (lambda: simulate_model(a_layer(), np.ones(5)), "model: PackedLayer.* is not a PackedModel"),
        (
            lambda: simulate(a_layer(), np.ones(5), ArchConfig(n_pe=2, weight_bits=2), engine=["fast"]),
            r"engine: \['fast'\], but it must be one of fast, reference",
        ),
        (lambda: simulate(a_layer(n_pe=64), [[1], [1, 2]], ArchConfig(weight_bits=2)), "acts: no array of numbers"),
        (lambda: PackedModel([a_layer()], "relu"), "activations: 'relu', but it must be a list or tuple"),
        (lambda: PackedModel([a_layer()], None), "activations: None, but it must be a list or tuple"),
    ],
)
def test_what_is_of_another_kind_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("engine", ENGINES)
def test_what_is_kept_for_one_machine_is_not_used_for_another(engine):
    deep = ArchConfig(n_pe=2, weight_bits=2)
    shallow, narrow = deep.replace(act_queue_depth=2), deep.replace(spmat_width_bits=6)
    tiny = deep.replace(spmat_bytes=8, strict_capacity=True)
    layer = a_layer()
    for arch in (deep, shallow, narrow, deep, shallow):
        fresh = simulate(a_layer(), np.ones(5), arch, engine, schedule=True)
        assert differences(simulate(layer, np.ones(5), arch, engine, schedule=True), fresh) == []
    with pytest.raises(CapacityError):
        simulate(layer, np.ones(5), tiny, engine)
    with pytest.raises(ValueError, match="n_pe"):
        simulate(layer, np.ones(5), deep.replace(n_pe=4), engine)
