"""Packing: entries are those of the definition, and what is packed decodes to itself."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compressor import PackedLayer, pack_codes, pack_sparse
from compressor.interleave import check_row_permutation, rows_in_pe, stored_row_of
from tests.examples import examples

BOOK4 = np.append(0, np.linspace(-1, 1, 15)).astype(np.float32)


def column(values) -> np.ndarray:
    return np.reshape(values, (-1, 1))


def entries_of(layer: PackedLayer, pe: int, column: int) -> list[tuple[int, int]]:
    """The (code, run) pairs of one column in one PE."""
    begin, end = (int(layer.entry_base[pe] + layer.pointers[column + x, pe]) for x in (0, 1))
    return list(zip(layer.codes[begin:end].tolist(), layer.runs[begin:end].tolist(), strict=True))


def naive_entries(codes: np.ndarray, n_pe: int, index_bits: int, pe: int, column: int) -> list[tuple[int, int]]:
    """The same from the definition: walk down the rows of the PE, count zeros, fill before a weight."""
    longest = 2**index_bits - 1
    entries, zeros = [], 0
    for i in range(pe, len(codes), n_pe):
        if codes[i, column] == 0:
            zeros += 1
            continue
        while zeros > longest:
            entries.append((0, longest))
            zeros -= longest + 1
        entries.append((int(codes[i, column]), zeros))
        zeros = 0
    return entries


@st.composite
def packings(draw):
    """Codes (rows, columns) of any density, a bias or none, and the arguments to pack them."""
    n_rows, n_cols = draw(st.tuples(st.integers(1, 40), st.integers(1, 8)))
    weight_bits = draw(st.integers(1, 8))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    codes = rng.integers(1, 2**weight_bits, (n_rows, n_cols)) * (rng.random((n_rows, n_cols)) < draw(st.floats(0, 1)))
    bias = rng.integers(0, 2**weight_bits, n_rows) if draw(st.booleans()) else None
    order = rng.permutation(n_rows) if draw(st.booleans()) else None
    return codes, {
        "codebook": np.append(0, rng.normal(size=2**weight_bits - 1)),
        "n_pe": draw(st.integers(1, 50)),
        "index_bits": draw(st.integers(2, 8)),
        "bias_codes": bias,
        "row_permutation": order,
    }


# The paper's own vectors ----------------------------------------------------------------------------------------------


def test_the_column_printed_in_section_3b_of_the_paper():
    layer = pack_codes(column([0, 0, 1, 2, *[0] * 18, 3]), [0, 1, 2, 3], n_pe=1, index_bits=4)
    assert layer.codes.tolist() == [1, 2, 0, 3]
    assert layer.runs.tolist() == [2, 0, 15, 2]
    assert layer.pointers.tolist() == [[0], [4]]
    assert (layer.n_entries, layer.n_fillers) == (4, 1)


def test_the_memory_layout_of_pe_0_in_figure_3_of_the_paper():
    weights = [
        (0, 0),
        (8, 0),
        (12, 0),
        (4, 1),
        (0, 2),
        (12, 2),
        (0, 4),
        (4, 4),
        (0, 5),
        (12, 5),
        (0, 6),
        (8, 7),
        (12, 7),
    ]
    codes = np.zeros((16, 8), np.uint8)
    for number, (i, j) in enumerate(weights, 1):
        codes[i, j] = number
    layer = pack_codes(codes, np.arange(16), n_pe=4, index_bits=4)
    assert layer.runs.tolist() == [0, 1, 0, 1, 0, 2, 0, 0, 0, 2, 0, 2, 0]
    assert layer.codes.tolist() == list(range(1, 14))
    assert layer.pointers[:, 0].tolist() == [0, 3, 4, 6, 6, 8, 10, 11, 13]
    assert not layer.pointers[:, 1:].any()


# Encoding -------------------------------------------------------------------------------------------------------------


@settings(max_examples=examples(80))
@given(packings())
def test_entries_are_those_of_the_definition(packing):
    codes, arguments = packing
    layer = pack_codes(codes, **arguments)
    order = range(len(codes)) if arguments["row_permutation"] is None else arguments["row_permutation"]
    stored = codes[order]
    if arguments["bias_codes"] is not None:
        stored = np.column_stack([stored, arguments["bias_codes"][order]])
    assert layer.pointers.shape == (stored.shape[1] + 1, layer.n_pe)
    for pe in range(layer.n_pe):
        for j in range(stored.shape[1]):
            expected = naive_entries(stored, layer.n_pe, layer.index_bits, pe, j)
            assert entries_of(layer, pe, j) == expected


@settings(max_examples=examples(80))
@given(packings())
def test_what_was_packed_decodes_to_itself(packing):
    codes, arguments = packing
    layer = pack_codes(codes, **arguments)
    assert np.array_equal(layer.decode(), codes)
    assert layer.decode().dtype == np.uint8
    codebook = arguments["codebook"].astype(np.float32)
    assert np.array_equal(layer.dense(), codebook[codes])
    bias = arguments["bias_codes"]
    assert layer.has_bias == (bias is not None)
    if bias is None:
        assert layer.coded_bias() is None
        assert not layer.bias_codes.any()
    else:
        assert np.array_equal(layer.bias_codes, bias)
        assert np.array_equal(layer.coded_bias(), codebook[bias])
    assert layer.density == np.count_nonzero(codes) / codes.size


@settings(max_examples=examples(60))
@given(packings(), st.integers(1, 50), st.integers(2, 8), st.integers(0, 99))
def test_repacking_there_and_back_is_the_identity(packing, n_pe, index_bits, seed):
    codes, arguments = packing
    layer = pack_codes(codes, **arguments)
    order = np.random.default_rng(seed).permutation(layer.n_rows)
    there = layer.repack(n_pe, index_bits, order, name="there")
    assert (there.name, there.n_pe, there.index_bits) == ("there", n_pe, index_bits)
    assert there == pack_codes(
        codes, **arguments | {"n_pe": n_pe, "index_bits": index_bits, "row_permutation": order}, name="there"
    )
    before = np.arange(layer.n_rows) if layer.row_permutation is None else layer.row_permutation
    back = there.repack(layer.n_pe, layer.index_bits, before, name=layer.name)
    for field in ("codes", "runs", "pointers", "codebook"):
        assert np.array_equal(getattr(back, field), getattr(layer, field))
    assert layer.repack() == layer


@settings(max_examples=examples(60))
@given(packings())
def test_sparse_columns_in_any_order_pack_to_the_same_layer(packing):
    codes, arguments = packing
    rng = np.random.default_rng(codes.size)
    rows, indptr = [], [0]
    for j in range(codes.shape[1]):
        rows.extend(rng.permutation(np.flatnonzero(codes[:, j])))
        rows.extend(np.flatnonzero(codes[:, j] == 0)[:2])  # a code 0 that is named is dropped
        indptr.append(len(rows))
    columns = np.repeat(np.arange(codes.shape[1]), np.diff(indptr))
    packed = pack_sparse(indptr, rows, codes[rows, columns] if rows else [], codes.shape, **arguments)
    assert packed == pack_codes(codes, **arguments)


@pytest.mark.parametrize("bits", range(2, 9))
@pytest.mark.parametrize("fillers", [0, 1, 2, 3])
def test_runs_about_a_power_of_two_take_the_fillers_they_need(bits, fillers):
    longest = 2**bits - 1
    for zeros, run in [(longest, longest), (longest + 1, 0), (longest + 2, 1)]:
        more = zeros > longest
        layer = pack_codes(column([0] * (fillers * 2**bits + zeros) + [1]), [0, 1], 1, bits)
        expected = [(0, longest)] * (fillers + more) + [(1, run)]
        assert entries_of(layer, 0, 0) == expected
        assert layer.n_fillers == fillers + more
        assert layer.decode().ravel().tolist() == [0] * (fillers * 2**bits + zeros) + [1]


def test_zeros_after_the_last_weight_take_no_filler():
    layer = pack_codes(column([1] + [0] * 1000), [0, 1], 1, 2)
    assert entries_of(layer, 0, 0) == [(1, 0)]


def test_a_run_does_not_go_on_in_the_next_column():
    layer = pack_codes([[1, 0], [0, 0], [0, 1]], [0, 1], 1, 2)
    assert entries_of(layer, 0, 1) == [(1, 2)]


def test_zeros_count_among_the_rows_of_the_pe_alone():
    layer = pack_codes(column([0, 1, 0, 1, 0, 0, 0, 1, 1]), [0, 1], 2, 4)
    assert entries_of(layer, 0, 0) == [(1, 4)]
    assert entries_of(layer, 1, 0) == [(1, 0), (1, 0), (1, 1)]


def test_an_empty_column_has_equal_pointers():
    layer = pack_codes([[1, 0, 1], [1, 0, 1]], [0, 1], 2, 4)
    assert layer.pointers.tolist() == [[0, 0], [1, 1], [1, 1], [2, 2]]


def test_an_empty_pe_has_no_entries():
    layer = pack_codes([[1, 1], [0, 0], [1, 0]], [0, 1], 3, 4)
    assert layer.entries_per_pe.tolist() == [2, 0, 1]
    assert layer.entry_base.tolist() == [0, 2, 2]


def test_more_pes_than_rows_leave_pes_without_rows():
    layer = pack_codes([[1], [1]], [0, 1], 5, 4)
    assert rows_in_pe(2, 5).tolist() == [1, 1, 0, 0, 0]
    assert layer.entries_per_pe.tolist() == [1, 1, 0, 0, 0]
    assert layer.decode().tolist() == [[1], [1]]


def test_a_layer_without_a_weight_is_a_layer():
    layer = pack_codes(np.zeros((3, 2), np.uint8), [0, 1], 2, 4)
    assert (layer.n_entries, layer.n_fillers, layer.density) == (0, 0, 0.0)
    assert layer.repack(3).decode().tolist() == [[0, 0]] * 3


def test_a_bias_of_zeros_is_still_a_bias():
    layer = pack_codes([[1]], [0, 1], 1, 4, bias_codes=[0])
    assert layer.has_bias
    assert layer.coded_bias().tolist() == [0]
    assert layer.repack(2).has_bias


def test_repacking_keeps_the_bias_itself():
    layer = pack_codes([[1, 2], [0, 3]], [0, 1, 2, 3], 2, 4, bias=[0.1, -0.2])
    moved = layer.repack(1, 2, [1, 0])
    assert moved.bias.tolist() == layer.bias.tolist() == np.array([0.1, -0.2], np.float32).tolist()
    assert not moved.has_bias
    assert moved.repack(2, 4, range(2)) == layer
    assert layer != pack_codes([[1, 2], [0, 3]], [0, 1, 2, 3], 2, 4, bias=[0.1, 0.2])


def test_the_bias_is_the_last_pointer_column():
    layer = pack_codes([[1, 2], [0, 3]], [0, 1, 2, 3], 2, 4, bias_codes=[3, 0])
    assert layer.pointers.tolist() == [[0, 0], [1, 0], [2, 1], [3, 1]]
    assert layer.codes.tolist() == [1, 2, 3, 3]
    assert layer.bias_codes.tolist() == [3, 0]
    assert layer.density == 3 / 4


def test_sizes_in_the_srams():
    layer = pack_codes(np.ones((8, 3), np.uint8), BOOK4, 4, 4)
    assert layer.spmat_bytes_per_pe.tolist() == [6, 6, 6, 6]
    assert layer.pointer_bytes_per_pe == 4 * 2
    assert layer.repack(index_bits=8).spmat_bytes_per_pe.tolist() == [9, 9, 9, 9]


# Permutations ---------------------------------------------------------------------------------------------------------


def test_a_row_permutation_names_the_original_row_stored_at_each_place():
    layer = pack_codes(column([1, 2, 3, 0]), [0, 1, 2, 3], 2, 4, row_permutation=[3, 2, 0, 1])
    # Stored rows 0 to 3 are the originals 3, 2, 0, 1; PE 0 holds stored rows 0 and 2, PE 1 holds 1 and 3.
    assert entries_of(layer, 0, 0) == [(1, 1)]
    assert entries_of(layer, 1, 0) == [(3, 0), (2, 0)]
    assert layer.decode().ravel().tolist() == [1, 2, 3, 0]
    assert layer.dense().ravel().tolist() == [1, 2, 3, 0]


def test_where_a_row_is_stored_is_the_inverse_of_a_permutation():
    order = check_row_permutation([3, 0, 2, 1], 4)
    assert stored_row_of(order).tolist() == [1, 3, 2, 0]
    assert order[stored_row_of(order)].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("order", "match"),
    [
        ([0, 1], r"row_permutation: shape \(2,\), but 3 rows need \(3,\)"),
        ([0, 1, 1], "row_permutation: must name each of the rows 0 to 2 exactly once"),
        ([0, 1, 3], "row_permutation: must name each of the rows 0 to 2 exactly once"),
        ([0, 1, -1], "row_permutation: values -1 to 1"),
        ([0.0, 1.0, 2.0], "row_permutation: dtype float64, but it must hold integers"),
    ],
)
def test_what_is_no_row_permutation_is_refused(order, match):
    layer = pack_codes(np.ones((3, 1), np.uint8), [0, 1], 2, 4)
    with pytest.raises(ValueError, match=match):
        layer.repack(row_permutation=order)
    with pytest.raises(ValueError, match=match):
        pack_codes(np.ones((3, 1), np.uint8), [0, 1], 2, 4, row_permutation=order)


# Refusals -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"codes": [1, 2]}, "codes: shape"),
        ({"codes": [[]]}, "codes: shape"),
        ({"codes": [[1.0]]}, "codes: dtype float64"),
        ({"codes": [[16]]}, "has code 16, but the codebook ends at 15"),
        ({"codes": [[256]]}, "codes: values 256 to 256, but they must be 0 to 255"),
        ({"codebook": [0, 1, 2]}, "codebook: 3 values, but it must have 2..weight_bits of them, 2 to 256"),
        ({"codebook": [0]}, "codebook: 1 values"),
        ({"codebook": np.zeros(512)}, "codebook: 512 values"),
        ({"n_pe": 0}, "n_pe: 0, but it must be 1 to 4294967295"),
        ({"index_bits": 9}, "index_bits: 9, but it must be 2 to 8"),
        ({"bias_codes": [1, 2]}, r"bias_codes: shape \(2,\), but 1 rows need \(1,\)"),
        ({"bias_codes": [16]}, "has code 16"),
        ({"name": ""}, "name: ''"),
    ],
)
def test_pack_codes_names_what_it_refuses(arguments, match):
    with pytest.raises(ValueError, match=match):
        pack_codes(**{"codes": [[1]], "codebook": BOOK4} | arguments)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"indptr": [0, 1]}, r"indptr: shape \(2,\), but 2 columns need \(3,\)"),
        ({"indptr": [1, 1, 2]}, "indptr: must rise from 0 to the number of entries, 2"),
        ({"indptr": [0, 1, 1]}, "indptr: must rise from 0 to the number of entries, 2"),
        ({"indptr": [0, 3, 2]}, "indptr: must rise"),
        ({"rows": [0]}, "rows and codes: shapes"),
        ({"rows": [0, 3]}, "rows: row 3 lies outside the matrix of 3 rows"),
        ({"rows": [-1, 0]}, "rows: values -1 to 0"),
        ({"rows": [1, 1], "indptr": [0, 2, 2]}, "rows: column 0 names the same row twice"),
        ({"codes": [1, 16]}, "has code 16"),
        ({"shape": (0, 2)}, "shape: 0, but it must be 1 to 4294967295"),
    ],
)
def test_pack_sparse_names_what_it_refuses(arguments, match):
    sound = {"indptr": [0, 1, 2], "rows": [0, 2], "codes": [1, 2], "shape": (3, 2), "codebook": BOOK4}
    assert pack_sparse(**sound).decode().tolist() == [[1, 0], [0, 0], [0, 2]]
    with pytest.raises(ValueError, match=match):
        pack_sparse(**sound | arguments)
