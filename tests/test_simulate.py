"""The public `simulate` functions: what they accept, and how they refuse the rest."""

import numpy as np
import pytest

from compressor import PackedModel, pack_codes
from compressor.types.model_checks import ACTIVATION_FUNCTIONS
from eie_sim import ArchConfig, preset, simulate, simulate_batch, simulate_model
from eie_sim.engines.base import ENGINES, engine_named
from eie_sim.engines.chain import activate
from eie_sim.result import differences

BOOK = [0, 1, -2, 0.5]
ARCH = ArchConfig(n_pe=2, weight_bits=2, index_bits=4)


def small(n_rows=3, n_cols=2, n_pe=2, name="fc", **pack):
    codes = np.arange(n_rows * n_cols).reshape(n_rows, n_cols) % 4
    return pack_codes(codes, BOOK, n_pe=n_pe, name=name, **pack)


def refused(call, *parts):
    with pytest.raises(ValueError) as caught:
        call()
    message = str(caught.value)
    assert "\n" not in message
    for part in parts:
        assert str(part) in message, message


def test_there_are_two_engines_and_fast_is_the_default():
    assert set(ENGINES) >= {"fast", "reference"}
    assert simulate(small(), [1, 1], ARCH).engine == "fast"


def test_the_default_machine_is_the_64_pe_machine_of_the_paper(engine):
    layer = pack_codes(np.eye(70, dtype=int), np.arange(16), n_pe=64)
    result = simulate(layer, np.arange(70), engine=engine)
    assert result.arch == preset("eie-64pe-45nm")
    assert result.output.tolist() == list(range(70))


@pytest.mark.parametrize("name", ["", "Fast", "simpy", None])
def test_an_unknown_engine_is_refused_with_the_names_there_are(name):
    refused(lambda: simulate(small(), [1, 1], ARCH, engine=name), "engine", repr(name), *ENGINES)
    refused(lambda: simulate_batch(small(), [[1, 1]], ARCH, engine=name), "engine", *ENGINES)
    refused(lambda: engine_named(name), "engine")


@pytest.mark.parametrize(
    "acts", [[1.0, -2.0], (1, -2), np.array([1, -2]), np.array([1, -2], np.int8), np.array([1, -2], np.float64)]
)
def test_inputs_may_be_any_numbers(engine, acts):
    expected = simulate(small(), np.array([1, -2], np.float32), ARCH, engine)
    assert differences(simulate(small(), acts, ARCH, engine), expected) == []


def test_inputs_may_be_a_strided_or_read_only_view(engine):
    wide = np.array([1, 9, -2, 9], np.float32)
    wide.setflags(write=False)
    assert differences(simulate(small(), wide[::2], ARCH, engine), simulate(small(), [1, -2], ARCH, engine)) == []


def test_a_double_is_rounded_to_float32_before_it_is_looked_at(engine):
    assert simulate(small(), [1e-60, 1], ARCH, engine).counts.broadcasts == 1


def test_the_callers_inputs_are_not_changed(engine):
    acts = np.array([0.3, -0.7], np.float32)
    simulate(small(), acts, ARCH.replace(arithmetic="fixed8"), engine)
    simulate_batch(small(), acts[None], ARCH.replace(arithmetic="fixed8"), engine)
    assert acts.tolist() == np.array([0.3, -0.7], np.float32).tolist()


@pytest.mark.parametrize("acts", [[], [1], [1, 1, 1], [[1, 1]], 1.0])
def test_inputs_of_another_length_are_refused(acts):
    refused(lambda: simulate(small(), acts, ARCH), "acts", np.shape(acts), "(2,)", "fc")


@pytest.mark.parametrize("acts", [[1, 1], [[1]], [[1, 1, 1]], [[[1, 1]]]])
def test_a_batch_of_another_shape_is_refused(acts):
    refused(lambda: simulate_batch(small(), acts, ARCH), "acts", np.shape(acts), "(B, 2)", "fc")


@pytest.mark.parametrize(
    ("bad", "why"), [(np.nan, "finite"), (np.inf, "finite"), (-np.inf, "finite"), (1e39, "float32 holds at most")]
)
def test_an_input_that_is_not_finite_is_refused_with_its_place(bad, why):
    refused(lambda: simulate(small(), [0, bad], ARCH), "acts", "(1,)", str(bad), why)
    refused(lambda: simulate_batch(small(), [[0, 0], [bad, 0]], ARCH), "acts", "(1, 0)", str(bad), why)


@pytest.mark.parametrize("output", [False, True])
@pytest.mark.parametrize("schedule", [False, True])
@pytest.mark.parametrize("arithmetic", ["float32", "fixed16"])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_an_input_that_is_not_finite_is_refused_whatever_is_asked_for(engine, bad, arithmetic, schedule, output):
    arch = ARCH.replace(arithmetic=arithmetic)
    refused(lambda: simulate(small(), [bad, 1], arch, engine, output, schedule), "acts", "(0,)", "finite")
    for counts in ("each", "sum", "none"):
        refused(lambda kept=counts: simulate_batch(small(), [[1, bad]], arch, engine, output, kept), "acts", "(0, 1)")


@pytest.mark.parametrize("acts", [["a", "b"], [None, None], [1j, 1]])
def test_inputs_that_are_no_numbers_are_refused(acts):
    refused(lambda: simulate(small(), acts, ARCH), "acts", "numbers")


@pytest.mark.parametrize(("field", "has"), [("n_pe", 3), ("weight_bits", 4), ("index_bits", 5)])
def test_a_layer_packed_for_another_machine_is_refused_with_both_numbers(field, has, engine):
    packed = getattr(ARCH, field)
    refused(lambda: simulate(small(), [1, 1], ARCH.replace(**{field: has}), engine), field, packed, has, "fc")
    refused(lambda: simulate_batch(small(), [[1, 1]], ARCH.replace(**{field: has}), engine), field)


def test_the_hint_to_repack_works():
    refused(lambda: simulate(small(), [1, 1], ARCH.replace(n_pe=3)), "layer.repack(n_pe=3)")
    assert simulate(small().repack(n_pe=3), [1, 1], ARCH.replace(n_pe=3)).output.shape == (3,)


def test_the_output_is_the_matrix_times_the_inputs(engine):
    layer = small(9, 7, bias_codes=[3] * 9)
    acts = np.array([1, -2, 0, 3, 0, 1, 1], np.float32)
    assert simulate(layer, acts, ARCH, engine).output.tolist() == (layer.dense() @ acts + 0.5).tolist()


def test_a_batch_of_none_is_a_result_of_none(engine):
    batch = simulate_batch(small(), np.zeros((0, 2)), ARCH, engine)
    assert len(batch) == 0
    assert batch.cycles.shape == (0,)
    assert batch.output.shape == (0, 3)
    assert batch.output.dtype == np.float32
    assert batch.counts.entries.shape == (0, 2)
    assert simulate_batch(small(), np.zeros((0, 2)), ARCH, engine, output=False).output is None


# Models ---------------------------------------------------------------------------------------------------------------


def model(*functions):
    """2 -> 3 -> 4 -> 1, as far as there are functions."""
    sizes = [2, 3, 4, 1]
    return PackedModel([small(sizes[i + 1], sizes[i], name=f"fc{i}") for i in range(len(functions))], functions)


def test_a_model_of_one_layer_is_the_layer_and_its_function(engine):
    result = simulate_model(model("relu"), [1, 2], ARCH, engine)
    one = simulate(small(), [1, 2], ARCH, engine)
    assert differences(result.layers[0], simulate(small(name="fc0"), [1, 2], ARCH, engine)) == []
    assert result.output.tolist() == np.maximum(one.output, 0).tolist()
    assert result.cycles == one.cycles
    assert result.time_us == one.time_us


def test_the_results_of_a_model_are_before_the_function_and_its_output_after(engine):
    result = simulate_model(model("none", "relu", "relu"), [1, 2], ARCH, engine, schedule=True)
    assert len(result.layers) == 3
    assert all(one.schedule is not None for one in result.layers)
    assert result.output.shape == (1,)
    before = result.layers[1].output
    assert before.min() < 0  # ReLU is applied to what goes on, not to what is kept
    after = np.maximum(before, 0)
    assert result.layers[2].counts.broadcasts == np.count_nonzero(after)
    assert result.cycles == sum(one.cycles for one in result.layers)
    assert result.time_us == pytest.approx(result.cycles / 800)


def test_layers_that_do_not_fit_each_other_are_refused_by_name_and_number():
    broken = PackedModel([small(3, 2, name="a"), small(2, 4, name="b")], ["relu", "none"])
    refused(lambda: simulate_model(broken, [1, 2], ARCH), "'b'", 4, "'a'", 3)


def test_a_layer_of_a_model_for_another_machine_is_refused_by_name():
    mixed = PackedModel([small(3, 2, name="a"), small(4, 3, n_pe=5, name="b")], ["relu", "none"])
    refused(lambda: simulate_model(mixed, [1, 2], ARCH), "n_pe", "'b'", 5)


def test_what_is_wrong_with_the_inputs_of_a_chain_is_said_as_of_one_layer():
    with pytest.raises(ValueError, match=r"^acts: shape \(3,\), but layer"):
        simulate_model(model("relu"), [1, 2, 3], ARCH)


@pytest.mark.parametrize("function", ACTIVATION_FUNCTIONS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_an_activation_function_keeps_shape_and_type(function, dtype):
    values = np.array([-1e30, -90, -1, -0.0, 0, 0.5, 90, 1e30], dtype)
    expected = {
        "none": lambda x: x,
        "host": lambda x: x,
        "relu": lambda x: np.where(x > 0, x, 0),
        "sigmoid": lambda x: 1 / (1 + np.exp(-np.clip(x, -700, 700))),
        "tanh": np.tanh,
    }[function](values.astype(np.float64))
    out = activate(function, values)
    assert out.dtype == dtype
    np.testing.assert_allclose(out, expected.astype(dtype), rtol=1e-6, atol=1e-30)
