"""safetensors files of networks: what is read, what is written back, and thousands of damaged ones."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors import deserialize
from safetensors.numpy import load_file, save_file

from compressor import compress_model
from compressor.importers import read_safetensors, write_safetensors
from compressor.importers.float8 import as_float8, from_float8
from compressor.importers.named_arrays import named_arrays
from compressor.storage.files import FormatError, memory_limit

FEW, MANY = 400, 5000  # damaged files of each kind: in the plain run, and in the slow one


def arrays(seed=0):
    rng = np.random.default_rng(seed)
    shapes = {"conv.weight": (4, 2, 3, 3), "conv.bias": (4,), "fc.weight": (5, 8), "norm.weight": (4,)}
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def bfloat16(array):
    """Values of which bfloat16 loses nothing, and their bytes."""
    exact = (np.asarray(array, np.float32).view(np.uint32) & 0xFFFF0000).view(np.float32)
    return exact, (exact.view(np.uint32) >> 16).astype("<u2").tobytes()


def file_of(tensors, metadata=None):
    """A file of name -> (type, shape, bytes), padded as the library does it."""
    header = {} if metadata is None else {"__metadata__": metadata}
    data = b""
    for name, (dtype, shape, content) in tensors.items():
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    text = json.dumps(header).encode()
    return with_header(text + b" " * (-len(text) % 8), data)


@pytest.fixture
def mixed(tmp_path) -> Path:
    """Every type that occurs, metadata, and a header padded with spaces."""
    half = bfloat16(arrays()["fc.weight"])[1]
    tensors = {
        "conv.weight": ("F16", (4, 2, 3, 3), arrays()["conv.weight"].astype("<f2").tobytes()),
        "conv.bias": ("F64", (4,), (arrays()["conv.bias"] / 3).astype("<f8").tobytes()),
        "fc.weight": ("BF16", (5, 8), half),
        "norm.weight": ("F32", (4,), arrays()["norm.weight"].tobytes()),
        "norm.num_batches_tracked": ("I64", (), np.array(3).tobytes()),
        "mask": ("BOOL", (3,), b"\x01\x00\x01"),
    }
    (tmp_path / "mixed.safetensors").write_bytes(file_of(tensors, {"format": "pt", "origin": "here"}))
    return tmp_path / "mixed.safetensors"


def header_of(content):
    length = int.from_bytes(content[:8], "little")
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def with_header(header, data):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


# Reading --------------------------------------------------------------------------------------------------------------


def test_a_network_is_read_by_the_names_of_its_tensors(tmp_path):
    save_file(arrays(), tmp_path / "a.safetensors")
    model = read_safetensors(tmp_path / "a.safetensors", order=["conv", "fc"])
    assert [(t.name, t.kind) for t in model.tensors] == [("conv", "conv"), ("fc", "linear")]
    assert np.array_equal(model.tensors[0].weights, arrays()["conv.weight"])
    assert np.array_equal(model.tensors[0].bias, arrays()["conv.bias"])
    assert list(model.others) == ["norm.weight"]
    assert model.activations == ("relu", "none")
    assert dict(model.provenance) == {"source": "safetensors a.safetensors", "assumed_relu": '["conv"]'}


def test_every_floating_point_type_is_read(mixed):
    model = read_safetensors(mixed, order=["conv", "fc"], activations=["tanh", "none"], keep=["norm.*"])
    conv, fc = model.tensors
    assert np.array_equal(conv.weights, arrays()["conv.weight"].astype(np.float16))
    assert np.array_equal(conv.bias, (arrays()["conv.bias"] / 3).astype(np.float32))
    assert np.array_equal(fc.weights, bfloat16(arrays()["fc.weight"])[0])
    assert model.activations == ("tanh", "none")
    assert set(json.loads(model.provenance["skipped_arrays"])) == {"norm.num_batches_tracked", "mask"}


def test_tensors_come_in_the_order_of_the_file(tmp_path):
    header = {
        name: {"dtype": "F32", "shape": [1, 1], "data_offsets": [4 * at, 4 * at + 4]}
        for at, name in enumerate(["z", "b", "a"])
    }
    (tmp_path / "a").write_bytes(with_header(header, bytes(12)))
    assert [tensor.name for tensor in read_safetensors(tmp_path / "a").tensors] == ["z", "b", "a"]


def test_tensors_may_begin_at_any_byte(tmp_path):
    header = {
        "one": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]},
        "w": {"dtype": "F32", "shape": [1, 2], "data_offsets": [1, 9]},
    }
    (tmp_path / "a").write_bytes(with_header(header, b"\x00" + np.array([1, 2], "<f4").tobytes()))
    weights = read_safetensors(tmp_path / "a").tensors[0].weights
    assert weights.tolist() == [[1, 2]]
    assert weights.flags.aligned


# Writing --------------------------------------------------------------------------------------------------------------


def test_decoded_weights_are_written_under_their_names(tmp_path):
    save_file(arrays(), tmp_path / "a.safetensors")
    model = compress_model(read_safetensors(tmp_path / "a.safetensors"), density=0.4)
    write_safetensors(model, tmp_path / "b.safetensors")
    found, expected = load_file(tmp_path / "b.safetensors"), named_arrays(model)
    assert found.keys() == arrays().keys()
    assert all(np.array_equal(found[name], expected[name]) for name in found)
    assert np.count_nonzero(found["fc.weight"]) == 16


def test_the_same_model_gives_the_same_bytes(tmp_path):
    save_file(arrays(), tmp_path / "a")
    model = read_safetensors(tmp_path / "a")
    for name in "bc":
        write_safetensors(model, tmp_path / name)
    assert (tmp_path / "b").read_bytes() == (tmp_path / "c").read_bytes()


def test_an_unchanged_model_gives_back_the_bytes_of_its_source(mixed, tmp_path):
    write_safetensors(read_safetensors(mixed), tmp_path / "b", like=mixed)
    assert (tmp_path / "b").read_bytes() == mixed.read_bytes()


def test_only_what_has_changed_is_written_over_the_source_in_its_type(mixed, tmp_path):
    model = compress_model(read_safetensors(mixed), density=0.4)
    write_safetensors(model, tmp_path / "b", like=mixed)
    old, new = (dict(deserialize(path.read_bytes())) for path in (mixed, tmp_path / "b"))
    assert header_of(mixed.read_bytes())[0] == header_of((tmp_path / "b").read_bytes())[0]
    assert {name for name in old if old[name]["data"] != new[name]["data"]} == {"conv.weight", "fc.weight"}
    again = {tensor.name: tensor for tensor in read_safetensors(tmp_path / "b").tensors}
    for tensor in model.tensors:
        assert np.array_equal(again[tensor.name].weights == 0, tensor.dense() == 0)
        assert np.allclose(again[tensor.name].weights, tensor.dense(), rtol=2**-8, atol=0)


@pytest.mark.parametrize(("dtype", "largest"), [("F8_E4M3", 448), ("F8_E5M2", 57344)])
def test_8_bit_floats_are_read_and_rounded_to_the_nearest_and_to_even(dtype, largest, tmp_path):
    every = np.arange(256, dtype=np.uint8)
    codes = every[np.isfinite(from_float8(every, dtype))]
    (tmp_path / "a").write_bytes(file_of({"w": (dtype, (1, len(codes)), codes.tobytes())}))
    model = read_safetensors(tmp_path / "a")
    values = model.tensors[0].weights[0]
    assert values.max() == largest
    assert np.array_equal(as_float8(values, dtype), codes)
    ascending = values[codes < 128]
    middles = (ascending[1:] + ascending[:-1]) / 2
    assert np.array_equal(as_float8(middles, dtype), np.arange(1, len(ascending)) // 2 * 2)
    assert np.array_equal(as_float8(np.nextafter(middles, np.float32(0)), dtype), np.arange(len(middles)))
    (tmp_path / "nan").write_bytes(file_of({"w": (dtype, (1, 1), b"\x7f")}))
    with pytest.raises(FormatError, match="array 'w': nan"):
        read_safetensors(tmp_path / "nan")
    write_safetensors(model, tmp_path / "b", like=tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_bfloat16_is_rounded_to_the_nearest_and_to_even(tmp_path):
    (tmp_path / "a").write_bytes(file_of({"w": ("BF16", (1, 5), bytes(10))}))
    values = np.array([0x3F808000, 0x3F818000, 0x3F80C000, 0xBF807FFF, 0x00000001], np.uint32).view(np.float32)
    save_file({"w": values[None]}, tmp_path / "new")
    write_safetensors(read_safetensors(tmp_path / "new"), tmp_path / "b", like=tmp_path / "a")
    halves = np.frombuffer(header_of((tmp_path / "b").read_bytes())[1], "<u2")
    assert [hex(half) for half in halves] == ["0x3f80", "0x3f82", "0x3f81", "0xbf80", "0x0"]


@pytest.mark.parametrize(("dtype", "value"), [("F16", 1e5), ("BF16", 3.4e38), ("F8_E4M3", 465), ("F8_E5M2", 62000)])
def test_a_value_that_its_type_cannot_hold_is_refused(tmp_path, dtype, value):
    (tmp_path / "a").write_bytes(file_of({"w": (dtype, (1, 1), bytes(1 if dtype.startswith("F8") else 2))}))
    save_file({"w": np.full((1, 1), value, np.float32)}, tmp_path / "new")
    with pytest.raises(FormatError, match=r"array 'w': .* is too large for"):
        write_safetensors(read_safetensors(tmp_path / "new"), tmp_path / "b", like=tmp_path / "a")
    assert not (tmp_path / "b").exists()


def test_a_source_that_is_of_another_network_is_refused(mixed, tmp_path):
    save_file({"other": np.ones((2, 2), np.float32)}, tmp_path / "a")
    with pytest.raises(FormatError, match="array 'other' of the model is not there"):
        write_safetensors(read_safetensors(tmp_path / "a"), tmp_path / "b", like=mixed)


def test_a_file_may_be_written_over_its_own_source(mixed):
    model = compress_model(read_safetensors(mixed), density=0.4)
    write_safetensors(model, mixed, like=mixed)
    assert np.count_nonzero(read_safetensors(mixed, order=["conv", "fc"]).tensors[1].weights) == 16


# What is refused ------------------------------------------------------------------------------------------------------

ENTRY = {"dtype": "F32", "shape": [1, 1], "data_offsets": [0, 4]}


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "no safetensors file: 0 bytes, but it has at least 8"),
        (b"\x01\x00", "no safetensors file: 2 bytes"),
        (b"\xff" * 8 + b"{}", "header length: 18446744073709551615"),
        ((2**21 + 1).to_bytes(8, "little") + b"{" + b" " * 2**21, "at most 2097152 are read"),
        (with_header(b"[]", b""), "header: must be a JSON object"),
        (with_header(b'{"a": \xff}', b""), "header: byte 6 is no UTF-8"),
        (with_header(b"{" * 10**5, b""), "header: is"),
        (with_header(b'{"a": 1, "a": 1}', b""), "'a' is there twice"),
        (with_header({"__metadata__": {"a": 1}}, b""), "must map texts to texts"),
        (with_header({"a": {**ENTRY, "more": 1}}, bytes(4)), "tensor 'a': must have"),
        (with_header({"a": {**ENTRY, "dtype": "F4"}}, bytes(4)), "dtype 'F4'"),
        (with_header({"a": {**ENTRY, "dtype": ["F32"]}}, bytes(4)), "dtype"),
        (with_header({"a": {**ENTRY, "shape": [1, True]}}, bytes(4)), "shape"),
        (with_header({"a": {**ENTRY, "shape": [1, 1.0]}}, bytes(4)), "shape"),
        (with_header({"a": {**ENTRY, "shape": [0, 2**64]}}, bytes(4)), "a number of 20 digits"),
        (with_header({"a": {**ENTRY, "shape": [0, 2**62]}}, bytes(4)), "shape"),
        (with_header({"a": {**ENTRY, "shape": [1] * 100}}, bytes(4)), "shape"),
        (with_header({"a": {**ENTRY, "shape": [1, 2]}}, bytes(4)), "4 bytes, but F32 of .* needs 8"),
        (with_header({"a": {**ENTRY, "data_offsets": [4, 0]}}, bytes(4)), "data_offsets"),
        (with_header({"a": {**ENTRY, "data_offsets": [0]}}, bytes(4)), "data_offsets"),
        (
            with_header({"a": ENTRY, "b": ENTRY}, bytes(4)),
            "tensor 'b': begins at byte 0 of the data, but .* ends at 4",
        ),
        (with_header({"a": {**ENTRY, "data_offsets": [4, 8]}}, bytes(8)), "tensor 'a': begins at byte 4"),
        (with_header({"a": ENTRY}, bytes(5)), "data: 5 bytes, but the tensors end at 4"),
        (with_header({"a": ENTRY}, bytes(3)), "tensor 'a': ends at byte 4 of the data, but there are 3"),
        (with_header({"a": ENTRY}, b"\x00\x00\xc0\x7f"), "array 'a': nan"),
        (with_header({"a": {**ENTRY, "shape": [1]}}, bytes(4)), "none of the 1 is a weight"),
        (with_header({}, b""), "none of the 0 is a weight"),
    ],
)
def test_a_malformed_file_is_refused_by_name(tmp_path, content, match):
    path = tmp_path / "bad.safetensors"
    path.write_bytes(content)
    with pytest.raises(FormatError, match=match) as caught:
        read_safetensors(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_a_tensor_cannot_be_called_as_the_metadata_are(tmp_path):
    save_file({"w": np.ones((1, 1), np.float32)}, tmp_path / "a")
    model = read_safetensors(tmp_path / "a")
    renamed = type(model)(model.tensors, model.activations, others={"__metadata__": [1.0]})
    with pytest.raises(ValueError, match="__metadata__"):
        write_safetensors(renamed, tmp_path / "b")
    assert not (tmp_path / "b").exists()


def test_a_missing_file_and_a_folder_are_os_errors(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_safetensors(tmp_path / "none")
    with pytest.raises(IsADirectoryError):
        read_safetensors(tmp_path)


# Damage ---------------------------------------------------------------------------------------------------------------


def outcome(path, content):
    """True when the file was accepted; the library then reads the same numbers from it, all of them finite."""
    path.write_bytes(content)
    try:
        model = read_safetensors(path)
    except FormatError as error:
        message = str(error)
    else:
        of_library = dict(deserialize(content))
        for name, array in named_arrays(model).items():
            assert np.isfinite(array).all()
            assert list(array.shape) == of_library[name]["shape"]
        write_safetensors(model, path.with_name("again"), like=path)
        assert path.with_name("again").read_bytes() == content
        return True
    assert message.startswith(f"{path}: ")
    assert len(message) < len(str(path)) + 600
    return False


def flip_bits(rng, content):
    changed = bytearray(content)
    for at in rng.integers(0, len(changed), rng.integers(1, 4)):
        changed[at] ^= 1 << rng.integers(8)
    return bytes(changed)


def cut_and_paste(rng, content):
    begin, end = sorted(rng.integers(0, len(content), 2))
    end = min(end, begin + int(rng.integers(1, 100)))
    stretch = content[begin:end]
    other = [b"", stretch * 2, bytes(len(stretch)), rng.bytes(len(stretch)), b"\xff" * 8, b'"', b"[" * 100]
    return content[:begin] + other[rng.integers(len(other))] + content[end:]


def write_into_the_length(rng, content):
    number = int(rng.choice([0, 1, 7, 8, len(content), len(content) - 8, 2**21, 2**31, 2**63 - 1]))
    return (number + int(rng.integers(-4, 4)) & (2**64 - 1)).to_bytes(8, "little") + content[8:]


EVIL = [0, 1, 2, 3, -1, 8, 255, 2**31, 2**32, 2**40, 2**63, 10**30, True, None, 1.5, "", "x", [], [1], [[]], {}]
TYPES = ["F64", "F32", "F16", "BF16", "I64", "U8", "BOOL", "F8_E5M2", "F4", "C64"]


def forge_an_entry(rng, content):
    """A value of the header becomes another, sometimes in agreement with the rest."""
    header, data = header_of(content)
    names = [name for name in header if name != "__metadata__"]
    name = names[rng.integers(len(names))]
    entry = header[name]
    match rng.integers(6):
        case 0:
            entry["dtype"] = TYPES[rng.integers(len(TYPES))]
        case 1:
            entry["shape"][rng.integers(max(len(entry["shape"]), 1)) :] = [EVIL[rng.integers(len(EVIL))]]
        case 2:
            entry["data_offsets"][rng.integers(2)] = EVIL[rng.integers(len(EVIL))]
        case 3:
            entry["shape"] = entry["shape"][::-1] + [1] * int(rng.integers(3))
        case 4:
            header[name] = EVIL[rng.integers(len(EVIL))]
        case _:
            header[str(EVIL[rng.integers(len(EVIL))])] = header.pop(name)
    return with_header(header, data)


@pytest.mark.parametrize("cases", [FEW, pytest.param(MANY, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "make", [flip_bits, cut_and_paste, write_into_the_length, forge_an_entry], ids=lambda f: f.__name__
)
def test_a_damaged_file_is_refused_or_is_a_sound_model(make, cases, mixed, tmp_path):
    content = mixed.read_bytes()
    accepted = sum(outcome(tmp_path / "case", make(np.random.default_rng(case), content)) for case in range(cases))
    assert accepted < cases


def test_every_truncation_is_refused(mixed, tmp_path):
    content = mixed.read_bytes()
    for length in range(0, len(content), 5):
        assert not outcome(tmp_path / "case", content[:length])


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is in KB on Linux")
@pytest.mark.parametrize("kind", ["a long header", "BF16", "F16"])
def test_reading_keeps_to_the_memory_of_ten_files_and_100_mb(tmp_path, kind):
    path = tmp_path / "a.safetensors"
    if kind == "a long header":
        n = 2_000_000 // 62
        entry = '"{:x}":{{"dtype":"F32","shape":[1],"data_offsets":[{},{}]}}'
        text = "{" + ",".join(entry.format(at, 4 * at, 4 * at + 4) for at in range(n)) + "}"
        path.write_bytes(with_header(text.encode(), bytes(4 * n)))
    else:
        path.write_bytes(file_of({"w": (kind, (4000, 5000), bytes(40_000_000))}))
    code = (
        "import sys, resource; from compressor.importers import read_safetensors as read\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024\n"
        "before = peak()\n"
        "try: read(sys.argv[1])\n"
        "except ValueError: pass\n"
        "print(peak() - before)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert int(done.stdout) < memory_limit(path.stat().st_size)
