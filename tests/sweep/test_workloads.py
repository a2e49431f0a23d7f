"""What a sweep runs: known by its contents, made from a name, with the inputs that the whole model would have."""

import gc
import shutil
from dataclasses import replace
from weakref import ref

import numpy as np
import pytest

from compressor import CodedTensor, CompressedModel, PackedModel, pack_codes, save_compressed, save_model
from compressor.models import packaged_digits, packaged_model
from eie_sim import ArchConfig, simulate_model
from eie_sim.networks import FITS, published_layers
from eie_sim.studies.permutation import STRATEGIES
from eie_sim.sweep.run import run_sweep
from eie_sim.sweep.space import Space
from eie_sim.sweep.workloads import WorkloadName, _kept, _model_once
from eie_sim.workload import calibrated_layer
from tests.graphs import chain_of
from tests.sweep import tiny

SIZES = {"fc1": (60, 40), "fc2": (20, 60), "fc3": (10, 20)}
FUNCTIONS = ("relu", "tanh", "none")
MTX = "%%MatrixMarket matrix coordinate real general\n3 4 3\n1 1 .5\n2 3 -1\n3 4 2\n"


def codes(n_rows, n_cols, seed):
    rng = np.random.default_rng(seed)
    return (rng.integers(1, 16, (n_rows, n_cols)) * (rng.random((n_rows, n_cols)) < 0.2)).astype(np.uint8)


def a_layer(name, seed=0, n_pe=4):
    return pack_codes(codes(*SIZES[name], seed), tiny.BOOK, n_pe=n_pe, name=name)


def a_chain(seed=0, functions=FUNCTIONS):
    return PackedModel(tuple(a_layer(name, seed) for name in SIZES), functions)


@pytest.fixture
def folder(tmp_path):
    """A chain, the same compressed, the same without a graph, layers that are no chain, a matrix, inputs."""
    save_model(a_chain(), tmp_path / "chain.eie")
    save_model(PackedModel((a_layer("fc1"), a_layer("fc3")), ("none", "none")), tmp_path / "apart.eie")
    tensors = tuple(
        CodedTensor(name, SIZES[name], "linear", tiny.BOOK, codes(*SIZES[name], 0).ravel()) for name in SIZES
    )
    save_compressed(CompressedModel(tensors, FUNCTIONS, network=chain_of(*SIZES)), tmp_path / "chain.dcz")
    save_compressed(CompressedModel(tensors, FUNCTIONS), tmp_path / "set.dcz")
    (tmp_path / "matrix.mtx").write_text(MTX)
    np.save(tmp_path / "acts.npy", np.linspace(-1, 1, 40))
    np.save(tmp_path / "batch.npy", np.ones((2, 40)))
    return tmp_path


@pytest.fixture
def asked(folder):
    """``asked("chain.eie#fc1", seed=1)``: a request for a file of the folder."""
    return lambda name, **more: WorkloadName(name, str(folder), **more)


def same(a, b):
    """Whether two works have the same layers and inputs."""
    assert len(a.layers) == len(b.layers)
    for one, other in zip(a.layers, b.layers, strict=True):
        assert np.array_equal(one.dense(), other.dense())
    assert a.activations == b.activations
    return np.array_equal(a.acts, b.acts)


# Digests --------------------------------------------------------------------------------------------------------------


def test_a_file_by_another_name_is_the_same_work(folder, asked):
    (folder / "deep").mkdir()
    shutil.copy(folder / "chain.eie", folder / "deep" / "other.EIE")
    assert asked("deep/other.EIE").digest == asked("chain.eie").digest
    assert WorkloadName("other.EIE", str(folder / "deep")).digest == asked("chain.eie").digest
    assert WorkloadName(str(folder / "chain.eie"), "/").digest == asked("chain.eie").digest
    assert same(asked("deep/other.EIE").make(), asked("chain.eie").make())


def test_other_contents_under_the_same_name_are_other_work(folder, asked):
    before = asked("chain.eie").digest
    save_model(a_chain(seed=1), folder / "chain.eie")
    assert asked("chain.eie").digest != before
    save_model(a_chain(seed=0, functions=("relu", "relu", "none")), folder / "chain.eie")
    assert asked("chain.eie").digest != before
    save_model(a_chain(), folder / "chain.eie")
    assert asked("chain.eie").digest == before


@pytest.mark.parametrize("name", ["chain.eie", "chain.dcz", "matrix.mtx"])
def test_whatever_decides_what_runs_changes_the_digest(asked, name):
    one = asked(name)
    others = [replace(one, seed=1), replace(one, act_density=0.5)]
    assert len({one.digest, *(other.digest for other in others)}) == 3
    assert replace(one, fit="pe64").digest == one.digest  # of the nine layers only


def test_one_layer_of_a_file_is_other_work_than_the_file(asked):
    assert len({asked(f"chain.eie{layer}").digest for layer in ("", "#fc1", "#fc2", "#fc3")}) == 4


def test_inputs_of_a_file_are_known_by_their_contents_too(folder, asked):
    one = asked("chain.eie", acts="acts.npy")
    shutil.copy(folder / "acts.npy", folder / "same.npy")
    assert asked("chain.eie", acts="same.npy").digest == one.digest != asked("chain.eie").digest
    assert asked("chain.eie", acts="same.npy", seed=3, act_density=0.1).digest == one.digest  # nothing is drawn
    np.save(folder / "same.npy", np.linspace(-1, 2, 40))
    assert asked("chain.eie", acts="same.npy").digest != one.digest


def test_the_shared_weights_of_a_matrix_are_drawn_by_the_seed_whatever_its_inputs(folder, asked):
    np.save(folder / "four.npy", np.ones(4))
    found = {asked("matrix.mtx", acts="four.npy", seed=seed).digest for seed in (0, 1)}
    assert len(found) == 2


def test_the_nine_layers_are_known_by_name_statistics_and_seed():
    found = {
        WorkloadName(name, fit=fit, seed=seed).digest for name in published_layers() for fit in FITS for seed in (0, 1)
    }
    assert len(found) == 9 * len(FITS) * 2
    assert WorkloadName("NT-We", folder="/x", acts="a.npy", act_density=0.5).digest == WorkloadName("NT-We").digest


def test_packaged_networks_are_known_by_name_and_digit():
    found = {WorkloadName(name, seed=seed).digest for name in ("lenet-300-100", "lenet-5") for seed in (0, 1)}
    assert len(found) == 4


def test_a_matrix_by_another_name_has_the_same_inputs(folder, asked):
    shutil.copy(folder / "matrix.mtx", folder / "other.mtx")
    assert asked("matrix.mtx").digest == asked("other.mtx").digest
    assert np.array_equal(asked("matrix.mtx").make().acts, asked("other.mtx").make().acts)


def test_a_file_that_changes_between_two_sweeps_of_a_process_is_read_again(folder, asked):
    old = asked("chain.eie").work()
    save_model(a_chain(seed=1), folder / "chain.eie")
    assert same(asked("chain.eie").make(), asked("chain.eie").work())
    assert not np.array_equal(old.layers[0].dense(), asked("chain.eie").work().layers[0].dense())


def test_a_changed_file_is_a_new_row_with_its_own_numbers(folder):
    def run(store):
        run_sweep(Space(axes={"workload": str(folder / "fc1.eie"), "n_pe": 4}), folder / store, jobs=1)
        return tiny.rows(folder / store, "workload_sha256", "entries")

    save_model(a_layer("fc1", 0), folder / "fc1.eie")
    (old,) = run("both.sqlite")
    save_model(a_layer("fc1", 1), folder / "fc1.eie")
    found = dict(run("both.sqlite"))
    (new,) = found.keys() - {old[0]}
    assert found[new] == WorkloadName(str(folder / "fc1.eie")).make().layers[0].entries_per_pe.sum() != old[1]


# What is made ---------------------------------------------------------------------------------------------------------


def test_a_file_is_its_layers_in_order(asked):
    work = asked("chain.eie").make()
    assert [layer.name for layer in work.layers] == list(SIZES)
    assert work.activations == FUNCTIONS
    assert work.acts.shape == (40,)


def test_a_compressed_file_is_the_same_chain(asked):
    assert same(asked("chain.eie").make(), asked("chain.dcz").make())


def test_matrices_without_a_graph_are_not_run_one_after_another(asked):
    with pytest.raises(ValueError, match=r"set.dcz: is not a chain of layers; name one as file#layer"):
        asked("set.dcz").make()


@pytest.mark.parametrize("name", SIZES)
def test_one_layer_of_a_file_runs_alone(asked, name):
    for file in ("chain.eie", "chain.dcz", "apart.eie"):
        if (file, name) != ("apart.eie", "fc2"):
            work = asked(f"{file}#{name}").make()
            assert np.array_equal(work.layers[0].dense(), a_layer(name).dense())
            assert (len(work.layers), work.acts.shape) == (1, (SIZES[name][1],))


def test_a_matrix_is_a_layer(asked):
    (layer,) = asked("matrix.mtx").make().layers
    assert np.array_equal(layer.dense(), [[0.5, 0, 0, 0], [0, 0, -1, 0], [0, 0, 0, 2]])


def test_a_calibrated_layer_is_the_published_one():
    drawn = calibrated_layer("NT-We", 3)
    work = WorkloadName("NT-We", seed=3).make()
    assert np.array_equal(work.layers[0].entries_per_pe, drawn.layer.entries_per_pe)
    assert np.array_equal(work.acts, drawn.acts)
    assert work.activations == ("none",)


def test_a_packaged_network_runs_on_the_digit_of_its_seed():
    work = WorkloadName("lenet-300-100", seed=7).make()
    packed = packaged_model("lenet-300-100").pack()
    assert [layer.name for layer in work.layers] == [layer.name for layer in packed.layers]
    assert np.array_equal(work.acts, packaged_digits().inputs()[7].ravel())
    output = simulate_model(packed, work.acts, ArchConfig()).output
    assert output.argmax() == packaged_digits().labels[7]


@pytest.mark.compiled_only
def test_convolutions_of_a_packaged_network_are_the_hosts():
    work = WorkloadName("lenet-5", seed=7).make()
    output = simulate_model(PackedModel(work.layers, work.activations), work.acts, ArchConfig()).output
    assert output.argmax() == packaged_digits().labels[7]


def test_inputs_are_drawn_by_the_seed_and_have_the_density_asked_for(asked):
    one = asked("chain.eie", act_density=0.5)
    assert np.array_equal(one.make().acts, one.make().acts)
    assert not np.array_equal(one.make().acts, replace(one, seed=1).make().acts)
    active = [np.count_nonzero(replace(one, seed=seed).make().acts) for seed in range(50)]
    assert 0.45 < sum(active) / (50 * 40) < 0.55
    assert np.count_nonzero(asked("chain.eie").make().acts) == 40
    assert np.count_nonzero(asked("chain.eie", act_density=0.0).make().acts) == 0


def test_inputs_can_be_given(asked):
    assert np.allclose(asked("chain.eie", acts="acts.npy").make().acts, np.linspace(-1, 1, 40))


def test_the_last_works_are_kept(asked):
    assert asked("chain.eie").work() is asked("chain.eie").work()
    assert asked("chain.eie").make() is not asked("chain.eie").make()


# Packing and inputs ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", STRATEGIES)
def test_layers_are_packed_for_the_machine(asked, order):
    work = asked("chain.eie").make()
    packed = work.packed(8, 5, order)
    for layer, original in zip(packed, work.layers, strict=True):
        assert (layer.n_pe, layer.index_bits) == (8, 5)
        assert np.array_equal(layer.dense(), original.dense())
    assert all(again is layer for again, layer in zip(work.packed(8, 5, order), packed, strict=True))


def test_a_layer_that_is_packed_so_already_is_not_packed_again(asked):
    work = asked("chain.eie").make()
    assert all(one is other for one, other in zip(work.packed(4, 4, "as it is"), work.layers, strict=True))


def test_few_packings_are_kept(asked):
    work = asked("chain.eie").make()
    for n_pe in range(1, 20):
        work.packed(n_pe, 4, "as it is")
    assert all(len(packings.kept) <= 4 for packings in work.packings.values())


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"arithmetic": "fixed16"},
        {"arithmetic": "fixed8", "rounding": "truncate"},
        {"arithmetic": "fixed16", "act_frac_bits": 6, "acc_bits": 20},
        {"bias": "preload"},
    ],
)
@pytest.mark.parametrize(("n_pe", "index_bits", "order"), [(4, 4, "as it is"), (3, 2, "greedy"), (16, 8, "by columns")])
def test_inputs_of_a_chain_are_those_of_the_whole_model(asked, fields, n_pe, index_bits, order):
    work = asked("chain.eie", act_density=0.7).make()
    arch = ArchConfig(n_pe=n_pe, index_bits=index_bits, **fields)
    packed = work.packed(n_pe, index_bits, order)
    inputs = work.inputs(arch)
    for at in range(1, len(packed)):
        before = simulate_model(PackedModel(packed[:at], work.activations[:at]), work.acts, arch)
        assert np.array_equal(inputs[at], before.output)
    assert np.array_equal(inputs[0], work.acts)
    assert work.inputs(arch.replace(clock_hz=1e9, act_queue_depth=2)) is inputs


def test_inputs_differ_where_numbers_do(asked):
    work = asked("chain.eie").make()
    exact, coarse = (work.inputs(ArchConfig(n_pe=4, arithmetic=name)) for name in ("float32", "fixed8"))
    assert not np.array_equal(exact[1], coarse[1])


# Errors ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Alex-9", "alex-7", "chain.txt", "", "#", "chain", "Alex-7#fc1"])
def test_what_is_no_workload_is_refused_with_what_there_is(asked, name):
    with pytest.raises(
        ValueError, match=r"workload: '.*', but it must be one of Alex-6, .*lenet-5, random:ROWSxCOLS, or a file"
    ):
        asked(name).check()


def test_a_missing_file_is_named(asked):
    for request in (asked("none.eie"), asked("chain.eie", acts="none.npy")):
        with pytest.raises(FileNotFoundError, match=r"none\."):
            request.check()


def test_a_missing_layer_is_named_with_those_that_there_are(asked):
    with pytest.raises(ValueError, match=r"chain\.eie#fc9: layers: 'fc9', but the layers are fc1, fc2, fc3"):
        asked("chain.eie#fc9").make()


def test_layers_that_are_no_chain_are_refused(asked):
    with pytest.raises(ValueError, match=r"apart\.eie: is not a chain of layers; name one as file#layer \(fc1, fc3\)"):
        asked("apart.eie").make()


def test_a_sweep_takes_one_input_vector_of_the_right_length(folder, asked):
    with pytest.raises(ValueError, match=r"batch\.npy: shape \(2, 40\), but a sweep takes one input vector"):
        asked("chain.eie", acts="batch.npy").make()
    np.save(folder / "seven.npy", np.ones(7))
    with pytest.raises(ValueError, match=r"seven\.npy"):
        asked("chain.eie", acts="seven.npy").make()


def test_a_broken_file_is_named(folder, asked):
    for name in ("chain.eie", "chain.dcz", "matrix.mtx"):
        (folder / name).write_bytes((folder / name).read_bytes()[:50])
        with pytest.raises(ValueError, match=name.replace(".", r"\.")):
            asked(name).make()


def test_a_compressed_file_of_convolutions_alone_is_refused(folder, asked):
    conv = CodedTensor("conv1", (2, 1, 3, 3), "conv", tiny.BOOK, np.ones(18, np.uint8))
    save_compressed(CompressedModel((conv,), ("none",)), folder / "conv.dcz")
    with pytest.raises(ValueError, match=r"conv\.dcz: holds convolutions alone, and the machine runs matrices"):
        asked("conv.dcz").make()


def test_there_are_only_so_many_digits():
    with pytest.raises(ValueError, match=r"seed: \d+, but lenet-300-100 has \d+ digits"):
        WorkloadName("lenet-300-100", seed=10**9).make()


def test_seeds_of_one_file_are_other_inputs_of_one_packing(asked):
    first, second = (asked("chain.eie", act_density=0.5, seed=seed).work() for seed in (0, 1))
    assert not np.array_equal(first.acts, second.acts)
    assert all(a is b for a, b in zip(first.packed(8, 4, "as it is"), second.packed(8, 4, "as it is"), strict=True))


def test_the_name_of_a_matrix_file_is_in_no_row(folder, asked):
    shutil.copy(folder / "matrix.mtx", folder / "NT-We.mtx")  # a published layer's figures must not stand beside it
    assert [asked(name).make().layers[0].name for name in ("matrix.mtx", "NT-We.mtx")] == ["matrix", "matrix"]


def test_layers_of_a_file_may_have_commas_and_spaces_in_their_names(folder, asked):
    layers = tuple(a_layer("fc1").repack(name=name) for name in ("enc,q", " b"))
    save_model(PackedModel(layers, ("none", "none")), folder / "odd.eie")
    for layer in layers:
        assert asked(f"odd.eie#{layer.name}").make().layers[0].name == layer.name
    with pytest.raises(ValueError, match=r"chain\.eie#fc1,fc2: layers: 'fc1,fc2', but the layers are"):
        asked("chain.eie#fc1,fc2").make()


def test_a_layer_of_what_has_one_alone_is_refused(folder, asked):
    asked("matrix.mtx#matrix").check()
    with pytest.raises(ValueError, match=r"'matrix\.mtx#other': a layer means nothing with an \.mtx file"):
        asked("matrix.mtx#other").check()


def test_inputs_are_refused_for_a_topology_and_left_out_for_what_is_no_file(folder, asked):
    (folder / "shapes.csv").write_text("Layer, M, N, K,\nq, 2, 30, 40,\n")
    with pytest.raises(ValueError, match=r"acts: acts\.npy: means nothing with a topology"):
        asked("shapes.csv#q", acts="acts.npy").check()
    assert (
        np.count_nonzero(WorkloadName("random:6x40", str(folder), acts="acts.npy", act_density=0.5).make().acts) == 20
    )


def test_a_folder_named_as_a_published_layer_is_the_folder(folder, monkeypatch):
    monkeypatch.chdir(folder)
    (folder / "Alex-7").mkdir()
    with pytest.raises(ValueError, match="not a data folder"):
        WorkloadName("./Alex-7").check()


def test_one_layer_of_a_packaged_network_is_other_work_than_the_network():
    whole, one = WorkloadName("lenet-300-100", seed=2), WorkloadName("lenet-300-100#ip2", seed=2)
    one.check()
    assert whole.digest != one.digest
    (layer,) = one.make().layers
    assert layer.name == "ip2"
    assert np.array_equal(one.make().acts, whole.make().inputs(ArchConfig())[1])


def test_what_is_kept_packed_goes_with_the_layer(asked):
    work = asked("chain.eie").make()
    packed = ref(work.packed(8, 4, "as it is")[0])
    _kept.cache_clear()
    _model_once.cache_clear()
    assert packed() is not None
    del work
    gc.collect()
    assert packed() is None


def test_seeds_of_a_matrix_share_nothing_for_they_draw_its_shared_weights(asked):
    first, second = (asked("matrix.mtx", seed=seed).work() for seed in (0, 1))
    assert first.packed(2, 4, "as it is")[0] is not second.packed(2, 4, "as it is")[0]
