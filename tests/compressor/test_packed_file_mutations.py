"""Thousands of damaged and forged `.eie` files: each is refused in one way, or is a model that holds what it promises.

The byte mutations are caught by the digest or before it. The forgeries carry the right digest, so that the checks
behind it are what is tested.
"""

import copy
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from eie_forgery import Parts, small_model, take_apart, with_header

from compressor import PackedModel, load_model, save_model
from compressor.storage.files import FormatError

FEW, MANY = 600, 20_000  # cases of each kind: in the plain run, and in the slow one
EVIL_NUMBERS = [0, 1, 2, 3, -1, 7, 8, 255, 256, 2**16, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 10**12, 2**63, 10**30]
EVIL_VALUES = [*EVIL_NUMBERS, True, None, 1.5, "", "x", "4", "\ud800", "x" * 1000, [], [1], [[]], {}, {"a": 1}]


@pytest.fixture(scope="module")
def content(tmp_path_factory) -> bytes:
    path = tmp_path_factory.mktemp("good") / "good.eie"
    save_model(small_model(), path)
    return path.read_bytes()


def outcome(path: Path, content: bytes, mmap: bool) -> PackedModel | None:
    """The model, or None when it was refused as it should be; anything else is an error of the test."""
    path.write_bytes(content)
    try:
        return load_model(path, mmap=mmap)
    except FormatError as error:
        message = str(error)
    assert message.startswith(f"{path}: ")
    assert len(message) < len(str(path)) + 600
    return None


def keeps_its_promises(model: PackedModel) -> None:
    """What was accepted can be used: every matrix decodes inside its bounds and packs to the same entries again."""
    for layer in model.layers:
        if layer.n_rows * layer.n_cols < 10**6:
            assert layer.decode().max(initial=0) < len(layer.codebook)
            assert layer.dense().shape == (layer.n_rows, layer.n_cols)
            # The bytes of the codebook may be anything finite, also -0.0; fillers stand where packing puts them.
            again = layer.repack()
            assert (again.n_entries, again.has_bias) == (layer.n_entries, layer.has_bias)
            assert np.array_equal(again.codes, layer.codes)
            assert np.array_equal(again.runs, layer.runs)
            assert np.array_equal(again.pointers, layer.pointers)


def run(kind, make, content: bytes, tmp_path: Path, cases: int) -> int:
    """`cases` seeded cases; returns how many were accepted."""
    accepted = 0
    for case in range(cases):
        rng = np.random.default_rng([kind, case])
        model = outcome(tmp_path / "case.eie", make(rng, content), mmap=bool(case % 2))
        if model is not None:
            accepted += 1
            keeps_its_promises(model)
    return accepted


sizes = pytest.mark.parametrize("cases", [FEW, pytest.param(MANY, marks=pytest.mark.slow)])


# Damage ---------------------------------------------------------------------------------------------------------------


def test_every_truncation_is_refused(content, tmp_path):
    step = 7
    for length in [*range(0, len(content), step), *range(len(content) - step, len(content))]:
        assert outcome(tmp_path / "case.eie", content[:length], mmap=bool(length % 2)) is None


def flip_bits(rng, content):
    changed = bytearray(content)
    for at in rng.integers(0, len(changed), rng.integers(1, 4)):
        changed[at] ^= 1 << rng.integers(8)
    return bytes(changed)


def swap_bytes(rng, content):
    changed = bytearray(content)
    one, other = rng.integers(0, len(changed), 2)
    changed[one], changed[other] = changed[other], changed[one]
    return bytes(changed)


def cut_and_paste(rng, content):
    """Remove, repeat, overwrite or insert a stretch."""
    begin, end = sorted(rng.integers(0, len(content), 2))
    end = min(end, begin + int(rng.integers(1, 200)))
    stretch = content[begin:end]
    other = [b"", stretch * 2, bytes(len(stretch)), rng.bytes(len(stretch)), b"\xff" * 8, b'"', b"[" * 100]
    return content[:begin] + other[rng.integers(len(other))] + content[end:]


def write_number_into_length(rng, content):
    number = int(rng.choice([0, 1, 7, 8, len(content), len(content) - 8, 2**21, 2**31, 2**63 - 1]))
    return (number + int(rng.integers(-4, 4)) & (2**64 - 1)).to_bytes(8, "little") + content[8:]


DAMAGES = [flip_bits, swap_bytes, cut_and_paste, write_number_into_length]


@sizes
@pytest.mark.parametrize("make", DAMAGES, ids=lambda make: make.__name__)
def test_damage_is_refused_or_changes_nothing(make, cases, content, tmp_path):
    good = small_model()

    def damaged(rng, content):
        result = make(rng, content)
        model = outcome(tmp_path / "same.eie", result, mmap=True)
        # Only bytes without a meaning may differ (two equal bytes swapped, white space): the model is the same.
        assert model is None or model == good
        return result

    accepted = run(DAMAGES.index(make), damaged, content, tmp_path, cases)
    assert accepted < cases / 4


# Forgeries, with the right digest -------------------------------------------------------------------------------------


def evil(rng):
    return copy.deepcopy(EVIL_VALUES[rng.integers(len(EVIL_VALUES))])


def places(value, path=()):
    """Every place in a JSON value, as a path of keys."""
    yield path
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inside:
        yield from places(item, (*path, key))


def change_somewhere(rng, value):
    """Replace, remove, add or repeat something somewhere in a JSON value, in place."""
    path = [p for p in places(value) if p][rng.integers(len(list(places(value))) - 1)]
    for key in path[:-1]:
        value = value[key]
    action = rng.integers(4)
    if action == 0 and isinstance(value, dict):
        del value[path[-1]]
    elif action == 1 and isinstance(value, dict):
        value[str(evil(rng))] = evil(rng)
    elif action == 1:
        value.append(evil(rng))
    else:
        old = value[path[-1]]
        value[path[-1]] = old + int(rng.choice([-1, 1, 4])) if action == 2 and type(old) is int else evil(rng)


def forge_document(rng, content):
    parts = take_apart(content)
    for _ in range(rng.integers(1, 3)):
        change_somewhere(rng, parts.document)
    return parts.build()


def forge_header(rng, content):
    parts = take_apart(content)
    header = parts.header()
    for _ in range(rng.integers(1, 3)):
        change_somewhere(rng, header)
    return with_header(json.dumps(header).encode(), b"".join(tensor[3] for tensor in parts.tensors))


def forge_table(rng, content):
    """Tensors that move, vanish, appear, change places, types and shapes, with offsets that fit them."""
    parts = take_apart(content)
    one, other = (parts.tensors[i] for i in rng.integers(0, len(parts.tensors), 2))
    action = rng.integers(7)
    if action == 0:
        parts.tensors.remove(one)
    elif action == 1:
        one[0], other[0] = other[0], one[0]
    elif action == 2:
        one[1:], other[1:] = other[1:], one[1:]
    elif action == 3:
        parts.tensors.append([f"{one[0]}x", *one[1:]])
    elif action == 4:
        parts.tensors = [parts.tensors[i] for i in rng.permutation(len(parts.tensors))]
    elif action == 5:
        one[2] = one[2][::-1] if len(one[2]) == 2 else [1, *one[2]]
    else:
        one[2], one[3] = ([0, *one[2][1:]], b"") if one[2] else ([], one[3])
    return parts.build()


def forge_tensor(rng, content):
    """Values that no packing makes: a few, or all of them, in one tensor or two of a layer."""
    parts = take_apart(content)
    for _ in range(rng.integers(1, 3)):
        name = parts.tensors[rng.integers(len(parts.tensors))][0]
        array = parts.array(name)
        flat = array.reshape(-1)
        at = rng.integers(0, flat.size, rng.integers(1, 4))
        raw = flat.view(f"u{flat.itemsize}")
        if rng.random() < 0.6:
            raw[at] += rng.choice([1, 2, 2 ** (8 * flat.itemsize) - 1], at.size).astype(raw.dtype)
        elif rng.random() < 0.5:
            raw[at] = rng.choice([0, 1, 15, 16, 127, 2 ** (8 * flat.itemsize) - 1], at.size).astype(raw.dtype)
        else:
            raw[:] = rng.permutation(raw)
        parts.set_array(name, array)
    return parts.build()


def forge_lengths(rng, content):
    """Entries added or taken from the end of a layer, in one array or in all that must agree."""
    parts = take_apart(content)
    name = parts.document["layers"][rng.integers(len(parts.document["layers"]))]["name"]
    change = int(rng.integers(-3, 4))
    for field in ("codes", "runs")[: rng.integers(1, 3)]:
        array = parts.array(f"{name}.{field}")
        longer = np.append(array, rng.integers(0, 4, max(change, 0)))
        parts.set_array(f"{name}.{field}", longer[: len(array) + change].astype(np.uint8))
    if rng.random() < 0.5:
        pointers = parts.array(f"{name}.pointers")
        pointers[-1, -1:] += np.uint32(change % 2**32)  # of an array, for it may go below zero silently
        parts.set_array(f"{name}.pointers", pointers)
    return parts.build()


FORGERIES = [forge_document, forge_header, forge_table, forge_tensor, forge_lengths]


@sizes
@pytest.mark.parametrize("make", FORGERIES, ids=lambda make: make.__name__)
def test_a_forgery_is_refused_or_is_a_sound_model(make, cases, content, tmp_path):
    accepted = run(100 + FORGERIES.index(make), make, content, tmp_path, cases)
    assert accepted < cases / 2


# Memory and time ------------------------------------------------------------------------------------------------------

MEASURE = """
import resource, sys, time
from pathlib import Path
from compressor import load_model
from compressor.storage.files import FormatError

def status(key):
    return next(int(line.split()[1]) for line in Path("/proc/self/status").open() if line.startswith(key)) * 1024

load_model(sys.argv[1])  # compiles the kernels
for path in map(Path, sys.argv[2:]):
    allowed = 10 * path.stat().st_size + 100_000_000
    # A safeguard for this machine: address space counts each thread's arena and stack too, so it is no measure.
    room = status("VmSize") + allowed + 400_000_000
    resource.setrlimit(resource.RLIMIT_AS, (room, resource.RLIM_INFINITY))
    for mmap in (True, False):
        Path("/proc/self/clear_refs").write_text("5")  # resets the peak
        before, began = status("VmHWM"), time.process_time()
        try:
            load_model(path, mmap=mmap)
            answer = "accepted"
        except FormatError as error:
            answer = f"refused {error}"
        used, seconds = status("VmHWM") - before, time.process_time() - began
        print(path.name, used, allowed, f"{seconds:.2f}", answer, sep="\\t")
"""


def header_bombs() -> dict[str, bytes]:
    room = 2 * 2**20 - 100
    wrap = b'{"a":%s}'
    return {
        "nested": with_header(wrap % (b"[" * room), b""),
        "empty objects": with_header(wrap % (b"[" + b"{}," * (room // 3) + b"{}]"), b""),
        "one key many times": with_header(b"{" + b'"a":{},' * (room // 7) + b'"a":{}}', b""),
        "many keys": with_header(b"{" + b",".join(b'"%x":{}' % i for i in range(room // 11)) + b"}", b""),
        "many tensors": with_header(
            b"{"
            + b",".join(b'"%x":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}' % i for i in range(room // 60))
            + b"}",
            b"",
        ),
    }


def document_bombs(parts: Parts) -> dict[str, bytes]:
    layer = parts.document["layers"][0]

    def with_document(**changes):
        forged = parts.copy()
        forged.document |= changes
        return forged.build()

    def with_layer(**changes):
        return with_document(layers=[layer | changes, *parts.document["layers"][1:]])

    return {
        "many layers": with_document(layers=[layer | {"name": f"{i}"} for i in range(8000)]),
        "one layer many times": with_document(layers=[layer] * 8000),
        "much provenance": with_document(provenance={f"{i:x}": "" for i in range(100_000)}),
        "rows": with_layer(n_rows=2**32 - 1),
        "columns": with_layer(n_cols=2**32 - 2),
        "PEs": with_layer(n_pe=2**32 - 1),
        "PEs beyond": with_layer(n_pe=10**12),
    }


def tensor_bombs(parts: Parts) -> dict[str, bytes]:
    single = parts.copy()
    single.document |= {"layers": [parts.document["layers"][0]]}
    single.tensors = [tensor for tensor in single.tensors if tensor[0].startswith("fc1.")]

    def with_arrays(sizes: dict[str, int], **arrays):
        forged = single.copy()
        forged.document["layers"][0] |= sizes
        for field, array in arrays.items():
            forged.set_array(f"fc1.{field}", array)
        return forged.build()

    empty = np.zeros(0, np.uint8)
    order = np.arange(3_000_000, dtype=np.uint32)
    beyond = order.copy()
    beyond[7] = 2**32 - 1
    falls = np.zeros((1001, 3000), np.uint32)
    falls[1::2] = 5
    none = {"codes": empty, "runs": empty}
    wide = {"n_rows": 12, "n_cols": 1000, "n_pe": 3000}
    return {
        "permutation": with_arrays(
            {"n_rows": order.size}, row_permutation=order, pointers=np.zeros((8, 4), np.uint32), **none
        ),
        "permutation beyond": with_arrays({"n_rows": order.size}, row_permutation=beyond),
        "permutation twice": with_arrays({"n_rows": order.size}, row_permutation=order // 2),
        "many PEs": with_arrays({"n_cols": 1, "n_pe": 2_000_000}, pointers=np.zeros((2, 2_000_000), np.uint32), **none),
        "many columns": with_arrays(
            {"n_cols": 4_000_000, "n_pe": 1}, pointers=np.zeros((4_000_001, 1), np.uint32), **none
        ),
        "all pointers fall": with_arrays(wide, pointers=falls),
        "all at the end": with_arrays(wide, pointers=np.full((1001, 3000), 2**32 - 1, np.uint32)),
        "no entries, high pointers": with_arrays(
            wide, pointers=np.concatenate([np.zeros((1, 3000)), np.full((1000, 3000), 2**32 - 1)]), **none
        ),
        "many entries": with_arrays({}, codes=np.zeros(10_000_000, np.uint8), runs=np.zeros(10_000_000, np.uint8)),
    }


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="peak memory is measured through /proc")
@pytest.mark.compiled_only
def test_forged_sizes_take_neither_memory_nor_time(content, tmp_path):
    parts = take_apart(content)
    good = tmp_path / "good.eie"
    good.write_bytes(content)
    bombs = header_bombs() | document_bombs(parts) | tensor_bombs(parts)
    paths = []
    for name, bomb in bombs.items():
        paths.append(tmp_path / f"{name}.eie")
        paths[-1].write_bytes(bomb)
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, good, *paths],
        env=os.environ | {"NUMBA_DISABLE_JIT": "0"},  # millions of columns are for compiled kernels
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    assert len(lines) == 2 * len(bombs)
    accepted = set()
    for name, used, allowed, seconds, answer in lines:
        assert int(used) <= int(allowed), (name, used, allowed)
        assert float(seconds) < 10, (name, seconds)  # of the processor: others may keep it busy
        if answer == "accepted":
            accepted.add(name.removesuffix(".eie"))
    assert accepted == {"much provenance", "permutation", "many PEs", "many columns"}
