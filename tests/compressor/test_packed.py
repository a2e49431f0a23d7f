"""Packed layers: every invariant is checked, and a layer cannot be changed."""

import numpy as np
import pytest

from compressor import PackedLayer, pack_codes
from compressor.types.packed_format import weight_bits_of

BOOK4 = np.append(0, np.linspace(-1, 1, 15)).astype(np.float32)


# Invariants -----------------------------------------------------------------------------------------------------------


def fields(**changes):
    """Those of a sound layer of 5 rows and 2 columns on 2 PEs, changed.

    PE 0 has the rows 0, 2, 4, and weights in rows 0 and 4 of column 0; PE 1 has 1 and 3, and one in row 3 of column 1.
    """
    sound = {
        "name": "layer",
        "n_rows": 5,
        "n_cols": 2,
        "n_pe": 2,
        "weight_bits": 2,
        "index_bits": 2,
        "codebook": [0, 1, 2, 3],
        "codes": [1, 2, 3],
        "runs": [0, 1, 1],
        "pointers": [[0, 0], [2, 0], [2, 1]],
    }
    return sound | changes


def test_the_layer_that_the_invariants_are_tested_with_is_sound():
    assert PackedLayer(**fields()).decode().tolist() == [[1, 0], [0, 0], [0, 0], [0, 3], [2, 0]]


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"name": ""}, "name: '', but it must be a text that is not empty"),
        ({"name": 5}, "name: 5, but it must be a text"),
        ({"n_rows": 0}, "n_rows: 0, but it must be 1 to 4294967295"),
        ({"n_cols": 0}, "n_cols: 0, but it must be 1 to 4294967295"),
        ({"n_pe": 0}, "n_pe: 0, but it must be 1 to 4294967295"),
        ({"n_rows": 5.0}, "n_rows: 5.0 is not an integer"),
        ({"n_rows": True}, "n_rows: True is not an integer"),
        ({"weight_bits": 0}, "weight_bits: 0, but it must be 1 to 8"),
        ({"weight_bits": 9}, "weight_bits: 9, but it must be 1 to 8"),
        ({"index_bits": 1}, "index_bits: 1, but it must be 2 to 8"),
        ({"index_bits": 9}, "index_bits: 9, but it must be 2 to 8"),
        ({"codebook": [0, 1, 2]}, r"codebook: shape \(3,\), but 2 weight bits need \(4,\)"),
        ({"codebook": [1, 1, 2, 3]}, "codebook: value 0 is 1.0, but code 0 always means the value 0"),
        ({"codebook": [0, 1, np.inf, 3]}, r"codebook: inf at \(2,\), but every number must be finite"),
        ({"codebook": [0, 1, np.nan, 3]}, "codebook: nan"),
        ({"codebook": [0, 1, 1e39, 3]}, r"codebook: 1e\+39 at \(2,\), but float32 holds at most 3\.402823e\+38"),
        ({"codebook": ["a", "b", "c", "d"]}, "codebook: dtype <U1, but it must hold numbers"),
        ({"bias": [1, 2]}, r"bias: shape \(2,\), but 5 rows need \(5,\)"),
        ({"bias": [1, 2, np.nan, 4, 5]}, r"bias: nan at \(2,\), but every number must be finite"),
        ({"codes": [1, 2, 256]}, "codes: values 1 to 256, but they must be 0 to 255"),
        ({"codes": [1.0, 2.0, 3.0]}, "codes: dtype float64, but it must hold integers"),
        ({"runs": [0, -1, 1]}, "runs: values -1 to 1, but they must be 0 to 255"),
        ({"runs": [0, 1]}, r"codes and runs: shapes \(3,\) and \(2,\), must be the same \(n,\)"),
        ({"codes": [[1, 2, 3]], "runs": [[0, 1, 1]]}, r"codes and runs: shapes \(1, 3\) and \(1, 3\)"),
        ({"pointers": [[0, 0], [2, 1]]}, r"pointers: shape \(2, 2\), but it must be \(3, 2\), or \(4, 2\) with a bias"),
        ({"pointers": [[0], [2], [3]]}, r"pointers: shape \(3, 1\)"),
        ({"pointers": [[0, 0], [2, 0], [2, 2**32]]}, "pointers: values 0 to 4294967296"),
        ({"pointers": [[0, 1], [2, 1], [2, 1]]}, "pointers: PE 1 begins at an address other than 0"),
        (
            {"pointers": [[0, 0], [3, 0], [2, 1]]},
            "pointers: PE 0 falls from 3 to 2 at column 1, but addresses must rise",
        ),
        ({"pointers": [[0, 0], [2, 0], [2, 2]]}, "pointers: they end at 4 entries in all, but there are 3"),
        ({"pointers": [[0, 0], [2, 0], [2, 0]]}, "pointers: they end at 2 entries in all, but there are 3"),
        ({"codes": [1, 4, 3]}, "codes: entry 1 of PE 0 .column 0. has code 4, but the codebook ends at 3"),
        ({"runs": [0, 4, 1]}, "runs: entry 1 of PE 0 .column 0. has run 4, but 2 index bits hold at most 3"),
        ({"runs": [0, 2, 1]}, "runs: entry 1 of PE 0 .column 0. lies beyond the 3 rows of its PE"),
        ({"runs": [0, 1, 2]}, "runs: entry 0 of PE 1 .column 1. lies beyond the 2 rows of its PE"),
        ({"codes": [0, 2, 3]}, "codes: entry 0 of PE 0 .column 0. has code 0 and run 0, but a filler has run 3"),
        (
            {"n_rows": 50, "codes": [1, 0, 3], "runs": [0, 3, 1]},
            "codes: entry 1 of PE 0 .column 0. is a filler at the end of its column, but one stands only before a",
        ),
        ({"row_permutation": [0, 1, 2, 3]}, r"row_permutation: shape \(4,\), but 5 rows need \(5,\)"),
        ({"row_permutation": [0, 1, 2, 3, 3]}, "row_permutation: must name each of the rows 0 to 4 exactly once"),
    ],
)
def test_each_invariant_is_checked_and_named(changes, match):
    with pytest.raises(ValueError, match=match):
        PackedLayer(**fields(**changes))


def test_the_first_malformed_entry_is_named_whatever_the_number_of_cores(monkeypatch):
    layer = pack_codes(np.ones((64, 3), np.uint8), BOOK4, 16, 4)
    codes = layer.codes.copy()
    codes[[5, 100, 190]] = 16
    arguments = {name: getattr(layer, name) for name in fields()} | {"codes": codes}
    messages = set()
    monkeypatch.setattr("compressor.types.packed.LEAST_FOR_THREADS", 1)
    for cores in (1, 2, 3, 16, 100):
        monkeypatch.setattr("compressor.types.packed.available_cores", lambda cores=cores: cores)
        with pytest.raises(ValueError) as caught:
            PackedLayer(**arguments)
        messages.add(str(caught.value))
    assert messages == {"codes: entry 5 of PE 0 (column 1) has code 16, but the codebook ends at 15"}


# Objects --------------------------------------------------------------------------------------------------------------


def test_arrays_are_read_only_and_the_callers_keep_their_flags():
    codes = np.array([1, 2, 3], np.uint8)
    layer = PackedLayer(**fields(codes=codes, row_permutation=[4, 3, 2, 1, 0]))
    for name in ("codes", "runs", "pointers", "codebook", "row_permutation"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(layer, name)[0] = 0
    assert codes.flags.writeable
    with pytest.raises(AttributeError):
        layer.n_rows = 6


@pytest.mark.parametrize(
    "changes",
    [{"name": "other"}, {"n_rows": 6}, {"index_bits": 3}, {"codebook": [0, 1, 2, 4]}, {"codes": [1, 2, 2]},
     {"runs": [1, 0, 1]}, {"row_permutation": [1, 0, 2, 3, 4]}],
)  # fmt: skip
def test_layers_that_differ_in_a_field_differ(changes):
    assert PackedLayer(**fields()) == PackedLayer(**fields())
    assert PackedLayer(**fields()) != PackedLayer(**fields(**changes))
    assert PackedLayer(**fields()) != "layer"


def test_a_layer_says_what_it_is():
    layer = pack_codes([[1]], BOOK4, 2, 4, [1], "fc8")
    assert repr(layer) == "PackedLayer('fc8', 1 x 1 + bias, n_pe=2, weight_bits=4, index_bits=4, n_entries=2)"


def test_weight_bits_follow_from_the_codebook():
    assert [weight_bits_of(np.zeros(2**bits)) for bits in range(1, 9)] == list(range(1, 9))
