"""Every method computes what numpy does, on any layer and any number of threads."""

import numpy as np
import pytest

from compressor import pack_codes
from eie_sim.baselines import cpu_methods
from eie_sim.baselines.cpu_methods import METHODS, PAIRS, Problem, Weights, chosen_methods, method_named
from eie_sim.workload import random_layer
from tests.extras import needs

BOOK = np.concatenate([[0], np.linspace(-1, 1, 15)]).astype(np.float32)


def a_problem(batch=None, density=0.2, act_density=0.5, **more):
    workload = random_layer(70, 50, density, act_density, n_vectors=batch or 1, n_pe=4, **more)
    inputs = workload.acts[0] if batch is None else workload.acts.T
    return Problem(Weights(workload.layer), np.array(inputs, order="C"))


def available(name):
    """The method `name`; skips, visibly, without its library."""
    method = method_named(name)
    if method.library == "scipy":
        needs("scipy", "cpu")
    elif method.library == "torch":
        needs("torch", "train")
    return method


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("batch", [None, 1, 5])
@pytest.mark.parametrize("name", [method.name for method in METHODS])
def test_every_method_gives_the_result_of_numpy(name, batch, threads):
    problem = a_problem(batch)
    call = available(name).prepare(problem, threads)
    for _ in range(2):
        problem.check(name, call())


@pytest.mark.parametrize("name", [method.name for method in METHODS])
def test_a_layer_without_weights_has_outputs_of_zero(name):
    problem = a_problem(density=0.0)
    assert not np.any(available(name).prepare(problem, 2)())


@pytest.mark.parametrize("name", ["scipy-csr", "numba-csc"])
def test_rows_are_in_their_own_order_and_the_bias_is_left_out(name):
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 16, (9, 6))
    layer = pack_codes(codes, BOOK, n_pe=3, bias_codes=codes[:, 0], row_permutation=rng.permutation(9))
    acts = rng.random(6).astype(np.float32)
    outputs = available(name).prepare(Problem(Weights(layer), acts), 1)()
    assert np.allclose(outputs, BOOK[codes] @ acts, rtol=1e-5, atol=1e-6)


def test_a_method_has_memory_of_its_own():
    problem = a_problem()
    call = available("numba-csc").prepare(problem, 1)
    before = call().copy()
    problem.inputs[:] = 0
    problem.weights.csc[2][:] = 0
    assert np.array_equal(call(), before)


@pytest.mark.parametrize("batch", [None, 3])
def test_a_wrong_result_is_named(batch):
    problem = a_problem(batch)
    outputs = problem.expected.copy()
    outputs.flat[5] += 1
    with pytest.raises(RuntimeError, match=r"mine: output \(.*\) of 'random' is .*, but numpy has"):
        problem.check("mine", outputs)
    outputs.flat[5] = np.nan
    with pytest.raises(RuntimeError, match="is nan"):
        problem.check("mine", outputs)
    with pytest.raises(RuntimeError, match="shape"):
        problem.check("mine", outputs[:-1])


def test_names_are_unique_and_pairs_are_dense_and_sparse():
    kinds = {method.name: method.kind for method in METHODS}
    assert len(kinds) == len(METHODS)
    measured_today = PAIRS[1:]  # the first pair is of files that older versions wrote
    assert {(kinds[dense], kinds[sparse]) for dense, sparse in measured_today} == {("dense", "sparse")}
    assert "skipping" in kinds.values()


def test_an_unknown_method_or_library_is_an_error():
    with pytest.raises(ValueError, match="method: 'blas', but it must be one of numpy-dense"):
        method_named("blas")
    with pytest.raises(ValueError, match="libraries: 'blas', but it must be one of numpy, torch"):
        chosen_methods(["numpy", "blas"])


def test_a_library_that_is_not_installed_is_named_with_how_to_get_it(monkeypatch):
    monkeypatch.setattr(cpu_methods, "is_installed", lambda module: module in ("numpy", "numba"))
    here, absent = chosen_methods()
    assert [method.name for method in here] == ["numpy-dense", "numba-csc"]
    assert absent == {"torch": "pip install 'eie-sim[train]'", "scipy": "pip install 'eie-sim[cpu]'"}
    with pytest.raises(ImportError, match=r"none of scipy is installed: pip install 'eie-sim\[cpu\]'"):
        chosen_methods(["scipy"])
