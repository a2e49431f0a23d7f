"""Damaged and forged files of ``torch.save``: each is one clear error or a sound model, in bounded memory."""

import io
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from damage import DAMAGES, accepted_within_limits, set_bytes

from compressor.storage.files import FormatError, memory_limit
from tests.extras import needs

torch = needs("torch", "train")

from compressor.importers.pytorch import read_pytorch  # noqa: E402

FEW, MANY = 120, 2000  # cases of each kind: in the plain run, and in the slow one


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def saved(found):
    file = io.BytesIO()
    torch.save(found, file)
    return file.getvalue()


@pytest.fixture(scope="module")
def content():
    torch.manual_seed(0)
    shared = torch.randn(3, 3)
    state = {"fc.weight": shared, "fc.bias": torch.randn(3, dtype=torch.float64), "again.weight": shared}
    return saved(state | {"half.weight": torch.randn(2, 4, dtype=torch.bfloat16), "steps": torch.tensor(7)})


def members_of(content):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {member.filename: archive.read(member) for member in archive.infolist()}


def archive_of(members, compression=zipfile.ZIP_STORED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, member in members.items():
            archive.writestr(name, member)
    return file.getvalue()


def with_pickle(content, steps):
    members = members_of(content)
    return archive_of(members | {next(name for name in members if name.endswith("data.pkl")): steps})


def pickle_of(content):
    return next(member for name, member in members_of(content).items() if name.endswith("data.pkl"))


def outcome(path, content):
    """The model, or None when it was refused as it should be; anything else is an error of the test."""
    path.write_bytes(content)
    try:
        return read_pytorch(path)
    except FormatError as error:
        message = str(error)
    assert message.startswith(f"{path}: ")
    assert len(message) < len(str(path)) + 600
    return None


def run(kind, make, content, tmp_path, cases):
    accepted = 0
    for case in range(cases):
        rng = np.random.default_rng([kind, case])
        model = outcome(tmp_path / "case.pt", make(rng, content))
        if model is not None:
            accepted += 1
            for tensor in model.tensors:
                assert np.isfinite(tensor.weights).all()
    return accepted


sizes = pytest.mark.parametrize("cases", [FEW, pytest.param(MANY, marks=pytest.mark.slow)])


def test_the_original_is_accepted_and_so_is_its_archive_written_anew(content, tmp_path):
    for file in (content, archive_of(members_of(content))):
        assert [t.name for t in outcome(tmp_path / "case.pt", file).tensors] == ["fc", "half"]


@sizes
@pytest.mark.parametrize("make", DAMAGES, ids=lambda make: make.__name__)
def test_damage_is_refused_or_leaves_a_sound_model(make, cases, content, tmp_path):
    run(DAMAGES.index(make), make, content, tmp_path, cases)


def test_a_changed_weight_is_found_by_its_checksum(content, tmp_path):
    weights = torch.load(io.BytesIO(content))["fc.weight"].numpy().tobytes()
    at = content.index(weights)
    (tmp_path / "case.pt").write_bytes(content[:at] + b"\1\2\3\4" + content[at + 4 :])
    with pytest.raises(FormatError, match="CRC-32"):
        read_pytorch(tmp_path / "case.pt")


def forge_pickle(rng, content):
    """A sound archive with a damaged pickle."""
    make = DAMAGES[rng.integers(len(DAMAGES))]
    return with_pickle(content, make(rng, pickle_of(content)))


def forge_numbers(rng, content):
    """A sound archive with a pickle of other small numbers: sizes, strides, offsets."""
    steps = bytearray(pickle_of(content))
    places = [i for i in range(len(steps) - 1) if steps[i] == ord("K")]
    for at in rng.choice(places, rng.integers(1, 4)):
        steps[at + 1] = rng.choice([0, 1, 2, 3, 4, 8, 127, 255])
    return with_pickle(content, bytes(steps))


def forge_members(rng, content):
    """A sound archive with a member that is damaged, shorter, longer, gone or twice there."""
    members = members_of(content)
    name = list(members)[rng.integers(len(members))]
    member = members.pop(name)
    what = rng.integers(5)
    if what == 0:
        members[name] = set_bytes(rng, member)
    elif what == 1:
        members[name] = member[: rng.integers(len(member) + 1)]
    elif what == 2:
        members[name] = member + rng.bytes(rng.integers(1, 20))
    elif what == 3:
        members |= {name: member, f"{name}0": member, f"other/{name}": member}
    return archive_of(members)


FORGERIES = [forge_pickle, forge_numbers, forge_members]


@sizes
@pytest.mark.parametrize("make", FORGERIES, ids=lambda make: make.__name__)
def test_a_forgery_is_refused_or_is_a_sound_model(make, cases, content, tmp_path):
    run(100 + FORGERIES.index(make), make, content, tmp_path, cases)


# What a pickle may not do ---------------------------------------------------------------------------------------------


def whole(number):
    return b"J" + struct.pack("<i", number)


def called(name, *arguments):
    return b"c" + name.replace(" ", "\n").encode() + b"\n(" + b"".join(arguments) + b"tR"


def evil_pickles():
    """What PyTorch itself would do, at whatever cost."""
    start, stop = b"\x80\x02", b"."
    tuples = b"K\1" + b"\x85" * 200_000
    rows = b"(" + b"K\1K\1\x86" * 1000 + b"l"
    return {
        "bytes": start + called("builtins bytearray", whole(2**30)) + stop,
        "tensor": start + called("torch Tensor", whole(2**28)) + stop,
        "float tensor": start + called("torch FloatTensor", whole(2**28)) + stop,
        "storage": start + called("torch.storage UntypedStorage", whole(2**30)) + stop,
        "nested key": start + b"}" + tuples + b"K\1s" + stop,
        "nested key in parts": start + b"}K\1q\0" + b"0h\0\x85q\0" * 200_000 + b"K\1s" + stop,
        "long tuple": start + b"(" + b"K\1" * 1000 + b"t" + stop,
        "dictionaries": start + b"}" * 700_000 + stop,
        "marks": start + b"(" * 700_000 + stop,
        "sets": start + b"\x8f" * 700_000 + stop,
        "dictionaries of one list": start + rows + b"q\0" + called("collections OrderedDict", b"h\0") * 100_000 + stop,
        "encoded texts": start + called("_codecs encode", b"X" + struct.pack("<i", 4) + b"aaaa") * 1000 + stop,
        "a call of a number": start + b"K\1)R" + stop,
        "an old text": start + b"S'\\]'\n" + stop,
        "nothing": b"",
        "no end": start + b"}",
        "an empty stack": start + b"0" + stop,
        "an unknown step": start + b"\xff" + stop,
        "a step of another protocol": b"\x80\x04\x95" + bytes(8) + b"}\x94" + stop,
        "an unknown memory": start + b"h\7" + stop,
        "a long number": start + b"\x8b\xff\xff\xff\x7f" + stop,
    }


def forged_sizes(content):
    """The tensor fc.weight with other sizes than its memory has."""
    steps = pickle_of(content)
    shape, stride, count = b"K\3K\3\x86", b"K\3K\1\x86", b"K\x09t"
    assert steps.count(shape) == steps.count(stride) == steps.count(count) == 1
    return {
        "a size": steps.replace(shape, whole(10**5) * 2 + b"\x86"),
        "a size of one number": steps.replace(shape, whole(10**5) * 2 + b"\x86").replace(stride, b"K\0K\0\x86"),
        "a count": steps.replace(count, whole(2**28) + b"t"),
        "count and size": steps.replace(count, whole(10**8) + b"t").replace(shape, whole(10**4) * 2 + b"\x86"),
        "a negative count": steps.replace(count, whole(-1) + b"t"),
        "a negative stride": steps.replace(stride, whole(-3) + b"K\1\x86"),
    }


@pytest.mark.parametrize("name", evil_pickles())
def test_a_pickle_that_does_more_than_tensors_need_is_refused(name, content, tmp_path):
    assert outcome(tmp_path / "case.pt", with_pickle(content, evil_pickles()[name])) is None


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="peak memory is measured through /proc")
def test_forged_sizes_take_neither_memory_nor_time(content, tmp_path):
    bombs = {name: with_pickle(content, steps) for name, steps in (evil_pickles() | forged_sizes(content)).items()}
    members = members_of(content)
    bombs["compressed"] = archive_of(members | {"archive/data/9": bytes(50_000_000)}, zipfile.ZIP_DEFLATED)
    bombs["many members"] = plain = archive_of(members | {f"{i}": b"" for i in range(5_000)})
    bombs["directory"] = plain[:-10] + b"\xff\xff\xff\x7f" + plain[-6:]
    sound = {
        "float32": saved({"fc.weight": torch.ones(3000, 3000)}),
        "float16": saved({"fc.weight": torch.ones(4000, 4000, dtype=torch.float16).T}),
        "float64": saved({"fc.weight": torch.ones(2000, 2000, dtype=torch.float64)}),
        "few numbers shown often": saved({"fc.weight": torch.ones(1).expand(2000, 4000)}),
        "many tensors": saved({f"{i}.weight": torch.ones(2, 2) for i in range(500)}),
    }
    accepted = accepted_within_limits("read_pytorch", content, bombs | sound, tmp_path)
    assert accepted == set(sound)


def test_a_compressed_archive_is_refused(content, tmp_path):
    path = tmp_path / "case.pt"
    path.write_bytes(archive_of(members_of(content), zipfile.ZIP_DEFLATED))
    with pytest.raises(FormatError, match="is compressed"):
        read_pytorch(path)


def test_a_directory_that_is_too_long_is_refused_before_it_is_read(tmp_path):
    entry = struct.pack("<4s6H3I5H2I", b"PK\x01\x02", *[0] * 6, *[0] * 3, 1, *[0] * 4, *[0] * 2) + b"a"
    directory = entry * 80_000
    tail = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 14_464, 14_464, len(directory), 4, 0)
    path = tmp_path / "case.pt"
    path.write_bytes(b"PK\x03\x04" + directory + tail)
    most = memory_limit(path.stat().st_size) // 2 // 20
    with pytest.raises(FormatError, match=f"directory: 3760000 bytes, but at most {most} are read"):
        read_pytorch(path)
