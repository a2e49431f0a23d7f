"""npz archives of networks: what is read, what is written back, and thousands of damaged and lying ones."""

import io
import struct
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from compressor import compress_model
from compressor.importers import read_npz, write_npz
from compressor.importers.named_arrays import named_arrays
from compressor.storage.files import FormatError, memory_limit

FEW, MANY = 400, 5000  # damaged files of each kind: in the plain run, and in the slow one


def arrays(seed=0):
    rng = np.random.default_rng(seed)
    shapes = {"conv.weight": (4, 2, 3, 3), "conv.bias": (4,), "fc1": (5, 8), "norm.weight": (4,)}
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def npy(descr="'<f4'", shape="(1, 1)", data=bytes(4), fortran="False", version=(1, 0)):
    """An .npy file with any header."""
    header = f"{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}\n".encode()
    length = struct.pack("<H" if version[0] == 1 else "<I", len(header))
    return b"\x93NUMPY" + bytes(version) + length + header + data


def archive(members, method=zipfile.ZIP_STORED):
    """An archive of name -> content; a name may be there twice."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as zipped:
        for name, content in members:
            zipped.writestr(zipfile.ZipInfo(name), content, method)
    return buffer.getvalue()


def read_of(tmp_path, content, **settings):
    (tmp_path / "a.npz").write_bytes(content)
    return read_npz(tmp_path / "a.npz", **settings)


# Reading --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_what_numpy_saves_is_read_by_the_names_of_its_arrays(tmp_path, save):
    save(tmp_path / "a.npz", counter=np.array(3), text=np.array("abc"), **arrays())
    model = read_npz(tmp_path / "a.npz")
    assert [(t.name, t.kind) for t in model.tensors] == [("conv", "conv"), ("fc1", "linear")]
    assert np.array_equal(model.tensors[1].weights, arrays()["fc1"])
    assert np.array_equal(model.tensors[0].bias, arrays()["conv.bias"])
    assert list(model.others) == ["norm.weight"]
    assert model.provenance["skipped_arrays"] == '["counter", "text"]'
    assert model.provenance["source"] == "npz a.npz"


@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8", ">f2", ">f4", ">f8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_every_type_and_order_is_read(tmp_path, dtype, order):
    weights = np.asarray(np.arange(6).reshape(2, 3), dtype=dtype, order=order)
    np.savez(tmp_path / "a.npz", w=weights)
    found = read_npz(tmp_path / "a.npz").tensors[0].weights
    assert found.dtype == np.float32
    assert found.tolist() == [[0, 1, 2], [3, 4, 5]]


def test_settings_are_passed_on(tmp_path):
    np.savez(tmp_path / "a.npz", **arrays())
    model = read_npz(tmp_path / "a.npz", activations=["tanh", "relu"], order=["fc1", "conv"], keep=["norm*"])
    assert ([t.name for t in model.tensors], model.activations) == (["fc1", "conv"], ("tanh", "relu"))


@pytest.mark.parametrize(
    "member",
    [
        npy(version=(2, 0)),
        npy(version=(3, 0)),
        npy(shape="(1,1)"),
        npy(shape="(1, 1, )"),
        npy(descr="'f4'"),
        b"\x93NUMPY\x01\x00\x3f\x00"
        + b"{'descr':'<f4','fortran_order':False,'shape':(1,1)}".ljust(62)
        + b"\n"
        + bytes(4),
    ],
)
def test_other_writers_of_the_format_are_understood(tmp_path, member):
    model = read_of(tmp_path, archive([("w.npy", member)]))
    assert model.tensors[0].weights.tolist() == [[0]]


# Writing --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compressed", [False, True])
def test_decoded_weights_are_written_under_their_names(tmp_path, compressed):
    np.savez(tmp_path / "a.npz", **arrays())
    model = compress_model(read_npz(tmp_path / "a.npz"), density=0.4)
    write_npz(model, tmp_path / "b.npz", compressed=compressed)
    expected = named_arrays(model)
    with np.load(tmp_path / "b.npz", allow_pickle=False) as found:
        assert set(found) == set(arrays())
        assert all(np.array_equal(found[name], expected[name]) for name in found)
        assert np.count_nonzero(found["fc1"]) == 16


def test_the_same_model_gives_the_same_bytes(tmp_path):
    np.savez(tmp_path / "a.npz", **arrays())
    model = read_npz(tmp_path / "a.npz")
    for name in "bc":
        write_npz(model, tmp_path / name)
    assert (tmp_path / "b").read_bytes() == (tmp_path / "c").read_bytes()


def test_the_source_is_kept_but_for_what_has_changed(tmp_path):
    given = {
        "counter": np.array(3),
        "text": np.array("abc"),
        "fc1": np.asfortranarray(arrays()["fc1"].astype(">f8") / 3),
        "norm": arrays()["norm.weight"].astype(np.float64) / 3,
        "half": arrays()["fc1"].astype(np.float16),
    }
    np.savez(tmp_path / "a.npz", **given)
    model = compress_model(read_npz(tmp_path / "a.npz"), density=0.4)
    write_npz(model, tmp_path / "b.npz", like=tmp_path / "a.npz")
    with np.load(tmp_path / "b.npz", allow_pickle=False) as found:
        assert list(found) == list(given)
        for name, array in given.items():
            assert found[name].dtype == array.dtype
            assert np.array_equal(found[name], array) == (name not in ("fc1", "half"))
        assert np.array_equal(found["fc1"], model.tensors[0].dense())
        assert np.array_equal(found["half"], model.tensors[1].dense().astype(np.float16))


def test_a_value_that_its_type_cannot_hold_is_refused(tmp_path):
    np.savez(tmp_path / "a.npz", w=np.ones((1, 1), np.float16))
    np.savez(tmp_path / "b.npz", w=np.full((1, 1), 1e5))
    with pytest.raises(FormatError, match=r"array 'w': 100000\.0 is too large for float16"):
        write_npz(read_npz(tmp_path / "b.npz"), tmp_path / "c.npz", like=tmp_path / "a.npz")
    assert not (tmp_path / "c.npz").exists()


@pytest.mark.parametrize("name", ["a\0b", "x" * 70_000, "\ud800"])
def test_a_name_that_no_zip_holds_is_refused(tmp_path, name):
    np.savez(tmp_path / "a.npz", w=np.ones((1, 1)))
    model = read_npz(tmp_path / "a.npz")
    renamed = type(model)(model.tensors, model.activations, others={name: [1.0]})
    with pytest.raises(ValueError, match="no zip file can have this name"):
        write_npz(renamed, tmp_path / "b.npz")
    assert not (tmp_path / "b.npz").exists()


@pytest.mark.parametrize("name", ["file", "allow_pickle", "a/b", "ü"])
def test_any_other_name_returns(tmp_path, name):
    (tmp_path / "a.npz").write_bytes(archive([(f"{name}.npy", npy())]))
    model = read_npz(tmp_path / "a.npz")
    write_npz(model, tmp_path / "b.npz")
    assert [tensor.name for tensor in read_npz(tmp_path / "b.npz").tensors] == [name]


# What is refused ------------------------------------------------------------------------------------------------------


def one(content, name="w.npy"):
    return archive([(name, content)])


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "no sound zip archive"),
        (b"x" * 100, "no sound zip archive"),
        (archive([]), "none of the 0 is a weight"),
        (one(npy(), "w"), "member 'w': is no array"),
        (one(npy(), ".npy"), "member '.npy': is no array"),
        (one(b""), "array 'w': begins with b''"),
        (one(b"\x93NUMPY\x04\x00"), "array 'w': begins with"),
        (one(b"\x93NUMPY\x02\x00\xff\xff\xff\x7f"), "array 'w': header of 2147483647 bytes"),
        (one(npy(descr="'|O'")), "array 'w': holds Python objects"),
        (one(npy(descr="'<U0'", data=b"")), "array 'w': holds Python objects or nothing"),
        (one(npy(descr="[('a', '<f4')]")), "array 'w': header .* plain array"),
        (one(npy(descr="'<f3'")), "array 'w': there is no type '<f3'"),
        (one(npy(shape="(1)")), "array 'w': header"),
        (one(npy(shape="(-1, 1)")), "array 'w': header"),
        (one(npy(shape="__import__('os')")), "array 'w': header"),
        (one(npy(shape="(" * 2000 + ")" * 2000)), "array 'w': header"),
        (one(npy(shape="(1, 2)")), "array 'w': .* declares 8 of data"),
        (one(npy(shape="(1, 1)", data=bytes(5))), "array 'w': .* declares 4 of data"),
        (one(npy(shape="(1, 9999999999999999999)")), "array 'w': .* declares"),
        (one(npy(shape="(0, 9999999999999999999)", data=b"")), "."),
        (one(npy(shape=f"({'1, ' * 100})")), "."),
        (one(npy(data=b"\x00\x00\x80\x7f")), "array 'w': inf"),
        (one(npy(shape="(1,)")), "none of the 1 is a weight"),
        (archive([("w.npy", npy())], zipfile.ZIP_BZIP2), "array 'w': is encrypted or compressed by method 12"),
        (archive([("w.npy", npy())], zipfile.ZIP_LZMA), "array 'w': is encrypted or compressed by method 14"),
    ],
)
def test_a_malformed_archive_is_refused_by_name(tmp_path, content, match):
    path = tmp_path / "bad.npz"
    path.write_bytes(content)
    with pytest.raises(FormatError, match=match) as caught:
        read_npz(path)
    assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_arrays_of_one_name_are_refused(tmp_path):
    with pytest.raises(FormatError, match="two arrays have the same name"):
        read_of(tmp_path, archive([("w.npy", npy()), ("w.npy", npy())]))


def test_an_encrypted_archive_is_refused(tmp_path):
    content = bytearray(one(npy()))
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(mark) + at] |= 1
    with pytest.raises(FormatError, match="array 'w': is encrypted"):
        read_of(tmp_path, bytes(content))


def test_a_wrong_checksum_is_refused(tmp_path):
    content = one(npy())
    with pytest.raises(FormatError, match="Bad CRC-32"):
        read_of(tmp_path, content.replace(bytes(4) + b"PK\x01\x02", b"\x00\x00\x80\x3fPK\x01\x02"))


def test_an_archive_that_unpacks_to_too_much_is_refused_before_it_is_unpacked(tmp_path):
    huge = npy(shape="(5000, 5000)", data=bytes(100_000_000))
    content = archive([("w.npy", huge)], zipfile.ZIP_DEFLATED)
    assert len(content) < 200_000
    with pytest.raises(FormatError, match="arrays: unpacking takes 158554432 bytes, but"):
        read_of(tmp_path, content)


def test_members_that_share_their_bytes_count_each(tmp_path):
    """One compressed array under many names: the directory points to the same place again and again."""
    content = archive([("w.npy", npy(shape="(1000, 2000)", data=bytes(8_000_000)))], zipfile.ZIP_DEFLATED)
    at, end = content.index(b"PK\x01\x02"), content.rindex(b"PK\x05\x06")
    n = 100
    directory = b"".join(content[at:end].replace(b"w.npy", b"%c.npy" % (100 + i)) for i in range(n))
    tail = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, n, n, len(directory), at, 0)
    with pytest.raises(FormatError):
        read_of(tmp_path, content[:at] + directory + tail)


def test_a_directory_that_is_too_long_is_refused_before_it_is_read(tmp_path):
    entry = struct.pack("<4s6H3I5H2I", b"PK\x01\x02", *[0] * 6, *[0] * 3, 1, *[0] * 4, *[0] * 2) + b"a"
    directory = entry * 40_000
    tail = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 40_000, 40_000, len(directory), 0, 0)
    with pytest.raises(FormatError, match="directory: 1880000 bytes, but at most 1048576 are read"):
        read_of(tmp_path, directory + tail)


def test_a_missing_file_and_a_folder_are_os_errors(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_npz(tmp_path / "none")
    with pytest.raises(IsADirectoryError):
        read_npz(tmp_path)


# Damage ---------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["stored", "deflated"])
def content(request) -> bytes:
    buffer = io.BytesIO()
    save = np.savez if request.param == "stored" else np.savez_compressed
    save(buffer, counter=np.array(3), half=arrays()["fc1"].astype(np.float16), **arrays())
    return buffer.getvalue()


def outcome(path, content):
    """True when the archive was accepted; NumPy then finds the same numbers in it, all of them finite."""
    path.write_bytes(content)
    try:
        model = read_npz(path)
    except FormatError as error:
        message = str(error)
    else:
        with np.load(path, allow_pickle=False) as of_numpy:
            for name, array in named_arrays(model).items():
                assert np.isfinite(array).all()
                assert np.array_equal(of_numpy[name].astype(np.float32), array)
        return True
    assert message.startswith(f"{path}: ")
    assert len(message) < len(str(path)) + 600
    return False


def flip_bits(rng, content):
    changed = bytearray(content)
    for at in rng.integers(0, len(changed), rng.integers(1, 4)):
        changed[at] ^= 1 << rng.integers(8)
    return bytes(changed)


def flip_bits_of_the_directory(rng, content):
    changed = bytearray(content)
    begin = content.index(b"PK\x01\x02")
    for at in rng.integers(begin, len(changed), rng.integers(1, 4)):
        changed[at] ^= 1 << rng.integers(8)
    return bytes(changed)


def cut_and_paste(rng, content):
    begin, end = sorted(rng.integers(0, len(content), 2))
    end = min(end, begin + int(rng.integers(1, 100)))
    stretch = content[begin:end]
    other = [b"", stretch * 2, bytes(len(stretch)), rng.bytes(len(stretch)), b"\xff" * 8, b"PK\x05\x06", b"(" * 50]
    return content[:begin] + other[rng.integers(len(other))] + content[end:]


def forge_a_number_of_the_directory(rng, content):
    """Sizes, places and numbers of members become any number."""
    changed = bytearray(content)
    marks = [at for at in range(len(content) - 4) if content[at : at + 4] in (b"PK\x01\x02", b"PK\x03\x04")]
    at = [*marks, content.rindex(b"PK\x05\x06")][rng.integers(len(marks) + 1)] + 4 + 2 * int(rng.integers(21))
    width = int(rng.choice([2, 4]))
    number = int(rng.choice([0, 1, 2, 255, 2**16 - 1, 2**31, 2**32 - 1, 10**6]))
    changed[at : at + width] = (number % 2 ** (8 * width)).to_bytes(width, "little")
    return bytes(changed)


SHAPES = ["()", "(1,)", "(40, 1)", "(8, 5)", "(5, 8, 1)", "(10**9, 1)", "(0, 0)", "(99999999, 99999999)", "(5, 8"]
DESCRS = ["'<f4'", "'>f4'", "'<i4'", "'<f8'", "'|O'", "'<f2'", "'<U1'", "[]", "'V4'", "None", "'M8[s]'", "'m4'"]


def forge_a_header(rng, content):
    """An array says anything of itself, in a sound zip."""
    shape, descr = SHAPES[rng.integers(len(SHAPES))], DESCRS[rng.integers(len(DESCRS))]
    version = (int(rng.integers(0, 4)), int(rng.integers(0, 2)))
    data = rng.normal(size=40).astype("<f4").tobytes()[: int(rng.choice([160, 160, 0, 3]))]
    with zipfile.ZipFile(io.BytesIO(content)) as zipped:
        members = [(info.filename, zipped.read(info)) for info in zipped.infolist()]
    forged = npy(descr, shape, data, str(bool(rng.integers(2))), version)
    return archive([(name, forged if name == "fc1.npy" else member) for name, member in members])


@pytest.mark.parametrize("cases", [FEW, pytest.param(MANY, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "make",
    [flip_bits, flip_bits_of_the_directory, cut_and_paste, forge_a_number_of_the_directory, forge_a_header],
    ids=lambda make: make.__name__,
)
def test_a_damaged_archive_is_refused_or_is_a_sound_model(make, cases, content, tmp_path):
    accepted = sum(outcome(tmp_path / "case", make(np.random.default_rng(case), content)) for case in range(cases))
    assert accepted < cases


def test_every_truncation_is_refused(content, tmp_path):
    for length in range(0, len(content), 3):
        assert not outcome(tmp_path / "case", content[:length])


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is in KB on Linux")
@pytest.mark.parametrize("kind", ["many arrays", "<f2", "<f4", "<f8", "in columns"])
def test_reading_keeps_to_the_memory_of_ten_files_and_100_mb(tmp_path, kind):
    path = tmp_path / "a.npz"
    if kind == "many arrays":
        np.savez(path, **{f"{at:x}": np.ones(1, np.float32) for at in range(17_000)})
    else:
        rng = np.random.default_rng(0)
        weights = rng.integers(1, 4, 5_000_000).astype("<f4" if kind == "in columns" else kind).reshape(2000, 2500)
        np.savez_compressed(path, w=np.asfortranarray(weights) if kind == "in columns" else weights)
    code = (
        "import sys, resource; from compressor.importers import read_npz as read\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024\n"
        "before = peak()\n"
        "try: read(sys.argv[1])\n"
        "except ValueError as error: assert 'none of the' in str(error), error\n"
        "print(peak() - before)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert int(done.stdout) < memory_limit(path.stat().st_size)
