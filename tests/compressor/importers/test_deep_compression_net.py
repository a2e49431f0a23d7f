"""The Deep Compression authors' .net files: the real SqueezeNet, layers made by hand, and thousands of damaged ones."""

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compressor import CodedTensor, CompressedModel
from compressor.importers import read_deep_compression_net, write_deep_compression_net
from compressor.networks.shapes import (
    ALEXNET,
    LENET_5,
    LENET_300_100,
    SQUEEZENET_1_0,
    SQUEEZENET_1_1,
    VGG_16,
)
from compressor.storage.files import FormatError
from tests.examples import examples

FEW, MANY = 400, 5000  # damaged files of each kind: in the plain run, and in the slow one
REAL_BYTES = 675_763

# Measured on the real file: weights, entries, fillers, codes in use, longest run, bytes.
REAL_LAYERS = {
    "conv1": (13902, 13902, 0, 255, 2, 22261),
    "fire2/conv1x1_1": (1528, 1528, 0, 255, 1, 3380),
    "fire2/conv1x1_2": (1020, 1020, 0, 255, 1, 2810),
    "fire2/conv3x3_2": (3039, 3073, 34, 256, 15, 5890),
    "fire3/conv1x1_1": (2038, 2038, 0, 255, 1, 4145),
    "fire3/conv1x1_2": (1023, 1023, 0, 255, 1, 2815),
    "fire3/conv3x3_2": (3039, 3081, 42, 256, 15, 5902),
    "fire4/conv1x1_1": (4085, 4085, 0, 255, 1, 7280),
    "fire4/conv1x1_2": (4071, 4071, 0, 255, 1, 7643),
    "fire4/conv3x3_2": (12156, 12288, 132, 256, 15, 19968),
    "fire5/conv1x1_1": (8160, 8160, 0, 255, 1, 13392),
    "fire5/conv1x1_2": (4067, 4067, 0, 255, 1, 7637),
    "fire5/conv3x3_2": (12147, 12343, 196, 256, 15, 20051),
    "fire6/conv1x1_1": (12161, 12161, 0, 255, 1, 19458),
    "fire6/conv1x1_2": (4602, 4602, 0, 255, 13, 8695),
    "fire6/conv3x3_2": (27325, 27558, 233, 256, 15, 43129),
    "fire7/conv1x1_1": (9205, 9205, 0, 255, 14, 15024),
    "fire7/conv1x1_2": (9129, 9132, 3, 256, 15, 15490),
    "fire7/conv3x3_2": (27336, 27564, 228, 256, 15, 43138),
    "fire8/conv1x1_1": (24388, 24388, 0, 255, 3, 37862),
    "fire8/conv1x1_2": (8187, 8190, 3, 256, 15, 14333),
    "fire8/conv3x3_2": (44144, 44919, 775, 256, 15, 69427),
    "fire9/conv1x1_1": (16370, 16371, 1, 256, 15, 25837),
    "fire9/conv1x1_2": (16303, 16303, 0, 255, 1, 26503),
    "fire9/conv3x3_2": (44173, 45038, 865, 256, 15, 69605),
    "conv_final": (102323, 105973, 3650, 256, 15, 163984),
}

SMALL = {"conv1": (4, 3, 3, 3), "fc2": (5, 36), "ip3": (3, 5)}


def nibbles(numbers):
    padded = [*numbers, 0] if len(numbers) % 2 else list(numbers)
    return bytes(low | high << 4 for low, high in zip(padded[::2], padded[1::2], strict=True))


def file_of(*layers):
    """A file by hand, each layer (codebook, bias, codes, runs), 8-bit codes where the codebook has 256 values."""
    content = np.array([len(codes) for _, _, codes, _ in layers], "<u4").tobytes()
    for codebook, bias, codes, runs in layers:
        content += np.asarray(codebook, "<f4").tobytes() + np.asarray(bias, "<f4").tobytes()
        content += (bytes(codes) if len(codebook) == 256 else nibbles(codes)) + nibbles(runs)
    return content


def small_model(seed=0, density=0.3, shapes=SMALL):
    rng = np.random.default_rng(seed)
    tensors = []
    for name, shape in shapes.items():
        n_codes = 256 if "conv" in name else 16
        book = np.append(0, rng.normal(size=n_codes - 1))
        codes = rng.integers(1, n_codes, math.prod(shape)) * (rng.random(math.prod(shape)) < density)
        kind = "conv" if "conv" in name else "linear"
        tensors.append(CodedTensor(name, shape, kind, book, codes.astype(np.uint8), rng.normal(size=shape[0])))
    return CompressedModel(tuple(tensors), ("relu",) * len(shapes))


def written(model, path):
    write_deep_compression_net(model, path)
    return path.read_bytes()


def layers_of(content, shapes):
    """A second, plain reading of a file: name -> (codebook, bias, codes, runs), all lists of Python numbers."""
    counts = [int.from_bytes(content[4 * i : 4 * i + 4], "little") for i in range(len(shapes))]
    at, found = 4 * len(shapes), {}
    for (name, shape), n in zip(shapes.items(), counts, strict=True):
        bits = 8 if "conv" in name else 4

        def take(n_bytes):
            nonlocal at
            at += n_bytes
            return content[at - n_bytes : at]

        def symbols(n, bits):
            if bits == 8:
                return list(take(n))
            return [half for byte in take((n + 1) // 2) for half in (byte & 15, byte >> 4)][:n]

        book = np.frombuffer(take(4 * 2**bits), "<f4")
        bias = np.frombuffer(take(4 * shape[0]), "<f4")
        found[name] = (book, bias, symbols(n, bits), symbols(n, 4))
    assert at == len(content)
    return found


def weights_of(layer, shape):
    book, _, codes, runs = layer
    weights = np.zeros(math.prod(shape), np.float32)
    at = -1
    for code, run in zip(codes, runs, strict=True):
        at += run + 1
        weights[at] = book[code]
    return weights.reshape(shape)


# The real file --------------------------------------------------------------------------------------------------------


@pytest.mark.reference_data
def test_the_real_squeezenet_is_written_back_byte_for_byte(squeezenet, tmp_path):
    content = squeezenet.read_bytes()
    assert len(content) == REAL_BYTES
    assert written(read_deep_compression_net(squeezenet), tmp_path / "again.net") == content


@pytest.mark.reference_data
def test_the_layers_of_the_real_squeezenet_are_those_that_were_measured(squeezenet):
    model = read_deep_compression_net(squeezenet)
    plain = layers_of(squeezenet.read_bytes(), SQUEEZENET_1_0)
    assert [tensor.name for tensor in model.tensors] == list(REAL_LAYERS) == list(SQUEEZENET_1_0)
    for tensor in model.tensors:
        book, bias, codes, runs = plain[tensor.name]
        n_bytes = 4 * (len(book) + len(bias)) + len(codes) + -(-len(runs) // 2)
        found = (np.count_nonzero(tensor.codes), len(codes), codes.count(0), len(set(codes)), max(runs), n_bytes)
        assert found == REAL_LAYERS[tensor.name], tensor.name
        assert np.array_equal(tensor.dense(), weights_of(plain[tensor.name], tensor.shape))
        assert np.array_equal(tensor.bias, bias)
        assert (tensor.kind, tensor.weight_bits, tensor.shape) == ("conv", 8, SQUEEZENET_1_0[tensor.name])
    assert sum(tensor.codes.size + tensor.bias.size for tensor in model.tensors) == 1_248_424
    assert sum(np.count_nonzero(tensor.codes) for tensor in model.tensors) == 415_921
    assert set(model.activations) == {"relu"}
    assert dict(model.provenance) == {"source": "Deep Compression compressed_SqueezeNet.net"}


@pytest.mark.reference_data
def test_the_real_squeezenet_does_not_pass_for_another_network(squeezenet):
    for shapes in (SQUEEZENET_1_1, LENET_5, dict(reversed(SQUEEZENET_1_0.items()))):
        with pytest.raises(FormatError):
            read_deep_compression_net(squeezenet, shapes)


# Layers by hand -------------------------------------------------------------------------------------------------------


def test_codes_of_four_bits_come_two_to_a_byte_the_first_in_the_low_bits(tmp_path):
    book = np.arange(16) / 16
    content = np.array([3], "<u4").tobytes() + book.astype("<f4").tobytes() + np.array([7, 8], "<f4").tobytes()
    content += bytes([0x21, 0x0F, 0x10, 0x02])  # codes 1, 2, 15; runs 0, 1, 2
    (tmp_path / "a.net").write_bytes(content)
    model = read_deep_compression_net(tmp_path / "a.net", {"fc": (2, 4)})
    assert model.tensors[0].codes.tolist() == [1, 0, 2, 0, 0, 15, 0, 0]
    assert model.tensors[0].bias.tolist() == [7, 8]
    assert model.tensors[0].kind == "linear"
    assert written(model, tmp_path / "b.net") == content


def test_a_filler_steps_over_sixteen_cells(tmp_path):
    book = np.arange(16)
    content = file_of((book, [0], [0, 3], [15, 15]))
    (tmp_path / "a.net").write_bytes(content)
    model = read_deep_compression_net(tmp_path / "a.net", {"ip": (1, 33)})
    assert np.flatnonzero(model.tensors[0].codes).tolist() == [31]
    assert written(model, tmp_path / "b.net") == content


def test_rows_do_not_restart_the_runs(tmp_path):
    (tmp_path / "a.net").write_bytes(file_of((np.arange(16), [0, 0, 0], [1, 2], [2, 3])))
    model = read_deep_compression_net(tmp_path / "a.net", {"ip": (3, 3)})
    assert model.tensors[0].dense().tolist() == [[0, 0, 1], [0, 0, 0], [2, 0, 0]]


def test_a_layer_without_any_weight_has_no_entries(tmp_path):
    content = file_of((np.arange(16), [1], [], []))
    (tmp_path / "a.net").write_bytes(content)
    model = read_deep_compression_net(tmp_path / "a.net", {"fc": (1, 9)})
    assert not model.tensors[0].codes.any()
    assert written(model, tmp_path / "b.net") == content


def test_a_codebook_may_hold_a_value_twice_and_in_any_order(tmp_path):
    content = file_of(([0, 3, 3, -1, 0, *range(11)], [1], [4, 2, 1], [0, 0, 0]))
    (tmp_path / "a.net").write_bytes(content)
    assert written(read_deep_compression_net(tmp_path / "a.net", {"fc": (1, 3)}), tmp_path / "b.net") == content


def test_activation_functions_can_be_given(tmp_path):
    write_deep_compression_net(small_model(), tmp_path / "a.net")
    model = read_deep_compression_net(tmp_path / "a.net", SMALL, activations=["relu", "tanh", "none"])
    assert model.activations == ("relu", "tanh", "none")


@settings(deadline=None, max_examples=examples(60))
@given(
    shape=st.sampled_from([(1, 1), (3, 7), (2, 40), (16, 33)]),
    kernel=st.sampled_from([(), (1, 1), (3, 3)]),
    density=st.sampled_from([0, 0.01, 0.1, 0.5, 1]),
    seed=st.integers(0, 1000),
)
def test_what_is_written_is_read_again(tmp_path_factory, shape, kernel, density, seed):
    shapes = {"fc": shape, "a/conv": shape + (kernel or (1,))}
    model, path = small_model(seed, density, shapes), tmp_path_factory.mktemp("net") / "a.net"
    content = written(model, path)
    again = read_deep_compression_net(path, shapes)
    assert again.tensors == model.tensors
    assert written(again, path) == content
    for tensor, layer in zip(model.tensors, layers_of(content, shapes).values(), strict=True):
        assert np.array_equal(weights_of(layer, tensor.shape), tensor.dense())


# What is refused ------------------------------------------------------------------------------------------------------

BOOK = np.arange(16)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (file_of((BOOK, [0], [0, 1], [14, 0])), "fc: entry 0: code 0 with run 14"),
        (file_of((BOOK, [0], [1, 0], [0, 15])), "fc: entry 1: a filler, but no weight follows"),
        (file_of((BOOK, [0], [1, 1], [15, 4])), "fc: entry 1: stands in cell 20, but the tensor ends at cell 19"),
        (file_of((BOOK + 1, [0], [1], [0])), "fc: codebook: value 0 is 1"),
        (file_of(([0, np.inf, *range(14)], [0], [1], [0])), "fc: codebook: inf"),
        (file_of((BOOK, [np.nan], [1], [0])), "fc: bias: nan"),
        (file_of((BOOK, [0], [1, 1, 1], [0, 0, 0]))[:-3] + b"\x11\x00\x00", "fc: codes: .* must be zero|fc: entry"),
        (file_of((BOOK, [0], [1], [0]))[:-2] + b"\x21\x00", "fc: codes: .*must be zero"),
        (file_of((BOOK, [0], [1], [0]))[:-1] + b"\x10", "fc: runs: .*must be zero"),
        (file_of((BOOK, [0], [1], [0])) + b"\x00", "size: 75 bytes, but .* make 74"),
        (file_of((BOOK, [0], [1], [0]))[:-1], "size: 73 bytes, but .* make 74"),
        (b"\x01\x00\x00", "size: 3 bytes"),
        (b"", "size: 0 bytes"),
        (b"\xff\xff\xff\xff", "fc: 4294967295 entries, but shape .* has 20 cells"),
        (file_of((BOOK, [0], [1] * 21, [0] * 21)), "fc: 21 entries"),
    ],
)
def test_a_malformed_file_is_refused_by_name(tmp_path, content, match):
    path = tmp_path / "bad.net"
    path.write_bytes(content)
    with pytest.raises(FormatError, match=match) as caught:
        read_deep_compression_net(path, {"fc": (1, 20)})
    assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize(
    ("shapes", "match"),
    [
        ({}, "at least one"),
        ([("fc", (1, 2))], "must map"),
        ({"pool": (1, 2)}, "'pool', but a .net file holds layers with conv, fc, ip"),
        ({"fc": (0, 2)}, "shape of 'fc': 0"),
        ({"fc": (2,)}, "at least two dimensions"),
        ({"fc": (1.5, 2)}, "is not an integer"),
    ],
)
def test_shapes_that_are_none_are_refused(tmp_path, shapes, match):
    (tmp_path / "a.net").write_bytes(b"")
    with pytest.raises(ValueError, match=match):
        read_deep_compression_net(tmp_path / "a.net", shapes)


def test_a_missing_file_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_deep_compression_net(tmp_path / "none.net")


def tensor_of(**changes):
    settings = {"name": "fc", "shape": (4, 2), "kind": "linear", "codebook": BOOK, "codes": [1] * 8, "bias": [0] * 4}
    return CodedTensor(**{**settings, **changes})


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"name": "layer"}, "'layer', but a .net file holds"),
        ({"bias": None}, "bias: 'fc' has none"),
        ({"kind": "lstm", "gates": ("i", "f", "g", "o")}, "kind: 'lstm' of 'fc'"),
        ({"codebook": np.arange(256)}, "weight_bits: 8 of 'fc', but it must be 4"),
        ({"name": "conv", "kind": "conv"}, "weight_bits: 4 of 'conv', but it must be 8"),
        ({"name": "conv"}, "kind: 'linear' of 'conv'"),
        ({"codebook": np.arange(8)}, "weight_bits: 3"),
    ],
)
def test_a_tensor_that_the_format_cannot_hold_is_refused_and_nothing_is_written(tmp_path, changes, match):
    with pytest.raises(ValueError, match=match):
        write_deep_compression_net(CompressedModel((tensor_of(**changes),), ("none",)), tmp_path / "a.net")
    assert not list(tmp_path.iterdir())


def test_other_parameters_have_no_place_in_the_file(tmp_path):
    model = CompressedModel((tensor_of(),), ("none",), others={"norm.weight": [1.0]})
    with pytest.raises(ValueError, match=r"others: 'norm\.weight' has no place"):
        write_deep_compression_net(model, tmp_path / "a.net")


# Damage ---------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def content(tmp_path_factory) -> bytes:
    return written(small_model(), tmp_path_factory.mktemp("good") / "good.net")


def outcome(path, content):
    """True when the file was accepted; it is then written back as it was, and every number in it is sound."""
    path.write_bytes(content)
    try:
        model = read_deep_compression_net(path, SMALL)
    except FormatError as error:
        message = str(error)
    else:
        is_sound(model)
        assert written(model, path) == content
        return True
    assert message.startswith(f"{path}: ")
    assert len(message) < len(str(path)) + 600
    return False


def is_sound(model):
    for tensor in model.tensors:
        assert tensor.shape == SMALL[tensor.name]
        assert np.isfinite(tensor.dense()).all()
        assert np.isfinite(tensor.bias).all()


def test_every_truncation_and_every_addition_is_refused(content, tmp_path):
    for length in range(0, len(content), 3):
        assert not outcome(tmp_path / "case.net", content[:length])
    for more in (1, 2, 4, 1000):
        assert not outcome(tmp_path / "case.net", content + bytes(more))


def flip_bits(rng, content):
    changed = bytearray(content)
    for at in rng.integers(0, len(changed), rng.integers(1, 4)):
        changed[at] ^= 1 << rng.integers(8)
    return bytes(changed)


def flip_a_bit_of_an_entry(rng, content):
    """In the codes and runs of the last two layers, where the codebooks leave few bytes to hit."""
    changed = bytearray(content)
    plain = layers_of(content, SMALL)
    n = [len(plain[name][2]) for name in SMALL]
    conv = 4 * 3 + 4 * (256 + 4)
    changed[conv + int(rng.integers(n[0] + n[0] // 2))] ^= 1 << int(rng.integers(8))
    tail = n[2] // 2 * 2
    changed[len(changed) - 1 - int(rng.integers(max(tail, 1)))] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def forge_a_count(rng, content):
    changed = bytearray(content)
    number = int(rng.choice([0, 1, 2, 2**31, 2**32 - 1, 10**6, int(rng.integers(200))]))
    at = 4 * int(rng.integers(len(SMALL)))
    changed[at : at + 4] = number.to_bytes(4, "little")
    return bytes(changed)


def move_a_count(rng, content):
    """Entries go from one layer to another, so that the size still fits or nearly fits."""
    counts = np.frombuffer(content[:12], "<u4").astype(np.int64)
    one, other = rng.integers(0, 3, 2)
    step = int(rng.integers(1, 5))
    counts[one] = max(counts[one] - step, 0)
    counts[other] += step
    return counts.astype("<u4").tobytes() + content[12:]


def cut_and_paste(rng, content):
    begin, end = sorted(rng.integers(0, len(content), 2))
    end = min(end, begin + int(rng.integers(1, 100)))
    stretch = content[begin:end]
    other = [b"", stretch * 2, bytes(len(stretch)), rng.bytes(len(stretch)), stretch[::-1]]
    return content[:begin] + other[rng.integers(len(other))] + content[end:]


@pytest.mark.parametrize("cases", [FEW, pytest.param(MANY, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "make", [flip_bits, flip_a_bit_of_an_entry, forge_a_count, move_a_count, cut_and_paste], ids=lambda f: f.__name__
)
def test_a_damaged_file_is_refused_or_is_a_model_that_is_written_back_as_it_was(make, cases, content, tmp_path):
    accepted = sum(outcome(tmp_path / "case.net", make(np.random.default_rng(case), content)) for case in range(cases))
    assert accepted < cases


def test_shapes_that_would_take_too_much_memory_are_refused_before_any_is_taken(tmp_path):
    path, shapes = tmp_path / "a.net", {"fc6": (2**16, 2**16)}
    path.write_bytes(bytes(4 + 64 + 4 * 2**16))
    with pytest.raises(FormatError, match="shapes: reading takes"):
        read_deep_compression_net(path, shapes)


VGG_PERCENT = [58, 22, 34, 36, 53, 24, 42, 32, 27, 34, 35, 29, 36, 4, 4, 23]  # weights kept (Deep Compression, table 5)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is in KB on Linux")
def test_vgg_16_at_its_published_density_is_read_within_the_memory_of_ten_files_and_100_mb(tmp_path):
    path, layers = tmp_path / "vgg.net", []
    for (name, shape), percent in zip(VGG_16.items(), VGG_PERCENT, strict=True):
        n_cells = math.prod(shape)
        n = n_cells * percent // 100 * (13 if percent < 10 else 10) // 10  # with the fillers of the sparsest layers
        run = min(n_cells // n - 1, 15)
        packed = (n + 1) // 2
        codes = b"\x01" * n if "conv" in name else b"\x11" * (n // 2) + b"\x01" * (n % 2)
        runs = (bytes([run | run << 4]) * packed)[: n // 2] + bytes([run]) * (n % 2)
        layers.append((n, np.arange(256 if "conv" in name else 16), shape[0], codes, runs))
    with path.open("wb") as file:
        file.write(np.array([n for n, *_ in layers], "<u4").tobytes())
        for _, book, n_rows, codes, runs in layers:
            file.write(book.astype("<f4").tobytes() + bytes(4 * n_rows) + codes + runs)
    code = (
        "import sys, resource; from compressor.importers import read_deep_compression_net as read\n"
        "from compressor.networks.shapes import VGG_16\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024\n"
        "before = peak(); model = read(sys.argv[1], VGG_16); print(peak() - before)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 10 * path.stat().st_size + 100_000_000


# The shapes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shapes", "n_weights"),
    [  # the sums of the papers' tables: 266K, 431K, 61M, 138M; SqueezeNet with its biases 1,248,424
        (LENET_300_100, 266_200),
        (LENET_5, 430_500),
        (ALEXNET, 60_954_656),
        (VGG_16, 138_344_128),
        (SQUEEZENET_1_0, 1_248_424 - 3_976),
        (SQUEEZENET_1_1, 1_235_496 - 3_944),
    ],
    ids=["LENET_300_100", "LENET_5", "ALEXNET", "VGG_16", "SQUEEZENET_1_0", "SQUEEZENET_1_1"],
)
def test_the_shapes_add_up_to_the_published_numbers_of_weights(shapes, n_weights):
    assert sum(math.prod(shape) for shape in shapes.values()) == n_weights


def test_the_shapes_need_no_torch():
    code = "import sys, compressor.networks.shapes; print('torch' in sys.modules, 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False False\n"
