"""Where the bits go: the rule of the paper's tables, the bytes of the file, and the authors' real SqueezeNet."""

import sys
import zlib

import numpy as np
import pytest
from dcz_forgery import drawn, small_model
from hypothesis import given, settings
from hypothesis import strategies as st
from test_coded_file import CODERS, WIDTHS, models

from compressor import CompressedModel, save_compressed
from compressor.accounting import (
    PaperRule,
    account,
    account_file,
    fixed_width_content,
    general_coders,
    paper_rule,
)
from compressor.coding.flat_index import encode_flat, flat_statistics
from compressor.coding.huffman import code_lengths
from compressor.networks.shapes import ALEXNET, LENET_5, LENET_300_100, VGG_16
from compressor.storage.coded_file import store
from tests.examples import examples
from tests.extras import needs


def accounted(found) -> int:
    parts = [(f.codebook, f.bias, f.tables, f.codes, f.runs) for f in (row.file for row in found.rows)]
    return found.header_bytes + found.others_bytes + sum(sum(part) for part in parts)


# The file -------------------------------------------------------------------------------------------------------------


@given(models(), st.sampled_from(CODERS), st.sampled_from(WIDTHS))
@settings(deadline=None, max_examples=examples(40))
def test_every_byte_of_any_file_is_in_one_column(tmp_path_factory, model, coder, index_bits):
    path = tmp_path_factory.getbasetemp() / "accounted.dcz"
    save_compressed(model, path, coder, index_bits)
    found = account(model, coder, index_bits)
    assert accounted(found) == found.file_bytes == path.stat().st_size
    assert account_file(path) == found


def test_the_total_is_the_sum_of_the_rows():
    found = account(small_model(), index_bits=4)
    assert found.total.file.total == sum(row.file.total for row in found.rows)
    assert found.total.paper.n_entries == sum(row.paper.n_entries for row in found.rows)
    assert found.total.n_biases == sum(row.n_biases for row in found.rows) == 6 + 16 + 0 + 3 + 2
    assert found.n_others == 13
    assert found.others_bytes == 4 * 13
    numbers = 162 + 160 + 600 + 12 + 18 + 27 + 13
    assert found.dense_bytes == 4 * numbers
    assert found.file_rate == found.file_bytes / (4 * numbers)


def test_a_row_says_how_the_file_stores_the_layer():
    first, *_, last = account(small_model(), "fixed", {t.name: (None, 3) for t in small_model().tensors}).rows
    assert first.stored == "fixed codes, dense"
    assert last.stored == "fixed codes, dense"
    found = account(small_model(), "huffman", 3)
    assert found.total.stored == found.rows[0].stored == "huffman codes, huffman runs of 3 bits"


# The paper's rule -----------------------------------------------------------------------------------------------------


@given(st.integers(1, 8), st.integers(2, 8), st.sampled_from([0.0, 0.02, 0.2, 0.9]), st.integers(0, 99))
@settings(deadline=None, max_examples=examples(60))
def test_the_rule_counts_entries_words_and_codebook(weight_bits, index_bits, density, seed):
    tensor = drawn("fc", (20, 40), weight_bits, density, seed)
    codes, runs = encode_flat(tensor.codes, index_bits)
    rule = paper_rule(tensor, index_bits)
    assert (rule.n_weights, rule.n_kept, rule.n_entries) == (800, np.count_nonzero(tensor.codes), len(codes))
    assert rule.shared_bits == len(codes) * (weight_bits + index_bits) + 2**weight_bits * 32
    words = [code_lengths(np.bincount(symbols, minlength=256))[symbols].sum() for symbols in (codes, runs)]
    assert rule.huffman_bits == sum(words) + 2**weight_bits * 32
    if len(codes):
        assert rule.weight_bits == weight_bits
        assert rule.weight_bits_huffman == words[0] / len(codes)
        assert rule.index_bits_huffman == words[1] / len(codes)


def test_without_a_width_the_rule_takes_the_one_that_makes_huffman_best():
    tensor = drawn("fc", (50, 100), 4, 0.05, 1)
    best = paper_rule(tensor)
    assert best.huffman_bits == min(paper_rule(tensor, bits).huffman_bits for bits in range(2, 9))


def test_the_worked_example_of_the_paper_is_a_rate_of_3_2():
    # Deep Compression section 3: 16 weights, 4 clusters, no index: 32 * 16 bits become 2 * 16 + 32 * 4.
    rule = PaperRule(16, 16, 16, 2 * 16, 0, 2 * 16, 0, 32 * 4)
    assert 1 / rule.shared_rate == 3.2


# Deep Compression, tables 3 and 4: kept, weight bits, after Huffman, index bits, after Huffman, P+Q, P+Q+H.
# No fillers are counted here: the convolutions have hardly any. LeNet-5's conv1 has 500 weights, and two thirds of its
# rate are the codebook: its P+Q+H is 2.5 % off.
ROWS = {
    "LeNet-5 conv1": (LENET_5["conv1"], 0.66, 8, 7.2, 5, 1.5, 78.5, 67.45),
    "conv1": (ALEXNET["conv1"], 0.84, 8, 6.3, 4, 1.2, 32.6, 20.53),
    "conv2": (ALEXNET["conv2"], 0.38, 8, 5.5, 4, 2.3, 14.5, 9.43),
    "conv3": (ALEXNET["conv3"], 0.35, 8, 5.1, 4, 2.6, 13.1, 8.44),
    "conv4": (ALEXNET["conv4"], 0.37, 8, 5.2, 4, 2.5, 14.1, 9.11),
    "conv5": (ALEXNET["conv5"], 0.37, 8, 5.6, 4, 2.5, 14.0, 9.43),
}


@pytest.mark.parametrize("row", ROWS)
def test_the_rule_gives_the_rates_of_the_published_rows_within_two_or_three_percent(row):
    shape, kept, w, w_huffman, i, i_huffman, shared, huffman = ROWS[row]
    n = int(np.prod(shape))
    entries = round(kept * n)
    rule = PaperRule(
        n, entries, entries, entries * w, entries * i, round(entries * w_huffman), round(entries * i_huffman), 32 * 2**w
    )
    assert 100 * rule.shared_rate == pytest.approx(shared, rel=0.02)
    assert 100 * rule.huffman_rate == pytest.approx(huffman, rel=0.03 if row == "LeNet-5 conv1" else 0.02)


# Published P+Q, and the largest deviation of a layer whose mask is drawn at the published density. That is rounded to a
# percent, and no rule of this form explains VGG-16's conv1_1 better. A drawn mask needs more fillers than a real one,
# whose weights stand in clusters: AlexNet's fc7 implies 18.5 % fillers, a drawn mask has 28 %; VGG-16's 20 % and 37 %.
DRAWN = {
    "LeNet-300-100 ip1": (LENET_300_100["ip1"], 0.08, 6, 5, 3.1, 0.05),
    "LeNet-300-100 ip2": (LENET_300_100["ip2"], 0.09, 6, 5, 3.8, 0.10),
    "LeNet-300-100 ip3": (LENET_300_100["ip3"], 0.26, 6, 5, 15.7, 0.05),
    "LeNet-5 conv1": (LENET_5["conv1"], 0.66, 8, 5, 78.5, 0.01),
    "LeNet-5 conv2": (LENET_5["conv2"], 0.12, 8, 5, 6.0, 0.03),
    "AlexNet conv1": (ALEXNET["conv1"], 0.84, 8, 4, 32.6, 0.02),
    "AlexNet conv2": (ALEXNET["conv2"], 0.38, 8, 4, 14.5, 0.02),
    "AlexNet conv5": (ALEXNET["conv5"], 0.37, 8, 4, 14.0, 0.02),
    "AlexNet fc8": (ALEXNET["fc8"], 0.25, 5, 4, 7.3, 0.03),
    "AlexNet fc7": ((1000, 1000), 0.09, 5, 4, 3.0, 0.10),
    "VGG-16 conv1_1": (VGG_16["conv1_1"], 0.58, 8, 5, 40.0, 0.05),
    "VGG-16 fc7": ((1000, 1000), 0.04, 5, 5, 1.5, 0.15),
}


@pytest.mark.compiled_only
@pytest.mark.parametrize("row", DRAWN)
def test_a_drawn_layer_has_the_published_rate_within_the_known_deviation(row):
    shape, kept, weight_bits, index_bits, published, deviation = DRAWN[row]
    cells = np.random.default_rng(1).permutation(np.arange(np.prod(shape)) < round(kept * np.prod(shape)))
    layer = drawn(row, shape, weight_bits, 1.0, 1, "conv" if len(shape) == 4 else "linear")
    tensor = type(layer)(row, shape, layer.kind, layer.codebook, layer.codes * cells)
    rule = paper_rule(tensor, index_bits)
    assert rule.kept == pytest.approx(kept, abs=0.005)
    assert 100 * rule.shared_rate == pytest.approx(published, rel=deviation)


# The authors' SqueezeNet ----------------------------------------------------------------------------------------------

# Measured on the real file with canonical codes made by another program: entries, bytes of codes and of runs after
# Huffman coding with 4 index bits, longest word of a code.
SQUEEZENET = {
    "conv1": (13902, 12255, 1764, 14),
    "fire2/conv1x1_1": (1528, 1441, 191, 11),
    "fire2/conv1x1_2": (1020, 974, 128, 10),
    "fire2/conv3x3_2": (3073, 2873, 1026, 12),
    "fire3/conv1x1_1": (2038, 1925, 255, 11),
    "fire3/conv1x1_2": (1023, 981, 128, 10),
    "fire3/conv3x3_2": (3081, 2955, 1029, 12),
    "fire4/conv1x1_1": (4085, 3753, 511, 12),
    "fire4/conv1x1_2": (4071, 3819, 509, 12),
    "fire4/conv3x3_2": (12288, 11322, 4173, 14),
    "fire5/conv1x1_1": (8160, 7625, 1020, 13),
    "fire5/conv1x1_2": (4067, 3779, 509, 12),
    "fire5/conv3x3_2": (12343, 11202, 4111, 14),
    "fire6/conv1x1_1": (12161, 10946, 1521, 13),
    "fire6/conv1x1_2": (4602, 4352, 1151, 12),
    "fire6/conv3x3_2": (27558, 24540, 9552, 15),
    "fire7/conv1x1_1": (9205, 8532, 2300, 13),
    "fire7/conv1x1_2": (9132, 8539, 1147, 12),
    "fire7/conv3x3_2": (27564, 25530, 9380, 15),
    "fire8/conv1x1_1": (24388, 23109, 3072, 15),
    "fire8/conv1x1_2": (8190, 7827, 2045, 13),
    "fire8/conv3x3_2": (44919, 41083, 15806, 15),
    "fire9/conv1x1_1": (16371, 15257, 4095, 14),
    "fire9/conv1x1_2": (16303, 15095, 2038, 14),
    "fire9/conv3x3_2": (45038, 41661, 15554, 15),
    "conv_final": (105973, 93396, 46174, 17),
}
SQUEEZENET_WIDTHS = {  # index bits: entries, bytes of the runs at fixed width and after Huffman coding
    3: (454_054, 170_282, 126_523),
    4: (422_083, 211_048, 129_189),
    5: (416_251, 260_168, 129_653),
    6: (415_923, 311_952, 129_648),
    8: (415_921, 415_921, 129_647),
}
NET_HEADER_BYTES = 104  # of the .net file: its entry counts


def in_bytes(bits: int) -> int:
    return -(-bits // 8)


@pytest.mark.compiled_only
def test_the_huffman_columns_of_the_authors_squeezenet_are_those_that_were_measured(squeezenet_model):
    for tensor in squeezenet_model.tensors:
        rule = paper_rule(tensor, 4)
        longest = int(code_lengths(flat_statistics(tensor.codes).entry_code_counts(4), 63).max())
        *measured, longest_measured = SQUEEZENET[tensor.name]
        assert [rule.n_entries, in_bytes(rule.code_bits_huffman), in_bytes(rule.run_bits_huffman)] == measured
        # Where counts tie, codes of equal size have words of different lengths: this one's longest may be a bit longer.
        assert longest - longest_measured in (0, 1)


@pytest.mark.compiled_only
@pytest.mark.parametrize("index_bits", SQUEEZENET_WIDTHS)
def test_the_index_widths_of_the_authors_squeezenet_cost_what_was_measured(squeezenet_model, index_bits):
    rules = [paper_rule(tensor, index_bits) for tensor in squeezenet_model.tensors]
    found = (
        sum(rule.n_entries for rule in rules),
        sum(in_bytes(rule.run_bits) for rule in rules),
        sum(in_bytes(rule.run_bits_huffman) for rule in rules),
    )
    assert found == SQUEEZENET_WIDTHS[index_bits]


@pytest.mark.compiled_only
def test_the_fixed_width_columns_of_the_authors_squeezenet_are_those_of_their_file(squeezenet_model):
    file = account(squeezenet_model, "fixed", 4).total.file
    assert (file.codebook, file.bias, file.tables, file.codes, file.runs) == (26_624, 15_904, 0, 422_083, 211_048)
    assert file.total + NET_HEADER_BYTES == 675_763
    assert account(squeezenet_model, "fixed", (None, 4)).total.file.total + NET_HEADER_BYTES == 625_631


@pytest.mark.compiled_only
def test_the_file_costs_what_the_rule_says_but_for_tables_and_words_of_at_most_15_bits(squeezenet_layers):
    found = account(squeezenet_layers, "huffman", 4)
    assert 384_771 <= found.total.file.codes <= 384_771 + 10  # conv_final's longest word would be 17 bits
    assert found.total.file.runs == 129_189
    assert found.total.file.tables <= 4_420  # what 5 bits a symbol would take
    assert found.file_bytes <= 561_012 + 3_000  # with names, shapes and digest, which the .net file has not


@pytest.mark.compiled_only
def test_fixed_width_content_is_the_authors_file_without_its_header(squeezenet_model, tmp_path):
    from compressor.importers import write_deep_compression_net

    write_deep_compression_net(squeezenet_model, tmp_path / "model.net")
    assert fixed_width_content(squeezenet_model) == (tmp_path / "model.net").read_bytes()[NET_HEADER_BYTES:]


@pytest.mark.slow
@pytest.mark.compiled_only
def test_brotli_beats_huffman_on_the_authors_squeezenet(squeezenet_layers):
    for library in ("zstandard", "brotli"):
        needs(library, "formats")
    sizes = general_coders(squeezenet_layers)
    huffman = len(store(squeezenet_layers, "huffman").content)
    assert sizes["brotli"] < huffman < sizes["zstd"] < sizes["zlib"]


# General-purpose coders -----------------------------------------------------------------------------------------------


def test_general_coders_take_a_model_its_file_or_bytes(tmp_path):
    model = small_model()
    save_compressed(model, tmp_path / "model.dcz")
    found = general_coders(model)
    assert found == general_coders(tmp_path / "model.dcz") == general_coders(fixed_width_content(model))
    assert found["zlib"] == len(zlib.compress(fixed_width_content(model), 9))


def test_general_coders_of_the_extra_are_measured():
    zstandard, brotli = needs("zstandard", "formats"), needs("brotli", "formats")
    content = fixed_width_content(small_model())
    found = general_coders(content)
    assert found["zstd"] == len(zstandard.ZstdCompressor(level=19).compress(content))
    assert found["brotli"] == len(brotli.compress(content, quality=11))


def test_a_coder_that_is_not_installed_is_none(monkeypatch):
    monkeypatch.setitem(sys.modules, "zstandard", None)
    monkeypatch.setitem(sys.modules, "brotli", None)
    assert general_coders(b"x" * 100) == {"zlib": len(zlib.compress(b"x" * 100, 9)), "zstd": None, "brotli": None}


def test_parameters_that_are_not_compressed_are_part_of_the_content():
    model = small_model()
    alone = CompressedModel(model.tensors, model.activations)
    assert len(fixed_width_content(model)) == len(fixed_width_content(alone)) + 4 * 13
