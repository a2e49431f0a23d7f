"""The file `.dcz`: a `CompressedModel` comes back as it was; what is no such file is refused with one clear error."""

import json

import numpy as np
import pytest
from dcz_forgery import DczParts, drawn, small_model, take_apart
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import load_file

from compressor import CodedTensor, CompressedModel, __version__, load_compressed, save_compressed
from compressor.coding.flat_index import encode_flat
from compressor.coding.streams import decode_stream
from compressor.storage.coded_file import read_stored, store
from compressor.storage.files import FormatError
from tests.examples import examples

CODERS = ["fixed", "huffman", ("fixed", "huffman")]
WIDTHS = ["best", None, 2, 5, 8, (None, 4)]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.dcz"


@pytest.fixture
def parts(path) -> DczParts:
    save_compressed(small_model(), path)
    return take_apart(path.read_bytes())


def same(one: CompressedModel, other: CompressedModel) -> bool:
    """Equal, and bit for bit: the sign of a zero too."""
    numbers = [(a.codebook, b.codebook) for a, b in zip(one.tensors, other.tensors, strict=True)]
    numbers += [(a.bias, b.bias) for a, b in zip(one.tensors, other.tensors, strict=True) if a.bias is not None]
    return one == other and all(a.tobytes() == b.tobytes() for a, b in numbers)


def refused(path, content: bytes, match: str) -> None:
    path.write_bytes(content)
    with pytest.raises(FormatError, match=match) as error:
        load_compressed(path)
    assert str(error.value).startswith(f"{path}: ")


# There and back -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("index_bits", WIDTHS, ids=str)
@pytest.mark.parametrize("coder", CODERS, ids=str)
def test_a_model_comes_back_as_it_was(path, coder, index_bits):
    save_compressed(small_model(), path, coder, index_bits)
    assert same(load_compressed(path), small_model())


@st.composite
def tensors(draw, number):
    shape = tuple(draw(st.lists(st.integers(1, 9), min_size=2, max_size=2)))
    kind, gates = draw(st.sampled_from([("linear", ""), ("conv", ""), ("lstm", "ifgo"), ("gru", "rzn"), ("gru", "")]))
    if gates:
        shape = (len(gates) * shape[0], shape[1])
    if kind == "conv":
        shape += tuple(draw(st.lists(st.integers(1, 3), max_size=2)))
    density = draw(st.sampled_from([0, 0.02, 0.3, 1]))
    seed, bits = draw(st.integers(0, 2**32 - 1)), draw(st.integers(1, 8))
    return drawn(f"layer {number}", shape, bits, density, seed, kind, draw(st.booleans()), tuple(gates))


@st.composite
def models(draw):
    layers = [draw(tensors(number)) for number in range(draw(st.integers(1, 4)))]
    functions = [draw(st.sampled_from(["none", "relu", "tanh"])) for _ in layers]
    shapes = st.lists(st.integers(0, 3), max_size=3).map(tuple)
    others = draw(st.dictionaries(st.text(min_size=1, max_size=4), shapes.map(np.ones), max_size=3))
    provenance = draw(st.dictionaries(st.text(max_size=4), st.text(max_size=4), max_size=2))
    return CompressedModel(tuple(layers), tuple(functions), provenance, others)


@given(models(), st.sampled_from(CODERS), st.sampled_from(WIDTHS))
@settings(deadline=None, max_examples=examples(60))
def test_any_model_comes_back_as_it_was(tmp_path_factory, model, coder, index_bits):
    path = tmp_path_factory.getbasetemp() / "any.dcz"
    save_compressed(model, path, coder, index_bits)
    assert same(load_compressed(path), model)


def test_the_same_model_gives_the_same_bytes(tmp_path):
    model = small_model()
    turned = CompressedModel(
        model.tensors, model.activations, model.provenance, dict(reversed(list(model.others.items())))
    )
    assert turned == model
    assert store(turned).content == store(model).content
    save_compressed(model, tmp_path / "a.dcz")
    save_compressed(load_compressed(tmp_path / "a.dcz"), tmp_path / "b.dcz")
    assert (tmp_path / "a.dcz").read_bytes() == (tmp_path / "b.dcz").read_bytes() == store(model).content


def test_the_arrays_of_a_model_that_was_read_are_its_own_and_read_only(path):
    save_compressed(small_model(), path)
    model = load_compressed(path)
    path.unlink()
    first = model.tensors[0]
    for array in (first.codes, first.codebook, first.bias, *model.others.values()):
        assert not array.flags.writeable
    assert same(model, small_model())


def test_the_library_reads_our_files(path):
    save_compressed(small_model(), path, "fixed", None)
    stored = load_file(path)
    assert stored.keys() == {"codebooks", "biases", "codes", "others"}  # no runs, no tables: nothing to say
    assert stored["codebooks"].size == 256 + 16 + 32 + 4 + 2
    with safe_open(path, "numpy") as file:
        document = json.loads(file.metadata()["dcz_model"])
    assert document["package_version"] == __version__
    assert document["format_version"] == 1  # without a graph, as ever
    assert document["others"] == {"embedding": [3, 3], "norm.steps": [], "norm.weight": [3], "nothing": [0, 3]}
    assert document["layers"]["shape"][1] == [16, 10]
    assert document["layers"]["code_coder"] == ["fixed"]  # once for all


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path, path):
    save_compressed(small_model(), path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match=r"model\.dcz: header: .* at most 2097152 are read again"):
        save_compressed(CompressedModel(small_model().tensors[:1], ("none",), {"log": "x" * 2**21}), path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


# What is chosen -------------------------------------------------------------------------------------------------------


def stream_bytes(model, coder, index_bits):
    return [streams.n_bytes for streams in store(model, coder, index_bits).streams]


@pytest.mark.parametrize("coder", CODERS, ids=str)
def test_the_best_width_is_the_best_of_all_that_are_measured(coder):
    every = [stream_bytes(small_model(), coder, bits) for bits in (None, *range(2, 9))]
    assert stream_bytes(small_model(), coder, "best") == [min(sizes) for sizes in zip(*every, strict=True)]


def test_of_several_coders_each_stream_takes_the_best():
    one, other, both = (store(small_model(), coder, 4).streams for coder in ("fixed", "huffman", ("fixed", "huffman")))
    for a, b, found in zip(one, other, both, strict=True):
        for stream in ("codes", "runs"):
            sizes = [len(getattr(s, stream).table) + len(getattr(s, stream).data) for s in (a, b, found)]
            assert sizes[2] == min(sizes)
    assert {found.codes.coder for found in both} == {"fixed", "huffman"}


def test_dense_layers_are_stored_without_an_index_and_sparse_ones_with_one():
    chosen = {t.name: s.index_bits for t, s in zip(small_model().tensors, store(small_model()).streams, strict=True)}
    assert chosen["conv1"] is None
    assert chosen["lstm"] is not None


def test_the_streams_are_the_relative_index_of_the_layer():
    tensor = small_model().tensors[1]
    streams = store(small_model(), "huffman", 3).streams[1]
    codes, runs = encode_flat(tensor.codes, 3)
    assert np.array_equal(decode_stream(streams.codes), codes)
    assert np.array_equal(decode_stream(streams.runs), runs)


def test_a_width_may_be_given_for_each_layer():
    names = [tensor.name for tensor in small_model().tensors]
    given = dict(zip(names, [None, 3, "best", (2, 8), 8], strict=True))
    widths = [streams.index_bits for streams in store(small_model(), index_bits=given).streams]
    assert widths[:2] == [None, 3]
    assert widths[3] in (2, 8)
    assert widths[4] == 8


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"coder": "zip"}, "coder: 'zip', but it must be one or several of fixed, huffman"),
        ({"coder": ()}, r"coder: \(\), but it must be one"),
        ({"coder": None}, "coder: None, but it must be one"),
        ({"index_bits": 1}, "index_bits: 1, but it must be 2 to 8"),
        ({"index_bits": 9}, "index_bits: 9, but it must be 2 to 8"),
        ({"index_bits": "dense"}, "index_bits: 'dense' is not an integer"),
        ({"index_bits": []}, r"index_bits: \[\] gives nothing to choose from"),
        ({"index_bits": {"conv1": 4}}, "index_bits: there is no setting for tensor 'lstm'"),
        ({"index_bits": {"conv": 4}}, "index_bits: there is no tensor 'conv'"),
    ],
)
def test_a_setting_that_means_nothing_is_refused(path, settings, match):
    with pytest.raises(ValueError, match=match):
        save_compressed(small_model(), path, **settings)
    assert not path.exists()


def test_a_model_of_more_layers_than_the_format_holds_is_refused_when_written(path):
    tensor = small_model().tensors[4]
    layers = tuple(
        CodedTensor(f"{n}", tensor.shape, "linear", tensor.codebook, tensor.codes, tensor.bias) for n in range(1025)
    )
    with pytest.raises(ValueError, match=r"tensors: 1025, but a \.dcz file holds at most 1024"):
        save_compressed(CompressedModel(layers, ("none",) * 1025), path)


# Sizes ----------------------------------------------------------------------------------------------------------------


@pytest.mark.compiled_only
def test_the_authors_squeezenet_fits_in_553_000_bytes(squeezenet_layers, path):
    save_compressed(squeezenet_layers, path)
    assert path.stat().st_size <= 553_000
    assert same(load_compressed(path), squeezenet_layers)


@pytest.mark.compiled_only
def test_a_document_of_many_layers_is_short(squeezenet_layers):
    assert store(squeezenet_layers).header_bytes < 3000


# Refusals -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("column", ["code_coder", "run_coder"])
def test_a_file_of_the_coder_that_was_removed_is_refused_in_one_line_with_the_cure(path, parts, column):
    parts.set_layer(1, **{column: "ans"})
    path.write_bytes(parts.build())
    with pytest.raises(FormatError) as error:
        load_compressed(path)
    assert str(error.value) == (
        f"{path}: {column}: 'ans' (asymmetric numeral systems) is not read any more; load the file with the eie-sim "
        "that wrote it and save it again with the coder 'huffman'"
    )


def test_a_file_of_another_kind_is_called_so(path):
    refused(path, b"PK\x03\x04" + b"x" * 100, r"no \.dcz file")


def test_an_eie_file_is_refused_by_name(path):
    from compressor import pack_codes, save_model

    save_model(pack_codes([[1]], [0, 1], 1), path.with_suffix(".eie"))
    path.with_suffix(".eie").rename(path)
    with pytest.raises(FormatError, match=r"metadata: keys .*'eie_model'.*, but \.dcz files have 'dcz_model' alone"):
        load_compressed(path)


def test_a_newer_format_version_is_refused_by_name(path, parts):
    parts.document["format_version"] = 3
    refused(path, parts.build(), "format_version: 3, but eie-sim .* reads up to 2")


def test_any_changed_byte_breaks_the_digest(path, parts):
    for name in ("codes", "runs", "tables", "codebooks", "biases", "others"):
        forged = parts.copy()
        content = bytearray(forged.tensor(name)[3])
        content[-1] ^= 1
        forged.tensor(name)[3] = bytes(content)
        good_digest = parts.digest()
        forged.digest = lambda digest=good_digest: digest
        refused(path, forged.build(), "sha256: the file says")


@pytest.mark.parametrize(
    ("number", "values", "match"),
    [
        (0, {"name": 7}, "name of layer 0: 7, but it must be a text"),
        (0, {"name": "lstm"}, "name: 'lstm' is there twice"),
        (0, {"name": ""}, "name: ''"),
        (0, {"name": "embedding"}, "others: 'embedding' is the name of a tensor too"),
        (0, {"kind": "pool"}, "kind of layer 0: 'pool', but it must be one of linear, conv, lstm, gru"),
        (0, {"kind": "linear"}, "no shape of kind 'linear'"),
        (0, {"shape": [6, 3, 3, 0]}, "shape of layer 0: 0, but it must be 1 to"),
        (0, {"shape": []}, "shape of layer 0: .*list of 1 to 32 sizes"),
        (0, {"shape": [1] * 33}, "shape of layer 0: .*list of 1 to 32 sizes"),
        (0, {"shape": [2**32 - 1] * 3}, "shape of layer 0: .* product"),
        (0, {"shape": [6, 3, 3, 4]}, "entries: 162, but there are 216 cells"),
        (0, {"shape": [3, 6, 3, 3]}, "tensor 'biases': float32 of shape"),
        (1, {"gates": ["i", "f", "g"]}, "gates: .* kind 'lstm' has 4"),
        (1, {"gates": "ifgo"}, "gates of layer 1: 'ifgo', but it must be a list"),
        (0, {"activation": "gelu"}, "activation of layer 0: 'gelu'"),
        (0, {"biased": 1}, "biased of layer 0: 1, but it must be true or false"),
        (0, {"biased": False}, "tensor 'biases'"),
        (0, {"weight_bits": 9}, "weight_bits of layer 0: 9, but it must be 1 to 8"),
        (0, {"weight_bits": 7}, "tensor 'codebooks'"),
        (0, {"index_bits": 4}, "there are index_bits, but no run_coder"),
        (1, {"index_bits": None}, "there are runs, but no index_bits"),
        (1, {"index_bits": 1}, "index_bits of layer 1: 1, but it must be 2 to 8"),
        (1, {"entries": 10**6}, "entries: 1000000, but there are 160 cells"),
        (0, {"entries": 161}, "entries: 161, but there are 162 cells"),
        (1, {"entries": 1}, "layer 'lstm': codes: "),
        (0, {"code_coder": "zip"}, "code_coder of layer 0: 'zip'"),
        (0, {"code_coder": None}, "code_coder of layer 0: None"),
        (0, {"code_coder": "fixed"}, "layer 'conv1': codes: "),
        (0, {"code_bytes": 1.0}, "code_bytes of layer 0: 1.0 is not an integer"),
        (0, {"code_bytes": -1}, "code_bytes of layer 0: -1"),
        (0, {"code_bytes": 10**9}, "tensor 'codes': uint8 of shape .* but the layers need uint8 of shape"),
        (1, {"run_bytes": 10**9}, "tensor 'runs': uint8 of shape .* but the layers need uint8 of shape"),
        (1, {"run_table_bytes": 10**9}, "tensor 'tables': uint8 of shape .* but the layers need uint8 of shape"),
    ],
)
def test_a_forged_layer_is_refused(path, parts, number, values, match):
    parts.set_layer(number, **values)
    refused(path, parts.build(), match)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda layers: layers.pop("kind"), "layers: 'kind' is missing"),
        (lambda layers: layers.update(size=[1]), "layers: unknown key 'size'"),
        (lambda layers: layers.update(name=[]), "layers: 0 names, but there must be 1 to 1024"),
        (lambda layers: layers.update(name="conv1"), "layers: 0 names, but there must be 1 to 1024"),
        (lambda layers: layers.update(kind=["conv"] * 4), "kind: must be a list of 5 values"),
        (lambda layers: layers.update(kind="conv"), "kind: must be a list of 5 values"),
        (lambda layers: layers.update(kind=["conv"] * 5), "kind: is the same for each of 5 layers"),
    ],
)
def test_forged_columns_are_refused(path, parts, change, match):
    change(parts.layers)
    refused(path, parts.build(), match)


@pytest.mark.parametrize(
    ("others", "match"),
    [
        ([], "others: must map names to shapes"),
        ({"a": 3}, "shape of 'a': 3, but it must be a list"),
        ({"a": [-1]}, "shape of 'a': -1, but it must be 0 to"),
        ({"a": [0, 2**32 - 1, 2**32 - 1]}, "shape of 'a': .* product must be at most"),
        ({}, "tensor 'others': is there, but no layer needs it"),
        ({"a": [12]}, "tensor 'others'"),
        ({"": [13]}, "others: name ''"),
    ],
)
def test_forged_others_are_refused(path, parts, others, match):
    parts.document["others"] = others
    refused(path, parts.build(), match)


def test_missing_unknown_and_empty_tensors_are_refused(path, parts):
    missing = parts.copy()
    missing.tensors.remove(missing.tensor("codes"))
    refused(path, missing.build(), "tensor 'codes': is missing")
    unknown = parts.copy()
    unknown.tensors.append(["extra", "U8", [1], b"x"])
    refused(path, unknown.build(), r"tensor 'extra': a \.dcz file has none of this name")
    of_another_type = parts.copy()
    of_another_type.tensor("codebooks")[1] = "U32"
    refused(path, of_another_type.build(), "tensor 'codebooks': uint32 of shape")
    save_compressed(small_model(), path, "fixed", None)
    empty = take_apart(path.read_bytes())
    empty.tensors.append(["runs", "U8", [0], b""])
    refused(path, empty.build(), "tensor 'runs': is there, but no layer needs it")


def test_numbers_that_are_not_finite_are_refused(path, parts):
    for name in ("codebooks", "biases", "others"):
        forged = parts.copy()
        array = forged.array(name)
        array[1] = np.nan
        forged.set_array(name, array)
        refused(path, forged.build(), "nan at .* must be finite")


def test_a_codebook_that_does_not_begin_with_zero_is_refused(path, parts):
    array = parts.array("codebooks")
    array[256] = 0.5
    parts.set_array("codebooks", array)
    refused(path, parts.build(), "layer 'lstm': codebook: value 0 is 0.5")


def test_a_run_that_leaves_the_layer_is_refused(path):
    tensor = drawn("fc", (2, 8), 2, 0.5, 1)
    save_compressed(CompressedModel((tensor,), ("none",)), path, "fixed", 4)
    parts = take_apart(path.read_bytes())
    runs = parts.array("runs")
    runs[0] |= 15
    parts.set_array("runs", runs)
    refused(path, parts.build(), "layer 'fc': entry .*: stands in cell .*, but the tensor ends at cell 15")


# Memory ---------------------------------------------------------------------------------------------------------------


def nearly_empty(n_rows: int) -> CompressedModel:
    codes = np.zeros(n_rows * 60_000, np.uint8)
    codes[[0, 5, 7]] = 1
    return CompressedModel((CodedTensor("fc", (n_rows, 60_000), "linear", [0, 1], codes),), ("none",))


def test_a_tiny_file_cannot_ask_for_gigabytes(path):
    save_compressed(nearly_empty(1), path)
    parts = take_apart(path.read_bytes())
    parts.set_layer(0, shape=[60_000, 60_000])
    refused(path, parts.build(), r"memory: 3600000000 cells need 36\d* bytes, but a file of \d+ may take 1000\d* ?;")


@pytest.mark.compiled_only
def test_who_trusts_a_giant_gives_it_memory(path):
    model = nearly_empty(2000)
    save_compressed(model, path)
    assert path.stat().st_size < 2000
    with pytest.raises(FormatError, match="max_memory_bytes gives more"):
        load_compressed(path)
    assert load_compressed(path, max_memory_bytes=200_000_000) == model
    with pytest.raises(ValueError, match=r"max_memory_bytes: 1000000000\.0 is not an integer"):
        load_compressed(path, max_memory_bytes=1e9)


@pytest.mark.compiled_only
def test_eighty_million_cells_are_read_whatever_the_file(path):
    save_compressed(nearly_empty(1333), path)
    assert load_compressed(path).tensors[0].shape == (1333, 60_000)


def test_what_is_stored_can_be_asked_for(path):
    save_compressed(small_model(), path)
    stored = read_stored(path)
    assert stored.file_bytes == path.stat().st_size
    assert [streams.n_bytes for streams in stored.streams] == stream_bytes(small_model(), "huffman", "best")


def test_a_compressed_model_is_not_written_under_the_name_of_another_format(tmp_path):
    with pytest.raises(ValueError, match=r"ends in '\.eie', but a compressed model is written; end it in '\.dcz'"):
        save_compressed(small_model(), tmp_path / "m.eie")
    assert list(tmp_path.iterdir()) == []
