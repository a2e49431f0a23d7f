"""A recurrent layer step by step: the same products as those of a network that is run whole."""

import numpy as np
import pytest
from onnx import helper

from eie_sim import ArchConfig, plan_network, preset, run_network, simulate
from eie_sim.cost import energy
from eie_sim.network import calibrate
from eie_sim.networks import published_layer
from eie_sim.studies.over_time import step_of_ones, steps_over_time
from tests.network.small_networks import compressed, made

SMALL = preset("eie-64pe-45nm").replace(n_pe=4, weight_bits=8, bias="column")


def recurrent(operator, n_gates, n_inputs, hidden, density, seed=0):
    """An operator over any number of steps, with a bias, all of whose states are an output."""
    rng = np.random.default_rng(seed)

    def weights(*shape):
        kept = rng.random(shape) < density
        return (kept * rng.choice([-0.5, -0.25, 0.25, 0.5], shape)).astype(np.float32)

    rows = n_gates * hidden
    constants = {"w": weights(1, rows, n_inputs), "r": weights(1, rows, hidden), "b": weights(1, 2 * rows)}
    node = helper.make_node(operator, ["x", "w", "r", "b"], ["y"], "cell", hidden_size=hidden)
    return made([node], constants, {"x": ["steps", "n", n_inputs]}, {"y": ["steps", 1, "n", hidden]})


@pytest.fixture(params=["float32", "fixed16"])
def arch(request):
    return SMALL.replace(arithmetic=request.param)


@pytest.mark.parametrize(("operator", "n_gates", "n_matrices"), [("RNN", 1, 1), ("GRU", 3, 2), ("LSTM", 4, 1)])
def test_the_steps_are_the_products_of_the_network(operator, n_gates, n_matrices, arch, tmp_path):
    x = np.maximum(np.random.default_rng(1).normal(size=(6, 3, 5)), 0).astype(np.float32)
    plan = plan_network(compressed(recurrent(operator, n_gates, 5, 4, 0.6), tmp_path), arch)
    if arch.number_bits is not None:
        calibrate(plan, x, {"x": 1})
    result = run_network(plan, x, batch_axis={"x": 1, "y": 2})
    ((name, node),) = plan.nodes.items()
    found, steps = steps_over_time(node.lowering, node.matrices, [x], plan.arch_of(name))
    assert np.array_equal(found[0], result.outputs["y"])
    taken = result.nodes[name]
    assert [step.samples for step in steps] == [3] * 6 * n_matrices
    assert [step.matrix for step in steps] == list(range(n_matrices)) * 6
    assert sum(3 * step.cycles for step in steps) == pytest.approx(taken.cycles)
    assert sum(3 * step.active for step in steps) == pytest.approx(taken.counts.broadcasts)
    assert sum(3 * step.energy_nj for step in steps) == pytest.approx(1e3 * taken.energy_uj)
    assert sum(step.saturations for step in steps) == taken.saturations


def test_a_step_of_ones_is_what_a_layer_takes_when_every_input_is_active(tmp_path):
    plan = plan_network(compressed(recurrent("LSTM", 4, 5, 4, 0.6), tmp_path), SMALL)
    (layer,) = plan.nodes["cell"].matrices
    alone, step = simulate(layer, np.ones(layer.n_cols), SMALL), step_of_ones(layer, SMALL)
    assert (step.cycles, step.active, step.samples) == (alone.cycles, layer.n_cols + 1, 1)
    assert step.load_balance == pytest.approx(alone.load_balance)
    assert step.energy_nj == pytest.approx(energy(alone).total_nj)


def test_an_lstm_of_the_size_of_nt_lstm_is_one_product_of_1201_inputs_a_step(tmp_path):
    published = published_layer("NT-LSTM")
    rows, columns = published.outputs, published.inputs
    assert (rows, columns) == (4 * 600, 600 + 600 + 1)
    machine = ArchConfig(weight_bits=3, bias="column")
    model = compressed(recurrent("LSTM", 4, 600, 600, 0.1), tmp_path, weight_bits=3)
    plan = plan_network(model, machine)
    (layer,) = plan.nodes["cell"].matrices
    assert (layer.n_rows, layer.n_cols, layer.has_bias) == (rows, columns - 1, True)
    x = np.random.default_rng(0).normal(size=(3, 1, 600)).astype(np.float32)
    result = run_network(plan, x, batch_axis={"x": 1, "y": 2})
    assert result.nodes["cell"].products == 3
    _, steps = steps_over_time(plan.nodes["cell"].lowering, [layer], [x], machine)
    # There is no state before the first step.
    assert [step.active for step in steps] == [601, columns, columns]
    assert step_of_ones(layer, machine).active == columns
    assert sum(step.cycles for step in steps) == result.cycles
