"""`.eie` files: what is written is read again, and nothing that is not as it must be."""

import json
import os
import stat

import numpy as np
import pytest
from eie_forgery import Parts, canonical, header_of, small_model, take_apart, with_header
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from compressor import PackedModel, __version__, load_model, pack_codes, save_model
from compressor.storage.container import MAX_HEADER_BYTES
from compressor.storage.files import FormatError, creating_folder, replacing, replacing_in
from tests.examples import examples


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.eie"


@pytest.fixture
def parts(path):
    save_model(small_model(), path)
    return take_apart(path.read_bytes())


def same(one: PackedModel, other: PackedModel) -> bool:
    return (one.layers, one.activations, one.provenance) == (other.layers, other.activations, other.provenance)


def names_in(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def refused(path, content: bytes, match: str) -> None:
    path.write_bytes(content)
    for mmap in (True, False):
        with pytest.raises(FormatError, match=match) as caught:
            load_model(path, mmap=mmap)
        assert str(caught.value).startswith(f"{path}: ")
        assert "\n" not in str(caught.value)


# There and back -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mmap", [True, False])
def test_a_model_comes_back_as_it_was(path, mmap):
    save_model(small_model(), path)
    assert same(load_model(path, mmap=mmap), small_model())


def test_a_layer_alone_is_a_model_of_one_layer_without_activation_function(path):
    layer = small_model().layers[0]
    save_model(layer, path)
    assert same(load_model(path), PackedModel((layer,), ("none",)))


def test_paths_may_be_texts(path):
    save_model(small_model(), str(path))
    assert same(load_model(str(path)), small_model())


names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)


@settings(deadline=None, max_examples=examples(60))
@given(st.data())
def test_any_model_comes_back_as_it_was(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("any") / "model.eie"
    layers = []
    for name in data.draw(st.lists(names, min_size=1, max_size=3, unique=True)):
        rows, columns, bits = data.draw(st.tuples(st.integers(1, 9), st.integers(1, 5), st.integers(1, 3)))
        codes = data.draw(st.lists(st.integers(0, 2**bits - 1), min_size=rows * columns, max_size=rows * columns))
        order = data.draw(st.none() | st.permutations(range(rows)))
        bias = data.draw(st.none() | st.lists(st.integers(0, 2**bits - 1), min_size=rows, max_size=rows))
        n_pe, index_bits = data.draw(st.tuples(st.integers(1, 12), st.integers(2, 8)))
        codebook = np.append(0, np.linspace(-1, 1, 2**bits - 1))
        exact = data.draw(st.none() | st.lists(st.floats(-9, 9, width=32), min_size=rows, max_size=rows))
        matrix = np.reshape(codes, (rows, columns))
        layers.append(pack_codes(matrix, codebook, n_pe, index_bits, bias, name, order, exact))
    functions = data.draw(st.lists(st.sampled_from(["none", "relu"]), min_size=len(layers), max_size=len(layers)))
    model = PackedModel(layers, functions, data.draw(st.dictionaries(st.text(max_size=5), st.text(max_size=5))))
    save_model(model, path)
    assert same(load_model(path), model)
    assert same(load_model(path, mmap=False), model)


def test_a_bias_is_a_tensor_of_version_2(path):
    layer = pack_codes([[1], [2]], [0, 1, 2, 3], 2, bias=[0.25, -0.0])
    save_model(layer, path)
    assert load_model(path).layers[0].bias.tolist() == [0.25, 0.0]
    parts = take_apart(path.read_bytes())
    assert parts.document["format_version"] == 2
    for key in ("chained", "network", "others"):
        del parts.document[key]
    parts.document["format_version"] = 1
    refused(path, parts.build(), "tensor 'layer.bias': belongs to no layer")


@pytest.mark.parametrize(
    ("bias", "dtype", "match"),
    [
        (np.zeros(3), "F32", r"layer 'layer': bias: shape \(3,\), but 2 rows need \(2,\)"),
        (np.array([0, np.inf]), "F32", "layer 'layer': bias: inf"),
        (np.zeros(2), "U32", "tensor 'layer.bias': dtype uint32, but it must be float32"),
    ],
)
def test_a_forged_bias_is_refused(path, bias, dtype, match):
    save_model(pack_codes([[1], [2]], [0, 1, 2, 3], 2, bias=[1, 2]), path)
    parts = take_apart(path.read_bytes())
    parts.set_array("layer.bias", bias, dtype)
    refused(path, parts.build(), match)


def test_a_layer_without_any_entry_comes_back(path):
    layer = pack_codes(np.zeros((3, 2), np.uint8), [0, 1], 2, 4)
    save_model(layer, path)
    assert load_model(path).layers[0] == layer


def test_the_same_model_gives_the_same_bytes(tmp_path):
    contents = set()
    for number in range(10):
        model = small_model()
        shuffled = dict(sorted(model.provenance.items(), reverse=bool(number % 2)))
        save_model(PackedModel(model.layers, model.activations, shuffled), tmp_path / "m.eie")
        contents.add((tmp_path / "m.eie").read_bytes())
    assert len(contents) == 1


def test_reading_and_writing_again_gives_the_same_bytes(path):
    save_model(small_model(), path)
    content = path.read_bytes()
    save_model(load_model(path), path)
    assert path.read_bytes() == content


def test_a_second_reading_of_the_format_builds_the_same_model(path, parts):
    path.write_bytes(parts.build())
    assert same(load_model(path), small_model())


# The container --------------------------------------------------------------------------------------------------------


def test_the_library_reads_our_files(path):
    save_model(small_model(), path)
    tensors = load_file(path)
    layer = small_model().layers[0]
    for field in ("codebook", "codes", "runs", "pointers", "row_permutation"):
        assert np.array_equal(tensors[f"fc1.{field}"], getattr(layer, field))
    assert "fc2.row_permutation" not in tensors
    with safe_open(path, "numpy") as file:
        document = json.loads(file.metadata()["eie_model"])
    assert document["package_version"] == __version__
    assert document["format_version"] == 1  # a chain by its nature, without a graph, as ever
    assert document["provenance"] == {"source": "drawn", "seed": "20160618"}


def test_we_read_files_that_the_library_wrote(path):
    save_model(small_model(), path)
    metadata = header_of(path.read_bytes())["__metadata__"]
    save_file(load_file(path), path, metadata)
    assert same(load_model(path), small_model())


def test_mapped_arrays_are_read_only_views_and_cost_no_memory(path):
    codes = np.random.default_rng(1).integers(0, 16, (500, 800))
    save_model(pack_codes(codes, np.append(0, np.arange(1, 16)), 4), path)
    layer = load_model(path).layers[0]
    for name in ("codes", "runs", "pointers", "codebook"):
        array = getattr(layer, name)
        assert not array.flags.writeable
        assert not array.flags.owndata
        assert array.flags.aligned
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0
        with pytest.raises(ValueError):
            array.flags.writeable = True
        root = array
        while isinstance(root.base, np.ndarray):
            root = root.base
        assert type(root.base).__name__ in ("mmap", "memoryview")
        assert root.nbytes == path.stat().st_size


def test_arrays_read_into_memory_outlive_the_file(path):
    save_model(small_model(), path)
    model = load_model(path, mmap=False)
    with path.open("r+b") as file:
        file.write(b"\0" * path.stat().st_size)
    assert same(model, small_model())


def test_a_mapped_model_survives_that_its_file_is_saved_over_and_deleted(path):
    save_model(small_model(), path)
    model = load_model(path)
    save_model(model.layers[1], path)
    assert same(model, small_model())
    path.unlink()
    assert same(model, small_model())


# Writing --------------------------------------------------------------------------------------------------------------


def test_nothing_half_written_remains_after_an_error(tmp_path, path):
    save_model(small_model(), path)
    before = path.read_bytes()

    def write_half():
        with replacing(path) as file:
            file.write(b"half")
            raise RuntimeError("disk")

    with pytest.raises(RuntimeError, match="disk"):
        write_half()
    assert path.read_bytes() == before
    assert names_in(tmp_path) == ["model.eie"]


def test_a_failing_sync_leaves_the_old_file(tmp_path, path, monkeypatch):
    save_model(small_model(), path)
    before = path.read_bytes()

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        save_model(small_model().layers[0], path)
    assert path.read_bytes() == before
    assert names_in(tmp_path) == ["model.eie"]


def test_a_folder_that_is_not_there_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        save_model(small_model(), tmp_path / "no" / "model.eie")


def test_a_folder_in_the_place_of_the_file_is_an_os_error_and_leaves_nothing(tmp_path, path):
    path.mkdir()
    with pytest.raises(OSError):
        save_model(small_model(), path)
    assert names_in(tmp_path) == ["model.eie"]


def test_errors_name_the_path_that_was_given_and_nothing_hidden(tmp_path, path):
    path.mkdir()
    (tmp_path / "file").touch()
    for target in (path, tmp_path / "no" / "model.eie", tmp_path / "file" / "model.eie", tmp_path / ("x" * 300)):
        with pytest.raises(OSError) as caught:
            save_model(small_model(), target)
        assert caught.value.filename == str(target)
        assert ".tmp" not in str(caught.value)
    assert names_in(tmp_path) == ["file", "model.eie"]


def test_a_device_is_not_replaced():
    with pytest.raises(OSError, match="not a regular file"):
        save_model(small_model(), os.devnull)


def test_errors_of_other_files_keep_their_names(tmp_path, path):
    with pytest.raises(FileNotFoundError) as caught, replacing(path):
        (tmp_path / "other").read_bytes()
    assert caught.value.filename == str(tmp_path / "other")


def test_several_files_are_replaced_together_or_not_at_all(tmp_path):
    (tmp_path / "a").write_text("old")
    (tmp_path / "c").write_text("other")

    def write(last: str):
        with replacing_in(tmp_path) as folder:
            (folder / "a").write_text("new")
            (folder / last).write_text("new")

    with pytest.raises(FileNotFoundError) as caught:
        write("no/b")
    assert caught.value.filename == str(tmp_path / "no" / "b")
    assert names_in(tmp_path) == ["a", "c"]
    assert (tmp_path / "a").read_text() == "old"
    write("b")
    assert [(tmp_path / name).read_text() for name in names_in(tmp_path)] == ["new", "new", "other"]


def test_a_new_folder_that_cannot_be_made_is_named(tmp_path):
    with pytest.raises(FileNotFoundError) as caught, creating_folder(tmp_path / "no" / "new"):
        pass
    assert caught.value.filename == str(tmp_path / "no" / "new")


@pytest.mark.skipif(os.name != "posix", reason="permissions as on POSIX")
def test_a_new_file_has_the_permissions_of_any_new_file(tmp_path, path):
    save_model(small_model(), path)
    (tmp_path / "other").touch()
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE((tmp_path / "other").stat().st_mode)


@pytest.mark.skipif(os.name != "posix", reason="symbolic links as on POSIX")
def test_saving_through_a_symbolic_link_keeps_the_link(tmp_path, path):
    (tmp_path / "link.eie").symlink_to(path)
    save_model(small_model(), tmp_path / "link.eie")
    assert (tmp_path / "link.eie").is_symlink()
    assert same(load_model(path), small_model())


def test_provenance_beyond_the_header_limit_is_refused_when_written(path):
    layer = small_model().layers[0]
    model = PackedModel((layer,), ("none",), {"log": "x" * MAX_HEADER_BYTES})
    with pytest.raises(FormatError, match=f"at most {MAX_HEADER_BYTES}"):
        save_model(model, path)
    assert not path.exists()


def test_a_name_that_is_no_unicode_text_is_refused_when_written(path):
    with pytest.raises(ValueError, match="UTF-8"):
        save_model(pack_codes([[1]], [0, 1], name="\ud800"), path)


def test_a_layer_with_more_rows_than_the_format_holds_is_refused_when_written(path):
    layer = pack_codes([[1]], [0, 1])
    object.__setattr__(layer, "n_rows", 2**32)
    with pytest.raises(ValueError, match="n_rows of layer 'layer': 4294967296, but it must be 1 to 4294967295"):
        save_model(layer, path)


def test_a_new_folder_is_not_made_over_another(tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    with pytest.raises(ValueError, match="new or empty"), creating_folder(tmp_path / "full"):
        pass

    def make(fail: bool):
        with creating_folder(tmp_path / "new") as folder:
            (folder / "file").touch()
            if fail:
                raise RuntimeError("disk")

    with pytest.raises(RuntimeError, match="disk"):
        make(fail=True)
    assert names_in(tmp_path) == ["full"]
    make(fail=False)
    assert names_in(tmp_path) == ["full", "new"]


# Files that cannot be read --------------------------------------------------------------------------------------------


def test_a_missing_file_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_model(tmp_path / "none.eie")


def test_a_folder_is_an_os_error(tmp_path):
    with pytest.raises(IsADirectoryError):
        load_model(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_is_an_os_error_and_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="not a regular file"):
        load_model(tmp_path / "pipe")


# Structure ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", range(8))
def test_a_file_shorter_than_the_header_length_is_refused(path, length):
    refused(path, b"\1" * length, f"no .eie file: {length} bytes, but it has at least 8")


def test_a_header_longer_than_the_file_is_refused(path):
    refused(path, (100).to_bytes(8, "little") + b"{}", "header length: 100 bytes, but only 2 follow")
    refused(path, (2**64 - 1).to_bytes(8, "little") + b"{}", "header length: 18446744073709551615 bytes")


def test_a_file_of_another_kind_is_called_so(path):
    refused(path, b"Layer, M, N, K\n", "no .eie file: it begins with b'Layer, M', and no header follows")


def test_a_header_beyond_the_limit_is_refused(path):
    length = MAX_HEADER_BYTES + 1
    refused(path, length.to_bytes(8, "little") + b" " * length, f"header length: {length} bytes, but at most")


@pytest.mark.parametrize(
    ("header", "match"),
    [
        (b"", "begins with its first byte"),
        (b" {}", "begins with its first byte"),
        (b"[]", "begins with its first byte"),
        (b"{", "header: is not strict JSON: Expecting"),
        (b"{}x", "header: is not strict JSON: Extra data"),
        (b"{\xff}", "header: byte 1 is no UTF-8"),
        (b'\xef\xbb\xbf{"a":1}', "begins with its first byte"),
        (b'{"a":1,"a":1}', "the key 'a' is there twice"),
        (b'{"a":{"b":1,"c":2,"b":3}}', "the key 'b' is there twice"),
        (b'{"a":NaN}', "NaN is not a JSON number"),
        (b'{"a":-Infinity}', "-Infinity is not a JSON number"),
        (b'{"a":' + b"9" * 5000 + b"}", "number of 5000 digits"),
        (b'{"a":' + b"[" * 200_000 + b"]" * 200_000 + b"}", "nested too deeply"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "nested too deeply"),
        (b"{}", "'eie_model' alone"),
        (b'{"__metadata__":[]}', "must map texts to texts"),
        (b'{"__metadata__":{"eie_model":1}}', "must map texts to texts"),
        (b'{"__metadata__":{"eie_model":"{"}}', "eie_model: is not strict JSON: Expecting property name"),
        (b'{"__metadata__":{"eie_model":"[]"}}', "must be a JSON object with format 'eie-packed-model'"),
        (b'{"__metadata__":{"eie_model":"{\\"format\\":\\"other\\"}"}}', "with format 'eie-packed-model'"),
        (b'{"__metadata__":{"eie_model":"' + b"[" * 100_000 + b'"}}', "nested too deeply"),
    ],
)
def test_a_malformed_header_is_refused(path, header, match):
    refused(path, with_header(header, b""), match)


def tensor(**changes):
    return {"dtype": "U8", "shape": [4], "data_offsets": [0, 4]} | changes


@pytest.mark.parametrize(
    ("entry", "match"),
    [
        (1, "must have dtype, shape and data_offsets"),
        ({}, "must have dtype, shape and data_offsets"),
        (tensor(more=1), "nothing else"),
        (tensor(dtype="F64"), "dtype 'F64', but it must be one of F32, U32, U8"),
        (tensor(dtype=["U8"]), r"dtype \['U8'\]"),
        (tensor(shape=4), "shape 4"),
        (tensor(shape=[4.0]), r"shape \[4.0\]"),
        (tensor(shape=[True, 4]), r"shape \[True, 4\]"),
        (tensor(shape=[-4]), r"shape \[-4\]"),
        (tensor(shape=["4"]), r"shape \['4'\]"),
        (tensor(shape=[2, 2, 1]), "at most 2 numbers"),
        (tensor(shape=[0, 2**32], data_offsets=[0, 0]), "at most 2 numbers up to 4294967295"),
        (tensor(shape=[5]), "4 bytes, but U8 of shape .5. needs 5"),
        (tensor(dtype="U32"), "4 bytes, but U32 of shape .4. needs 16"),
        (tensor(data_offsets=[0]), "data_offsets"),
        (tensor(data_offsets=[4, 0]), "data_offsets"),
        (tensor(data_offsets=[-4, 0]), "data_offsets"),
        (tensor(data_offsets=[0, 4, 8]), "data_offsets"),
        (tensor(data_offsets=[0.0, 4.0]), "data_offsets"),
        (tensor(data_offsets=[1, 5]), "begins at byte 1 of the data, but the one before ends at 0"),
        (tensor(shape=[9], data_offsets=[0, 9]), "ends at byte 9 of the data, but there are 4"),
        (tensor(shape=[3], data_offsets=[0, 3]), "4 bytes, but the tensors end at 3"),
        (tensor(shape=[], data_offsets=[0, 1]), "4 bytes, but the tensors end at 1"),
    ],
)
def test_a_malformed_tensor_entry_is_refused(path, entry, match):
    refused(path, with_header(json.dumps({"t": entry}).encode(), b"1234"), match)


def test_tensors_that_overlap_are_refused(path):
    header = {"a": tensor(shape=[3], data_offsets=[0, 3]), "b": tensor(shape=[2], data_offsets=[2, 4])}
    refused(path, with_header(json.dumps(header).encode(), b"1234"), "tensor 'b': begins at byte 2 .* ends at 3")


def test_two_names_for_the_same_bytes_are_refused(path):
    header = {"a": tensor(), "b": tensor()}
    refused(path, with_header(json.dumps(header).encode(), b"1234"), "begins at byte 0 .* ends at 4")


def test_a_tensor_that_is_not_aligned_is_refused(path):
    words = tensor(dtype="U32", shape=[1], data_offsets=[1, 5])
    header = {"a": tensor(shape=[1], data_offsets=[0, 1]), "b": words}
    refused(path, with_header(json.dumps(header).encode(), b"12345"), "must begin at a multiple of 4")


def test_trailing_bytes_are_refused(path, parts):
    refused(path, parts.build() + b"\0", "the tensors end at")


# Metadata, with the right digest --------------------------------------------------------------------------------------


def test_any_changed_tensor_byte_or_metadata_value_breaks_the_digest(path, parts):
    content = bytearray(parts.build())
    content[-1] ^= 1
    refused(path, bytes(content), "sha256: the file says .* it is damaged")
    header = parts.header()
    header["__metadata__"]["eie_model"] = header["__metadata__"]["eie_model"].replace("drawn", "found")
    data = b"".join(tensor[3] for tensor in parts.tensors)
    refused(path, with_header(json.dumps(header).encode(), data), "it is damaged")


def test_a_renamed_tensor_breaks_the_digest(path, parts):
    digest = parts.digest()
    codes, runs = parts.tensor("fc1.codes"), parts.tensor("fc1.runs")
    codes[0], runs[0] = runs[0], codes[0]
    assert parts.digest() != digest
    refused(path, parts.build().replace(parts.digest().encode(), digest.encode()), "it is damaged")


def test_a_newer_format_version_is_refused_by_name(path, parts):
    parts.document |= {"format_version": 3, "compression": "zstd"}
    refused(path, parts.build(), f"format_version: 3, but eie-sim {__version__} reads up to 2: a newer version")


@pytest.mark.parametrize("version", [0, -1, True, 1.0, "1", None, [1]])
def test_a_format_version_that_never_was_is_refused(path, parts, version):
    parts.document["format_version"] = version
    refused(path, parts.build(), "format_version: .* but it must be 1")


def test_unknown_and_missing_keys_are_refused(path, parts):
    for key in parts.document.keys() - {"format", "format_version", "sha256"}:
        changed = parts.copy()
        del changed.document[key]
        refused(path, changed.build(), f"document: '{key}' is missing")
    for key in parts.document["layers"][0]:
        changed = parts.copy()
        del changed.document["layers"][0][key]
        refused(path, changed.build(), f"layer 0: '{key}' is missing")
    changed = parts.copy()
    changed.document["comment"] = ""
    refused(path, changed.build(), "document: unknown key 'comment'")
    changed = parts.copy()
    changed.document["layers"][1]["comment"] = ""
    refused(path, changed.build(), "layer 1: unknown key 'comment'")
    changed = parts.copy()
    changed.metadata["comment"] = ""
    refused(path, changed.build(), "metadata: keys .*comment")


def test_a_document_that_is_not_canonical_is_refused(path, parts):
    header = parts.header()
    document = json.loads(header["__metadata__"]["eie_model"])
    data = b"".join(tensor[3] for tensor in parts.tensors)
    for text in (json.dumps(document, sort_keys=True), canonical(document) + " ", canonical(document)[:-1] + "\n}"):
        header["__metadata__"]["eie_model"] = text
        refused(path, with_header(json.dumps(header).encode(), data), "canonical")


@pytest.mark.parametrize(
    ("key", "value", "match"),
    [
        ("n_rows", 0, "n_rows of layer 0: 0, but it must be 1 to 4294967295"),
        ("n_rows", 10**12, "n_rows of layer 0: 1000000000000, but it must be 1 to 4294967295"),
        ("n_rows", 2**64, "a number of 20 digits"),
        ("n_rows", 12.0, "12.0 is not an integer"),
        ("n_rows", True, "True is not an integer"),
        ("n_rows", "12", "'12' is not an integer"),
        ("n_rows", None, "None is not an integer"),
        ("n_rows", 11, "row_permutation of shape .12,., but n_rows is 11"),
        ("n_rows", 2**32 - 1, "row_permutation of shape .12,., but n_rows is 4294967295"),
        ("n_cols", 0, "n_cols of layer 0: 0"),
        ("n_cols", 5, None),  # six inputs and a bias could be five inputs, a bias ... and one column too many
        ("n_cols", 2**32 - 1, "pointers of shape .8, 4., but n_cols is 4294967295"),
        ("n_pe", 3, "pointers of shape .8, 4., but n_cols is 6 and n_pe is 3"),
        ("n_pe", 10**12, "n_pe of layer 0: 1000000000000"),
        ("n_pe", 2**32 - 1, "n_pe is 4294967295"),
        ("weight_bits", 9, "weight_bits of layer 0: 9, but it must be 1 to 8"),
        ("weight_bits", 3, "codebook: shape .16,., but 3 weight bits need .8,."),
        ("index_bits", 1, "index_bits of layer 0: 1, but it must be 2 to 8"),
        ("name", "", "tensor"),
        ("name", 5, "name of layer 0: 5, but it must be a text"),
        ("name", "fc9", "tensor 'fc1.codebook': belongs to no layer"),
        ("name", "fc2", "name of layer 1: 'fc2' is there twice"),
        ("activation", "softplus", "activations: 'softplus', but it must be one of none, relu, sigmoid, tanh"),
        ("activation", ["relu"], "activation of layer 0: .* must be a text"),
    ],
)
def test_a_forged_layer_entry_is_refused(path, parts, key, value, match):
    parts.document["layers"][0][key] = value
    refused(path, parts.build(), match or "pointers of shape")


@pytest.mark.parametrize(
    ("key", "value", "match"),
    [
        ("layers", [], "belongs to no layer"),
        ("layers", {}, "layers: must be a list"),
        ("layers", [1], "layer 0: must be an object"),
        ("provenance", [], "provenance: must map texts to texts"),
        ("provenance", {"a": 1}, "provenance 'a': 1, but it must be a text"),
        ("provenance", {"a": [[[]]]}, "provenance 'a': .* must be a text"),
        ("package_version", 1, "package_version: 1, but it must be a text"),
        ("format", "eie", "format 'eie-packed-model'"),
    ],
)
def test_a_forged_document_is_refused(path, parts, key, value, match):
    parts.document[key] = value
    refused(path, parts.build(), match)


def test_a_model_without_layers_is_refused(path):
    document = {
        "format": "eie-packed-model",
        "format_version": 1,
        "layers": [],
        "package_version": "",
        "provenance": {},
    }
    refused(path, Parts(document, []).build(), "layers: a model has at least one")


def test_a_long_forged_text_does_not_make_a_long_message(path, parts):
    parts.document["layers"][0]["activation"] = "x" * 100_000
    path.write_bytes(parts.build())
    with pytest.raises(FormatError) as caught:
        load_model(path)
    assert len(str(caught.value)) < len(str(path)) + 600


# Tensors, with the right digest ---------------------------------------------------------------------------------------


def test_a_missing_tensor_is_refused(path, parts):
    for field in ("codebook", "codes", "runs", "pointers"):
        changed = parts.copy()
        changed.tensors.remove(changed.tensor(f"fc1.{field}"))
        refused(path, changed.build(), f"tensor 'fc1.{field}': is missing")


def test_a_tensor_of_no_layer_is_refused(path, parts):
    parts.tensors.append(["fc1.scale", "U8", [1], b"1"])
    refused(path, parts.build(), "tensor 'fc1.scale': belongs to no layer")


def test_a_tensor_of_another_type_is_refused(path, parts):
    parts.set_array("fc1.codebook", np.zeros(16), "U32")
    refused(path, parts.build(), "tensor 'fc1.codebook': dtype uint32, but it must be float32")


def forged(parts, name, index, value):
    array = parts.array(name)
    array[index] = value
    parts.set_array(name, array)
    return parts.build()


def test_a_codebook_that_is_not_finite_or_does_not_begin_with_zero_is_refused(path, parts):
    refused(path, forged(parts.copy(), "fc1.codebook", 3, np.nan), "layer 'fc1': codebook: nan")
    refused(path, forged(parts.copy(), "fc1.codebook", 0, 1), "layer 'fc1': codebook: value 0 is 1.0")


def test_a_code_outside_the_codebook_is_refused(path, parts):
    refused(path, forged(parts, "fc1.codes", 0, 16), "layer 'fc1': codes: .* has code 16, but the codebook ends at 15")


def test_a_run_beyond_the_index_bits_is_refused(path, parts):
    refused(path, forged(parts, "fc2.runs", 0, 4), "layer 'fc2': runs: .* has run 4, but 2 index bits hold at most 3")


def test_runs_that_leave_the_rows_are_refused(path, parts):
    parts.document["layers"][0]["index_bits"] = 8
    refused(path, forged(parts, "fc1.runs", 0, 200), "layer 'fc1': runs: .* lies beyond the 3 rows of its PE")


def test_pointers_that_fall_are_refused(path, parts):
    refused(path, forged(parts, "fc1.pointers", (2, 1), 2**32 - 1), "layer 'fc1': pointers: PE 1 falls from 4294967295")


def test_pointers_that_do_not_begin_at_0_are_refused(path, parts):
    refused(path, forged(parts, "fc1.pointers", (0, 2), 1), "PE 2 begins at an address other than 0")


def test_pointers_beyond_the_entries_are_refused(path, parts):
    refused(path, forged(parts, "fc1.pointers", (7, 3), 2**32 - 1), "pointers: they end at .* but there are")


def test_a_row_permutation_that_is_none_is_refused(path, parts):
    order = parts.array("fc1.row_permutation")
    refused(
        path, forged(parts.copy(), "fc1.row_permutation", 0, order[1]), "must name each of the rows 0 to 11 exactly"
    )
    refused(path, forged(parts.copy(), "fc1.row_permutation", 0, 2**32 - 1), "names row 4294967295, but n_rows is 12")


def test_rows_without_a_weight_may_be_many(path):
    save_model(pack_codes([[1]], [0, 1], 1), path)
    parts = take_apart(path.read_bytes())
    parts.document["layers"][0]["n_rows"] = 2**32 - 1
    path.write_bytes(parts.build())
    assert load_model(path).layers[0].n_rows == 2**32 - 1


@pytest.mark.parametrize("name", ["m.dcz", "m.onnx", "m.NPZ", "m.pt"])
def test_a_packed_model_is_not_written_under_the_name_of_another_format(tmp_path, name):
    layer = pack_codes([[1]], [0, 1], 1)
    with pytest.raises(ValueError, match=r"its name ends in '\.\w+', but a packed model is written; end it in '\.eie'"):
        save_model(layer, tmp_path / name)
    assert list(tmp_path.iterdir()) == []
    save_model(layer, tmp_path / "m.bin")  # a name of one's own is one's own affair
    assert load_model(tmp_path / "m.bin").layers[0] == layer
