"""`load`: a job is made piece by piece, says where everything comes from, and refuses in the caller's words."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compressor import (
    CodedTensor,
    CompressedModel,
    PackedModel,
    compress_model,
    load_compressed,
    pack_codes,
    save_compressed,
    save_model,
)
from eie_sim import ArchConfig, Job, Origin, load, simulate, simulate_batch
from eie_sim.networks import published_layers
from eie_sim.sources import OptionError
from eie_sim.sources.options import PackingError
from tests.graphs import chain_of

BOOK = np.linspace(0, 1, 16).astype(np.float32)
ONES = np.ones((60, 40), np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("load")
    one, two = pack_codes(ONES, BOOK, n_pe=4, name="fc1"), pack_codes(ONES.T, BOOK, n_pe=4, name="fc2")
    save_model(PackedModel((one, two), ("relu", "none")), folder / "chain.eie")
    save_model(PackedModel((one, one.repack(name="other")), ("none", "none")), folder / "apart.eie")
    np.save(folder / "acts.npy", np.linspace(-1, 1, 40))
    (folder / "shapes.csv").write_text("Layer, M, N, K,\nq, 2, 30, 50,\nhuge, 1, 1000000, 100000,\n")
    return folder


def test_nothing_named_is_the_nine_published_layers_none_of_them_made_yet():
    job = load()
    assert job.names == tuple(published_layers())
    assert job.chain is None
    assert "not public" in job.remarks[0]


def test_a_layer_is_made_when_it_is_asked_for(folder):
    job = load(folder / "shapes.csv")
    first = next(iter(job))
    assert (first.name, first.acts.shape) == ("q", (2, 50))
    with pytest.raises(ValueError, match=r"shapes\.csv: line 3: n_rows x n_cols"):
        _ = job.layers


def test_layers_that_fit_each_other_are_a_chain_unless_each_is_to_run_alone(folder):
    job = load(folder / "chain.eie")
    assert isinstance(job, Job)
    assert [layer.name for layer in job.chain.layers] == ["fc1", "fc2"]
    assert [acts.shape for acts in job.acts] == [(40,)]
    alone = load(folder / "chain.eie", chain=False)
    assert alone.chain is None
    assert [acts.shape for acts in alone.acts] == [(40,), (60,)]
    assert alone.layers == job.layers


def test_layers_that_do_not_fit_each_other_are_no_chain_and_the_job_says_so(folder):
    job = load(folder / "apart.eie")
    assert job.chain is None
    assert [note.text for note in job.notes] == [
        "not a chain (other has 40 inputs, fc1 before it 60 outputs): each layer gets inputs of its own"
    ]


def of_a_graph(folder, between="", name="graph"):
    """The chain of the folder, compressed, with the graph of it."""
    matrices = {"fc1": ONES, "fc2": ONES.T}
    tensors = tuple(CodedTensor(name, codes.shape, "linear", BOOK, codes.ravel()) for name, codes in matrices.items())
    network = chain_of("fc1", "fc2", between=between)
    path = folder / f"{name}.dcz"
    save_compressed(CompressedModel(tensors, ("relu", "none"), network=network), path)
    return path


def test_matrices_of_a_graph_are_a_chain_where_the_graph_is_one(folder):
    job = load(of_a_graph(folder))
    assert [layer.name for layer in job.chain.layers] == ["fc1", "fc2"]
    assert "on the machine: 2 of 2 products, 100 % of the weights" in job.notes[0].text


def test_what_stands_between_matrices_is_named_and_they_run_alone(folder):
    path = of_a_graph(folder, "Add 'res' is between 'fc1' and 'fc2'", "residual")
    job = load(path)
    assert job.chain is None
    assert "not a chain (Add 'res' is between 'fc1' and 'fc2'): each layer gets inputs of its own" in str(job.notes)
    with pytest.raises(OptionError, match=r"acts: the layers are not a chain \(Add 'res' is between"):
        load(path, acts=np.ones(40))
    assert load(path, layers="fc1", acts=np.ones(40)).acts[0].tolist() == [1] * 40


def test_matrices_without_a_graph_run_one_after_another_only_where_the_caller_says_so(folder):
    tensors = load_compressed(of_a_graph(folder)).tensors
    path = folder / "set.dcz"
    save_compressed(CompressedModel(tensors, ("relu", "none")), path)
    job = load(path)
    assert job.chain is None
    (note,) = [note for note in job.notes if "not a chain" in note.text]
    assert "nothing says in which order they run" in note.text
    assert note.cure == ("chain", "fc1,fc2 runs them one after another")
    chained = load(path, chain="fc1,fc2", acts=np.ones(40))
    assert [layer.name for layer in chained.chain.layers] == ["fc1", "fc2"]
    backwards = load(path, chain=["fc2", "fc1"], acts=np.ones(60))
    assert [layer.name for layer in backwards.chain.layers] == ["fc2", "fc1"]


def test_a_chain_that_the_graph_does_not_have_runs_as_asked_and_says_what_it_leaves_out(folder):
    job = load(of_a_graph(folder, "Add 'res' is between 'fc1' and 'fc2'", "other"), chain="fc1,fc2")
    assert "its graph says otherwise (Add 'res' is between 'fc1' and 'fc2')" in str(job.notes)
    assert "This chain is not that of the graph" in job.remarks[-1]


def test_a_weight_that_is_used_twice_says_that_one_use_runs(folder):
    tensors = load_compressed(of_a_graph(folder)).tensors[:1]
    network = chain_of("fc1", "again", between="'fc1' is used twice")
    twice = replace(network, uses=tuple(replace(use, tensors=("fc1",)) for use in network.uses))
    save_compressed(CompressedModel(tensors, ("relu",), network=twice), folder / "twice.dcz")
    assert "fc1: several products an inference; one is run" in str(load(folder / "twice.dcz").notes)


def test_layers_that_are_not_neighbours_are_not_a_chain(folder):
    layers = [pack_codes(np.ones((40, 40), np.uint8), BOOK, n_pe=4, name=name) for name in "abc"]
    save_model(PackedModel(layers, ("relu", "relu", "none")), folder / "three.eie")
    assert load(folder / "three.eie", layers="a,b").chain is not None
    assert load(folder / "three.eie", layers="a,c").chain is None


def test_a_function_that_the_machine_lacks_is_never_skipped(folder):
    tensors = load_compressed(of_a_graph(folder)).tensors
    path = folder / "clip.dcz"
    save_compressed(CompressedModel(tensors, ("host", "none")), path)
    with pytest.raises(
        OptionError, match=r"chain: what follows in its graph after fc1 is not one of the machine's functions"
    ):
        load(path, chain="fc1,fc2")
    network = chain_of("fc1", "fc2")
    save_compressed(CompressedModel(tensors, ("relu", "host"), network=network), path)
    assert load(path).remarks[-1] == "The outputs of fc2 are those before 'y'."


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"chain": "fc1,fc9"}, "chain: 'fc9', but the layers are fc1, fc2"),
        ({"chain": "fc1,fc1"}, "chain: 'fc1, fc1' names a layer twice"),
        (
            {"chain": "fc1,fc2", "layers": "fc1"},
            "layers: picks layers that run alone",
        ),
        ({"chain": True}, "chain: True, but it must be names of layers, False or None"),
    ],
)
def test_a_chain_that_cannot_be_is_refused(options, match, folder):
    with pytest.raises(OptionError, match=match):
        load(of_a_graph(folder), **options)


def test_a_layer_with_a_comma_in_its_name_is_picked_by_it_in_quotes(tmp_path):
    rng = np.random.default_rng(0)
    model = compress_model({name: rng.normal(size=(4, 4)) for name in ("conv,1", "fc")}, density=0.5)
    save_model(model.pack(), tmp_path / "odd.eie")
    assert load(tmp_path / "odd.eie", layers='"conv,1"').names == ("conv,1",)
    assert load(tmp_path / "odd.eie", layers='fc,"conv,1"').names == ("conv,1", "fc")


def test_layers_are_packed_for_the_machine_or_stay_as_they_are_stored(folder):
    assert {layer.n_pe for layer in load(folder / "chain.eie").layers} == {4}
    job = load(folder / "chain.eie", ArchConfig(n_pe=8), layers="fc2")
    assert [layer.n_pe for layer in job.layers] == [8]
    assert [origin.repacked_from for origin in job.origins] == [(4, 4)]


def test_inputs_may_be_numbers_a_file_or_drawn_and_the_origin_says_which(folder):
    acts = np.linspace(-1, 1, 40)
    given_ = load(folder / "chain.eie", acts=acts)
    of_file = load(folder / "chain.eie", acts=folder / "acts.npy")
    drawn = load(folder / "chain.eie", act_density=0.25, seed=3)
    assert np.array_equal(given_.acts[0], of_file.acts[0])
    assert [str(job.origins[0]) for job in (given_, of_file, drawn)] == [
        "chain.eie; inputs given",
        "chain.eie; inputs from acts.npy",
        "chain.eie; inputs drawn with seed 3, 25 % active",
    ]
    assert np.count_nonzero(drawn.acts[0]) == 10


def test_a_name_changes_no_number(folder):
    one = load(folder / "chain.eie", layers="fc1", act_density=0.5)
    named = load(folder / "chain.eie", layers="fc1", act_density=0.5, name="fc8")
    assert named.layers[0].name == "fc8"
    assert np.array_equal(named.acts[0], one.acts[0])


def test_neither_the_name_nor_the_spelling_of_a_random_layer_changes_a_number():
    plain, named, padded = load("random:64x32"), load("random:64x32", name="mine"), load("random:064x032")
    assert [job.layers[0].name for job in (plain, named, padded)] == ["64x32", "mine", "64x32"]
    for other in (named, padded):
        assert np.array_equal(plain.layers[0].codes, other.layers[0].codes)
        assert np.array_equal(plain.acts[0], other.acts[0])


def test_digits_of_a_packaged_network_may_be_several_and_each_layer_alone():
    chain = load("lenet-300-100", seed=2, n_vectors=3)
    alone = load("lenet-300-100", ArchConfig(n_pe=8), seed=2, n_vectors=3, chain=False)
    assert [acts.shape for acts in alone.acts] == [(3, layer.n_cols) for layer in alone.layers]
    assert np.array_equal(alone.acts[0], chain.acts[0])
    outputs = simulate_batch(chain.layers[0], chain.acts[0]).output
    assert np.array_equal(alone.acts[1], np.maximum(outputs, 0))
    assert {layer.n_pe for layer in alone.layers} == {8}
    (one,) = load("lenet-300-100", seed=2).acts
    assert np.array_equal(one, chain.acts[0][0])


def test_every_layer_of_a_chain_has_an_origin(folder):
    job = load(folder / "chain.eie", ArchConfig(n_pe=8), seed=3)
    assert [(str(origin), origin.repacked_from) for origin in job.origins] == [
        ("chain.eie; inputs drawn with seed 3, all active", (4, 4)),
        ("chain.eie", (4, 4)),
    ]


def test_notes_of_one_layer_are_there_before_it_is_made(folder):
    job = load(folder / "chain.eie", ArchConfig(n_pe=8), layers="fc1")
    assert [note.text for note in job.notes] == [
        "layer 'fc1': inputs drawn with seed 0, all active",
        "layer 'fc1' was packed for 4 PEs and 4-bit runs: repacked for 8 PEs and 4-bit runs",
    ]


@pytest.mark.parametrize("what", ["chain.eie", "lenet-5"])
def test_a_machine_that_cannot_take_the_layers_is_refused_at_once(folder, monkeypatch, what):
    monkeypatch.chdir(folder)
    with pytest.raises(ValueError, match=r"n_pe: 100000000, but layer .* can have at most"):
        load(what, ArchConfig(n_pe=100_000_000))
    with pytest.raises(PackingError, match="weight_bits=4 changes the machine"):
        load(what, ArchConfig(weight_bits=5))


def test_a_random_layer_follows_the_bits_of_the_machine():
    arch = ArchConfig(n_pe=4, weight_bits=5, index_bits=3)
    job = load("random:30x20", arch, weight_density=0.5)
    assert job.layers[0].packing == arch.packing
    assert simulate(job.layers[0], job.acts[0], arch).counts.broadcasts == 20


@pytest.mark.parametrize(
    ("what", "options", "message"),
    [
        ("chain.eie", {"rows": 9}, "rows: means nothing with an .eie file"),
        ("chain.eie", {"layers": ["fc9"]}, "layers: 'fc9', but the layers are fc1, fc2"),
        ("chain.eie", {"name": "x"}, "name: names one layer, but there are several; layers picks one"),
        ("apart.eie", {"acts": np.ones(40)}, "acts: the layers are not a chain .*; layers picks one"),
        ("chain.eie", {"acts": np.ones(40), "act_density": 0.5}, "act_density: is for drawn inputs; acts gives them"),
        ("lenet-5", {"layers": "conv1"}, "layers: 'conv1', but the layers are ip1, ip2"),
        ("lenet-5", {"name": "x"}, "name: means nothing with a packaged network"),
        ("chain.eie#fc1", {"layers": "fc2"}, "layers: chain.eie#fc1 names a layer already"),
        ("lenet-5", {"seed": 9999}, "seed: 9999, but lenet-5 has 256 digits"),
        ("lenet-5", {"n_vectors": 300}, "n_vectors: 300 from digit 0 on, but lenet-5 has 256 digits"),
        (
            "chain.eie",
            {"layers": "fc1", "acts": np.ones((0, 40))},
            r"acts: shape \(0, 40\), but there must be an input",
        ),
        ("Alex-7", {"fit": "mine"}, "fit: 'mine', but it must be one of all_points, pe64"),
    ],
)
def test_an_option_that_cannot_be_is_named_as_the_parameter(folder, monkeypatch, what, options, message):
    monkeypatch.chdir(folder)
    with pytest.raises(OptionError, match=message):
        load(what, **options)


@pytest.mark.parametrize("wrong", [0, -1, 2.5])
@pytest.mark.parametrize("what", ["chain.eie", "random:6x4", "lenet-5", "NT-We"])
def test_vectors_are_at_least_one(folder, monkeypatch, what, wrong):
    monkeypatch.chdir(folder)
    with pytest.raises(ValueError, match="n_vectors: "):
        _ = load(what, n_vectors=wrong).acts


def test_codes_of_other_bits_are_refused_with_the_cure(folder):
    with pytest.raises(PackingError, match=r"codes of 4 bits, but the machine takes 5 \(weight_bits=4 changes the"):
        load(folder / "chain.eie", ArchConfig(weight_bits=5))


@pytest.mark.parametrize("what", ["random:", "random:4", "random:-1x4", "random:4x4x4", "random:0x4"])
def test_a_random_layer_needs_two_sizes(what):
    with pytest.raises(ValueError, match="expected random:ROWSxCOLS"):
        load(what)


def test_one_layer_of_a_file_or_of_a_packaged_network_may_be_named_with_it(folder):
    assert load(f"{folder / 'chain.eie'}#fc2").names == ("fc2",)
    whole, one = load("lenet-300-100", seed=2), load("lenet-300-100#ip2", seed=2)
    assert one.names == ("ip2",)
    assert np.array_equal(one.acts[0], np.maximum(simulate(whole.layers[0], whole.acts[0]).output, 0))


def test_a_name_that_is_neither_a_layer_nor_a_file_is_refused_with_those_that_there_are():
    with pytest.raises(ValueError, match=r"'Alex-77': is not a file or a folder, nor one of Alex-6, .*lenet-5, nor"):
        load("Alex-77")


def test_a_path_is_a_path_also_where_a_layer_has_its_name(folder, monkeypatch):
    monkeypatch.chdir(folder)
    (folder / "NT-We").mkdir()
    with pytest.raises(ValueError, match="not a data folder"):
        load("./NT-We")
    assert load("NT-We").notes[0].text == "NT-We: the published layer; what is here under that name is ./NT-We"


def test_a_random_layer_that_is_too_large_is_named():
    with pytest.raises(ValueError, match=r"random:99999999x99999999: 9999999800000001 weights, but at most"):
        load("random:99999999x99999999")


@pytest.mark.parametrize(("options", "message"), [({"seed": -1}, "seed: "), ({"arch": "eie-64pe-45nm"}, "arch: ")])
def test_arguments_of_another_kind_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        load("random:4x4", **options)


def test_a_job_shows_its_layers(folder):
    assert repr(load(folder / "chain.eie")) == "Job(a chain: fc1, fc2)"
    assert repr(load("random:4x4")) == "Job(1 layer: 4x4)"


def test_what_is_not_there_or_of_no_kind_is_one_line(folder):
    with pytest.raises(FileNotFoundError):
        load(folder / "none.eie")
    with pytest.raises(ValueError, match=r"its name ends in '.npy', but it must be one of .eie, .dcz, .csv, .mtx"):
        load(folder / "acts.npy")
    with pytest.raises(ValueError, match=r"is a folder, but not a data folder"):
        load(folder)


# Origins --------------------------------------------------------------------------------------------------------------

ORIGINS = st.builds(
    Origin,
    kind=st.sampled_from(["calibrated", "random", "file", "topology", "eie-simulator", "packaged", "given"]),
    name=st.text(max_size=5),
    line=st.none() | st.integers(1, 9),
    fit=st.none() | st.sampled_from(["pe64"]),
    statistics=st.text(max_size=5),
    seed=st.none() | st.integers(0, 9),
    inputs=st.sampled_from(["", "drawn", "file", "given"]),
    inputs_name=st.text(max_size=5),
    act_density=st.none() | st.floats(0, 1),
    repacked_from=st.none() | st.tuples(st.integers(1, 64), st.integers(2, 8)),
)


@given(origin=ORIGINS)
def test_an_origin_survives_as_plain_fields(origin):
    assert Origin.of_plain(origin.plain()) == origin


@given(origin=ORIGINS)
def test_an_origin_can_be_read_by_people(origin):
    assert isinstance(str(origin), str)


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": 3},
        {"seed": "3"},
        {"line": True},
        {"who": "x"},
        {"repacked_from": [1]},
        {"repacked_from": [1, "2"]},
        {"act_density": 10**400},
        {"act_density": -1},
    ],
)
def test_fields_that_are_no_origin_are_refused(fields):
    with pytest.raises(ValueError, match=next(iter(fields))):
        Origin.of_plain({"kind": "file", **fields})


def test_what_is_packed_anew_is_the_same_origin_otherwise(folder):
    here, there = (load(folder / "chain.eie", arch, layers="fc1").origins[0] for arch in (None, ArchConfig(n_pe=2)))
    assert replace(there, repacked_from=None) == here
