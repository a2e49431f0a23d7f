"""Thousands of damaged and forged `.dcz` files: each is refused in one way, or is a model that holds what it promises.

The byte mutations are caught by the digest or before it. The forgeries carry the right digest, so that the checks
behind it are what is tested.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from dcz_forgery import DczParts, drawn, small_model, take_apart
from eie_forgery import with_header
from test_packed_file_mutations import DAMAGES, EVIL_NUMBERS, change_somewhere, evil, header_bombs

from compressor import CodedTensor, CompressedModel, load_compressed, save_compressed
from compressor.storage.coded_file import store
from compressor.storage.files import FormatError

FEW, MANY = 40, 1000  # cases of each kind and coder: in the plain run, and in the slow one
CODERS = ["fixed", "huffman"]

sizes = pytest.mark.parametrize("cases", [FEW, pytest.param(MANY, marks=pytest.mark.slow)])


@pytest.fixture(scope="module", params=CODERS)
def content(request) -> bytes:
    return store(small_model(), request.param).content


def outcome(path: Path, content: bytes) -> CompressedModel | None:
    """The model, or None when it was refused as it should be; anything else is an error of the test."""
    path.write_bytes(content)
    try:
        return load_compressed(path)
    except FormatError as error:
        message = str(error)
    assert message.startswith(f"{path}: ")
    assert len(message) < len(str(path)) + 600
    return None


def keeps_its_promises(model: CompressedModel, path: Path) -> None:
    """What was accepted can be used, and is stored and read again as the same model."""
    for tensor in model.tensors:
        assert tensor.dense().shape == tensor.shape
    save_compressed(model, path, "fixed", (None, 4))
    assert load_compressed(path) == model


def run(kind, make, content: bytes, tmp_path: Path, cases: int) -> int:
    """`cases` seeded cases; returns how many were accepted."""
    accepted = 0
    for case in range(cases):
        model = outcome(tmp_path / "case.dcz", make(np.random.default_rng([kind, case]), content))
        if model is not None:
            accepted += 1
            keeps_its_promises(model, tmp_path / "again.dcz")
    return accepted


# Damage ---------------------------------------------------------------------------------------------------------------


def test_every_truncation_is_refused(content, tmp_path):
    for length in [*range(0, len(content), 11), *range(len(content) - 11, len(content))]:
        assert outcome(tmp_path / "case.dcz", content[:length]) is None


@sizes
@pytest.mark.parametrize("make", DAMAGES, ids=lambda make: make.__name__)
def test_damage_is_refused_or_changes_nothing(make, cases, content, tmp_path):
    good = small_model()
    accepted = 0
    for case in range(cases):
        model = outcome(tmp_path / "case.dcz", make(np.random.default_rng([DAMAGES.index(make), case]), content))
        # Only bytes without a meaning may differ (two equal bytes swapped, white space): the model is the same.
        assert model is None or model == good
        accepted += model is not None
    assert accepted < cases / 4


# Forgeries, with the right digest -------------------------------------------------------------------------------------


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


def forge_values(rng, content):
    """Other values in the columns of one layer, some of them those of another layer."""
    parts = take_apart(content)
    n_layers = len(parts.layers["name"])
    for _ in range(rng.integers(1, 4)):
        column = sorted(parts.layers)[rng.integers(len(parts.layers))]
        values = parts.layers[column]
        values = values if len(values) == n_layers else values * n_layers
        number, other = rng.integers(n_layers, size=2)
        new = [values[other], evil(rng), int(rng.choice(EVIL_NUMBERS[:9]))][rng.integers(3)]
        parts.set_layer(int(number), **{column: new})
    return parts.build()


def forge_lengths(rng, content):
    """Bytes that move from one layer to its neighbour, or symbols that come and go: the sums stay right."""
    parts = take_apart(content)
    column = ["code_bytes", "run_bytes", "code_table_bytes", "run_table_bytes", "entries"][rng.integers(5)]
    values = list(parts.layers[column])
    if len(values) > 1:
        one, other = rng.integers(len(values), size=2)
        if rng.random() < 0.5:
            values[one], values[other] = values[other], values[one]
        else:
            moved = int(rng.integers(-3, 4))
            values[one], values[other] = values[one] + moved, values[other] - moved
        parts.layers[column] = values
    return parts.build()


def forge_shape(rng, content):
    """Another shape: of as many cells, of a few more or fewer, or of very many."""
    parts = take_apart(content)
    number = int(rng.integers(len(parts.layers["name"])))
    shape = list(parts.layers["shape"][number])
    action = rng.integers(4)
    at = rng.integers(len(shape))
    if action == 0:
        shape = shape[::-1]
    elif action == 1:
        shape[at] = max(1, shape[at] + int(rng.integers(-2, 3)))
    elif action == 2:
        shape[at] = int(10 ** rng.integers(1, 10))
    else:
        shape = [int(np.prod(shape)), 1]
    parts.set_layer(number, shape=shape, biased=bool(rng.integers(2)))
    return parts.build()


def forge_tensor(rng, content):
    """Streams, tables and numbers that no encoder makes."""
    parts = take_apart(content)
    for _ in range(rng.integers(1, 3)):
        name = parts.tensors[rng.integers(len(parts.tensors))][0]
        raw = bytearray(parts.tensor(name)[3])
        for at in rng.integers(0, len(raw), rng.integers(1, 4)):
            raw[at] = int(rng.choice([raw[at] ^ (1 << rng.integers(8)), 0, 255, rng.integers(256)]))
        parts.tensor(name)[3] = bytes(raw)
    return parts.build()


def forge_coder(rng, content):
    """Streams that are said to be of another coder."""
    parts = take_apart(content)
    column = ["code_coder", "run_coder"][rng.integers(2)]
    parts.set_layer(int(rng.integers(len(parts.layers["name"]))), **{column: CODERS[rng.integers(len(CODERS))]})
    return parts.build()


FORGERIES = [forge_document, forge_header, forge_values, forge_lengths, forge_shape, forge_tensor, forge_coder]


@sizes
@pytest.mark.parametrize("make", FORGERIES, ids=lambda make: make.__name__)
def test_a_forgery_is_refused_or_is_a_sound_model(make, cases, content, tmp_path):
    accepted = run(100 + FORGERIES.index(make), make, content, tmp_path, cases)
    assert accepted < cases


# Memory and time ------------------------------------------------------------------------------------------------------

MEASURE = """
import resource, sys, time
from pathlib import Path
from compressor import load_compressed
from compressor.storage.files import FormatError, memory_limit

def status(key):
    return next(int(line.split()[1]) for line in Path("/proc/self/status").open() if line.startswith(key)) * 1024

n_good = int(sys.argv[1])
for path in sys.argv[2 : 2 + n_good]:
    load_compressed(path)  # compiles the kernels, imports the libraries
for path in map(Path, sys.argv[2 + n_good :]):
    allowed = memory_limit(path.stat().st_size)
    # A safeguard for this machine: address space counts each thread's arena and stack too, so it is no measure.
    room = status("VmSize") + allowed + 400_000_000
    resource.setrlimit(resource.RLIMIT_AS, (room, resource.RLIM_INFINITY))
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak
    before, began = status("VmHWM"), time.process_time()
    try:
        load_compressed(path)
        answer = "accepted"
    except FormatError as error:
        answer = f"refused {error}"
    used, seconds = status("VmHWM") - before, time.process_time() - began
    print(path.stem, used, allowed, f"{seconds:.2f}", answer, sep="\\t")
"""


def model_of(*tensors: CodedTensor, **others) -> CompressedModel:
    return CompressedModel(tensors, ("none",) * len(tensors), others=others)


def cells(n_cells: int, weight_bits: int, codes=None) -> CodedTensor:
    book = np.append(0, np.arange(1, 2**weight_bits))
    return CodedTensor("fc", (1, n_cells), "linear", book, np.zeros(n_cells, np.uint8) if codes is None else codes)


def honest_giants() -> dict[str, bytes]:
    """As much as may be read, in the ways that take most memory."""
    rng = np.random.default_rng(1)
    signs = rng.integers(0, 2, 60_000_000, dtype=np.uint8)
    return {
        "empty": store(model_of(cells(80_000_000, 1)), "huffman", 8).content,
        "alone": store(model_of(cells(80_000_000, 8)), "huffman", None).content,
        "signs": store(model_of(cells(signs.size, 1, signs)), "huffman", None).content,
        "floats": store(model_of(cells(10, 1), a=np.ones(20_000_000)), "fixed", None).content,
        "fixed": store(model_of(cells(signs.size // 6, 4, signs[: signs.size // 6])), "fixed", 4).content,
    }


def bombs(content: bytes) -> dict[str, bytes]:
    """Files that ask for more than they may."""
    good = take_apart(content)

    def changed(number=0, **values) -> bytes:
        parts = good.copy()
        parts.set_layer(number, **values)
        return parts.build()

    def with_document(**changes) -> bytes:
        parts = good.copy()
        parts.document |= changes
        return parts.build()

    def many_layers(n_layers: int, coder: str = "huffman", **values) -> DczParts:
        parts = take_apart(store(model_of(drawn("fc", (4, 1000), 8, 0.5, 1)), coder, 8).content)
        for column, old in parts.layers.items():
            parts.layers[column] = [f"{n:x}" for n in range(n_layers)] if column == "name" else old
        for tensor in parts.tensors:
            tensor[3] *= n_layers
            tensor[2] = [tensor[2][0] * n_layers]
        parts.layers.update(values)
        return parts

    return {
        "shape": changed(1, shape=[16, 225_000_000]),
        "shape too large for a number": changed(1, shape=[16, 2**56]),
        "dense shape": changed(0, shape=[6, 600_000_000], entries=3_600_000_000),
        "entries": changed(1, shape=[16, 5_000_000], entries=80_000_000),
        "entries beyond": changed(1, entries=2**62),
        "bytes": changed(1, code_bytes=2**60),
        "others": with_document(others={"a": [2**32 - 1]}),
        "others without elements": with_document(others={"a": [0, 2**32 - 1, 2**20], "b": [13]}),
        "many others": with_document(others={f"{n:x}": [0] for n in range(60_000)} | {"z": [13]}),
        "much provenance": with_document(provenance={f"{n:x}": "" for n in range(100_000)}),
        **{f"layers {coder}": many_layers(1024, coder).build() for coder in CODERS},
        "layers, small streams said to be large": many_layers(1024, shape=[[4, 20_000]], entries=[80_000]).build(),
        "layers beyond": many_layers(1025).build(),
        "many names": with_document(layers=good.layers | {"name": [f"{n:x}" for n in range(150_000)]}),
        "one name": with_document(layers=good.layers | {"name": ["a"] * 300_000}),
        "deep gates": with_document(layers=good.layers | {"gates": [["a"] * 250_000]}),
    }


@pytest.mark.slow
@pytest.mark.compiled_only
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="peak memory is measured through /proc")
def test_sizes_take_neither_more_memory_nor_more_time_than_they_may(tmp_path):
    good = [tmp_path / f"good.{coder}" for coder in CODERS]
    for path, coder in zip(good, CODERS, strict=True):
        save_compressed(small_model(), path, coder)
    giants = honest_giants()
    files = giants | bombs(good[1].read_bytes()) | header_bombs()
    paths = []
    for name, content in files.items():
        paths.append(tmp_path / f"{name}.dcz")
        paths[-1].write_bytes(content)
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(len(good)), *good, *paths],
        env=os.environ | {"NUMBA_DISABLE_JIT": "0"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    assert len(lines) == len(files)
    accepted = set()
    for name, used, allowed, seconds, answer in lines:
        assert int(used) <= int(allowed), (name, used, allowed)
        assert float(seconds) < 60, (name, seconds)
        if answer == "accepted":
            accepted.add(name)
    assert accepted >= giants.keys()
    assert accepted <= giants.keys() | {
        *(f"layers {coder}" for coder in CODERS), "many others", "much provenance", "others without elements"
    }  # fmt: skip
