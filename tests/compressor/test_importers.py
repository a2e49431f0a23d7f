"""The importers: the EIE authors' data folder and MatrixMarket files."""

import json
from pathlib import Path

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compressor import load_model, pack_codes, save_model
from compressor.importers import read_eie_simulator, read_matrix_market, write_eie_simulator
from compressor.storage.files import FormatError
from tests.examples import examples

CODEBOOK = np.append(0, np.linspace(-1, 1, 15)).astype(np.float32)


def some_layer(n_rows=10, n_cols=6, n_pe=4, bias=True, index_bits=4, seed=0):
    rng = np.random.default_rng(seed)
    codes = rng.integers(1, 16, (n_rows, n_cols)) * (rng.random((n_rows, n_cols)) < 0.4)
    bias_codes = rng.integers(0, 16, n_rows) if bias else None
    acts = np.maximum(rng.normal(size=n_cols), 0).astype(np.float32)
    return pack_codes(codes, CODEBOOK, n_pe, index_bits, bias_codes, "eie-simulator"), acts


def words(path: Path) -> np.ndarray:
    return np.fromfile(path, "<u4")


@pytest.fixture
def folder(tmp_path):
    """Six inputs on four PEs: the bias is column 8, and pointers 6 to 8 are equal."""
    layer, acts = some_layer()
    write_eie_simulator(layer, acts, tmp_path / "data")
    return tmp_path / "data"


def refused(folder: Path, match: str, n_rows: int = 10, n_pe: int = 4) -> None:
    with pytest.raises(FormatError, match=match) as caught:
        read_eie_simulator(folder, n_rows, n_pe)
    assert str(caught.value).startswith(f"{folder}: ")


# The authors' folder --------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=examples(40))
@given(
    n_rows=st.integers(1, 30),
    n_cols=st.integers(1, 20),
    n_pe=st.integers(1, 9),
    bias=st.booleans(),
    index_bits=st.integers(2, 8),
)
def test_a_folder_that_was_written_reads_as_the_same_layer(tmp_path_factory, n_rows, n_cols, n_pe, bias, index_bits):
    layer, acts = some_layer(n_rows, n_cols, n_pe, bias, index_bits)
    folder = tmp_path_factory.mktemp("any") / "data"
    write_eie_simulator(layer, acts, folder)
    again, acts_again = read_eie_simulator(folder, n_rows, n_pe, index_bits=index_bits)
    assert again == layer
    assert acts_again.dtype == np.float32
    assert np.array_equal(acts_again, acts)


def test_the_files_are_the_words_that_the_authors_simulator_reads(folder):
    layer, acts = some_layer()
    assert np.array_equal(np.fromfile(folder / "act.dat", "<f4"), acts)
    assert np.array_equal(np.fromfile(folder / "arithm.dat", "<f4"), CODEBOOK)
    for k in range(4):
        pointers = words(folder / f"ptr/ptr{k}.dat")
        # Inputs 0 to 5, the gap 6 and 7, the bias as column 8 = ceil(6 / 4) * 4, and the end.
        assert pointers.tolist() == [
            *layer.pointers[:7, k],
            layer.pointers[6, k],
            layer.pointers[6, k],
            layer.pointers[7, k],
        ]
        begin = layer.entry_base[k]
        entries = words(folder / f"spm/spm{k}.dat").reshape(-1, 2)
        assert entries[:, 0].tolist() == layer.codes[begin : begin + len(entries)].tolist()
        assert entries[:, 1].tolist() == layer.runs[begin : begin + len(entries)].tolist()
    assert sorted(path.name for path in folder.iterdir()) == ["act.dat", "arithm.dat", "ptr", "spm"]


def test_the_name_may_be_chosen(folder):
    assert read_eie_simulator(folder, 10, 4, name="fc8")[0].name == "fc8"
    assert read_eie_simulator(str(folder), 10, 4)[0].name == "eie-simulator"


def test_a_bias_column_that_is_absent_is_no_bias_with_and_without_the_gap(folder):
    with_bias, _ = some_layer()
    for k in range(4):
        path = folder / f"ptr/ptr{k}.dat"
        pointers = words(path)
        spm = words(folder / f"spm/spm{k}.dat")
        spm[: 2 * pointers[6]].tofile(folder / f"spm/spm{k}.dat")
        pointers[:-1].tofile(path)
    layer, _ = read_eie_simulator(folder, 10, 4)
    assert not layer.has_bias
    assert np.array_equal(layer.decode(), with_bias.decode())
    for k in range(4):
        path = folder / f"ptr/ptr{k}.dat"
        words(path)[:7].tofile(path)
    assert read_eie_simulator(folder, 10, 4)[0] == layer


def test_a_bias_column_without_entries_is_a_bias_of_zeros(tmp_path):
    layer = pack_codes(np.ones((3, 2), np.uint8), CODEBOOK, 2, 4, np.zeros(3, np.uint8), "eie-simulator")
    write_eie_simulator(layer, [1, 2], tmp_path / "data")
    again, _ = read_eie_simulator(tmp_path / "data", 3, 2)
    assert again.has_bias
    assert again == layer


def test_a_folder_that_is_not_there_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_eie_simulator(tmp_path / "none")


@pytest.mark.parametrize(
    "name", ["act.dat", "arithm.dat", "ptr/ptr0.dat", "ptr/ptr3.dat", "spm/spm0.dat", "spm/spm3.dat"]
)
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    refused(folder, f"{name}: is missing")


@pytest.mark.parametrize(
    "name", ["act.dat", "arithm.dat", "ptr/ptr0.dat", "ptr/ptr3.dat", "spm/spm0.dat", "spm/spm3.dat"]
)
def test_a_file_cut_short_is_named(folder, name):
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[:-1])
    refused(folder, f"{name}: {len(content) - 1} bytes, but it must be a multiple of [48]")


def test_an_empty_folder_of_inputs_is_refused(folder):
    (folder / "act.dat").write_bytes(b"")
    refused(folder, "act.dat: is empty")


def test_inputs_that_are_not_finite_are_refused(folder):
    np.array([1, np.nan, 1, 1, 1, 1], "<f4").tofile(folder / "act.dat")
    refused(folder, "act.dat: nan at .1,., but every number must be finite")


def test_a_codebook_of_another_length_or_start_is_refused(folder):
    CODEBOOK[:15].tofile(folder / "arithm.dat")
    refused(folder, "codebook: 15 values")
    (CODEBOOK + 1).tofile(folder / "arithm.dat")
    refused(folder, "codebook: value 0 is 1.0")


def test_another_number_of_inputs_than_pointers_is_refused(folder):
    np.ones(5, "<f4").tofile(folder / "act.dat")
    refused(folder, "ptr/ptr0.dat: pointers 5 to 8 must repeat")
    np.ones(100, "<f4").tofile(folder / "act.dat")
    refused(folder, "ptr/ptr0.dat: 10 pointers, but 100 inputs on 4 PEs need 102, or 101 without a bias")


def test_pes_with_different_numbers_of_pointers_are_refused(folder):
    words(folder / "ptr/ptr2.dat")[:-1].tofile(folder / "ptr/ptr2.dat")
    refused(folder, "ptr/ptr2.dat: 9 pointers, but ptr/ptr0.dat has 10")


def test_fewer_pes_than_the_folder_was_written_for_are_refused(tmp_path, folder):
    write_eie_simulator(*some_layer(n_cols=8), tmp_path / "whole rows")  # as long for 2 PEs as for 4
    refused(tmp_path / "whole rows", "ptr/ptr2.dat: is there, but n_pe is 2", n_pe=2)
    refused(folder, "ptr/ptr0.dat: 10 pointers, but 6 inputs on 3 PEs need 8, or 7 without a bias", n_pe=3)


@pytest.mark.parametrize("n_pe", [5, 64, 10**12])
def test_more_pes_than_the_folder_has_are_refused_at_once(folder, n_pe):
    refused(folder, r"ptr/ptr(0|4)\.dat: ", n_pe=n_pe)


def test_a_gap_whose_pointers_do_not_repeat_is_refused(folder):
    pointers = words(folder / "ptr/ptr1.dat")
    pointers[7] += 1
    pointers.tofile(folder / "ptr/ptr1.dat")
    refused(folder, "ptr/ptr1.dat: pointers 6 to 8 must repeat")


def test_pointers_that_fall_are_refused(folder):
    pointers = words(folder / "ptr/ptr1.dat")
    pointers[2] = 2**32 - 1
    pointers.tofile(folder / "ptr/ptr1.dat")
    refused(folder, "pointers: PE 1 falls from 4294967295")


@pytest.mark.parametrize("change", [-2, 2])
def test_another_number_of_entries_than_the_pointers_say_is_refused(folder, change):
    entries = words(folder / "spm/spm2.dat")
    np.resize(entries, entries.size + change).tofile(folder / "spm/spm2.dat")
    found = (entries.size + change) // 2
    refused(folder, f"spm/spm2.dat: {found} entries, but ptr/ptr2.dat ends at {entries.size // 2}")


def test_pointers_beyond_any_entry_do_not_allocate(folder):
    pointers = words(folder / "ptr/ptr0.dat")
    pointers[-1] = 2**32 - 1
    pointers.tofile(folder / "ptr/ptr0.dat")
    refused(folder, "spm/spm0.dat: .* entries, but ptr/ptr0.dat ends at 4294967295")


@pytest.mark.parametrize(("at", "thing"), [(2, "code"), (3, "run")])
def test_a_word_that_is_no_code_or_run_is_refused(folder, at, thing):
    entries = words(folder / "spm/spm0.dat")
    entries[at] = 256 + 1
    entries.tofile(folder / "spm/spm0.dat")
    refused(folder, f"spm/spm0.dat: {thing} 257 of entry 1, but it must be at most 255")


def test_a_malformed_entry_is_refused_by_the_layer(folder):
    entries = words(folder / "spm/spm0.dat")
    entries[0] = 16
    entries.tofile(folder / "spm/spm0.dat")
    refused(folder, "codes: entry 0 of PE 0 .* has code 16, but the codebook ends at 15")


def test_too_few_rows_are_refused(folder):
    refused(folder, "lies beyond the 1 rows of its PE", n_rows=4)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"n_rows": 0}, "n_rows: 0"),
        ({"n_rows": 2**32}, "n_rows: 4294967296"),
        ({"n_pe": 0}, "n_pe: 0"),
        ({"n_pe": 4.0}, "n_pe: 4.0 is not an integer"),
        ({"index_bits": 9}, "index_bits: 9"),
    ],
)
def test_arguments_out_of_their_limits_are_refused(folder, arguments, match):
    with pytest.raises(ValueError, match=match):
        read_eie_simulator(folder, **{"n_rows": 10, "n_pe": 4} | arguments)


@pytest.mark.parametrize("case", range(150))
def test_damaged_folders_are_refused_or_read_as_a_sound_layer(tmp_path, folder, case):
    rng = np.random.default_rng([7, case])
    path = sorted(path for path in folder.rglob("*") if path.is_file())[rng.integers(10)]
    content = bytearray(path.read_bytes())
    for _ in range(rng.integers(1, 4)):
        content[rng.integers(len(content))] = rng.choice([0, 1, 16, 255, rng.integers(256)])
    if rng.random() < 0.3:
        content = content[: rng.integers(len(content))]
    path.write_bytes(content)
    try:
        layer, acts = read_eie_simulator(folder, 10, 4)
    except FormatError:
        return
    assert layer.repack() == layer
    assert acts.shape == (layer.n_cols,)


def test_writing_refuses_what_the_folder_cannot_hold(tmp_path):
    layer, acts = some_layer()
    with pytest.raises(ValueError, match=r"acts: shape \(5,\), but 6 inputs need \(6,\)"):
        write_eie_simulator(layer, acts[:5], tmp_path / "new")
    with pytest.raises(ValueError, match="row_permutation"):
        write_eie_simulator(layer.repack(row_permutation=range(10)[::-1]), acts, tmp_path / "new")
    assert not list(tmp_path.iterdir())


def test_writing_over_a_folder_with_files_is_refused_and_changes_nothing(folder):
    before = (folder / "act.dat").read_bytes()
    layer, acts = some_layer(seed=1)
    with pytest.raises(ValueError, match="new or empty"):
        write_eie_simulator(layer, acts, folder)
    assert (folder / "act.dat").read_bytes() == before


def test_writing_into_an_empty_folder_is_fine(tmp_path):
    (tmp_path / "data").mkdir()
    layer, acts = some_layer()
    write_eie_simulator(layer, acts, tmp_path / "data")
    assert read_eie_simulator(tmp_path / "data", 10, 4)[0] == layer


def test_a_failed_write_leaves_nothing(tmp_path, monkeypatch):
    layer, acts = some_layer()
    written = []

    def fails_at_the_third(path, content):
        written.append(path)
        if len(written) == 3:
            raise OSError(28, "No space left on device")
        return len(content)

    monkeypatch.setattr(Path, "write_bytes", fails_at_the_third)
    with pytest.raises(OSError, match="No space"):
        write_eie_simulator(layer, acts, tmp_path / "data")
    assert not list(tmp_path.iterdir())


# Alex-8, the layer the authors ship -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def published(alex8):
    return read_eie_simulator(alex8, n_rows=1000, n_pe=64)


@pytest.mark.reference_data
def test_alex8_has_its_published_size(published):
    layer, acts = published
    assert (layer.n_rows, layer.n_cols, layer.n_pe, layer.has_bias) == (1000, 4096, 64, True)
    assert (layer.n_entries, layer.n_fillers) == (1_051_991, 0)
    assert np.count_nonzero(acts) == 1759


@pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="eight times a million entries are for compiled kernels")
@pytest.mark.reference_data
def test_alex8_repacked_holds_the_entries_that_the_authors_packing_does(published, alex8):
    layer, _ = published
    for case in json.loads((alex8 / "expected.json").read_text()):
        packed = layer.repack(case["n_pe"], case["index_bits"])
        assert packed.n_entries == case["entries_stored"]
        assert packed.n_fillers == case["fillers_stored"]
        assert packed.repack(64, 4) == layer


@pytest.mark.reference_data
def test_alex8_written_again_is_the_same_files(published, alex8, tmp_path):
    layer, acts = published
    write_eie_simulator(layer, acts, tmp_path / "data")
    names = ["act.dat", "arithm.dat", *(f"{kind}/{kind}{k}.dat" for kind in ("ptr", "spm") for k in range(64))]
    assert all((tmp_path / "data" / name).read_bytes() == (alex8 / name).read_bytes() for name in names)


@pytest.mark.reference_data
def test_alex8_is_the_same_layer_from_an_eie_file(published, tmp_path):
    layer, _ = published
    save_model(layer, tmp_path / "alex8.eie")
    assert load_model(tmp_path / "alex8.eie").layers[0] == layer
    assert (tmp_path / "alex8.eie").stat().st_size < 2 * layer.n_entries + layer.pointers.nbytes + 2000


# MatrixMarket ---------------------------------------------------------------------------------------------------------

GENERAL = """%%MatrixMarket matrix coordinate real general
% weights of a layer, 3 outputs and 4 inputs

3 4 5
1 1 0.5
3 1 -1.5
2 2 2.5e0
1 4 0.5

3 4 -2
"""


@pytest.fixture
def mtx(tmp_path):
    def write(text: str) -> Path:
        (tmp_path / "layer.mtx").write_text(text)
        return tmp_path / "layer.mtx"

    return write


def matrix_refused(path: Path, match: str, **arguments) -> None:
    with pytest.raises(FormatError, match=match) as caught:
        read_matrix_market(path, **{"n_pe": 2} | arguments)
    assert str(caught.value).startswith(f"{path}: ")


def test_a_general_matrix_with_few_distinct_weights_is_kept_exactly(mtx):
    layer = read_matrix_market(mtx(GENERAL), n_pe=2)
    assert layer.dense().tolist() == [[0.5, 0, 0, 0.5], [0, 2.5, 0, 0], [-1.5, 0, 0, -2]]
    assert (layer.name, layer.n_pe, layer.index_bits, layer.weight_bits) == ("layer", 2, 4, 4)
    assert not layer.has_bias


def test_widths_and_name_may_be_chosen(mtx):
    layer = read_matrix_market(mtx(GENERAL), 3, index_bits=5, weight_bits=3, init="density", name="fc")
    assert (layer.name, layer.n_pe, layer.index_bits, layer.weight_bits) == ("fc", 3, 5, 3)
    assert layer.dense()[2].tolist() == [-1.5, 0, 0, -2]


def test_more_distinct_weights_than_codes_are_shared_by_k_means(mtx):
    text = "%%MatrixMarket matrix coordinate real general\n6 1 6\n"
    text += "".join(f"{i} 1 {value}\n" for i, value in enumerate([-1, -1.125, 1, 1.25, 4, 4.5], 1))
    dense = read_matrix_market(mtx(text), 2, weight_bits=2).dense()
    assert dense.ravel().tolist() == [-1.0625, -1.0625, 1.125, 1.125, 4.25, 4.25]


def test_a_pattern_has_weights_of_one(mtx):
    path = mtx("%%MatrixMarket matrix coordinate pattern general\n2 3 2\n1 3\n2 1\n")
    assert read_matrix_market(path).dense().tolist() == [[0, 0, 1], [1, 0, 0]]


def test_integers_are_weights(mtx):
    path = mtx("%%matrixmarket MATRIX Coordinate Integer General\n2 2 2\n1 2 -3\n2 1 7\n")
    assert read_matrix_market(path).dense().tolist() == [[0, -3], [7, 0]]


def test_a_symmetric_matrix_is_mirrored_and_its_diagonal_is_not_doubled(mtx):
    path = mtx("%%MatrixMarket matrix coordinate real symmetric\n3 3 3\n1 1 5\n3 1 2\n3 2 -1\n")
    assert read_matrix_market(path).dense().tolist() == [[5, 0, 2], [0, 0, -1], [2, -1, 0]]


def test_entries_that_are_zero_are_no_weights(mtx):
    layer = read_matrix_market(mtx("%%MatrixMarket matrix coordinate real general\n2 2 2\n1 1 0.0\n2 2 1e-60\n"))
    assert layer.n_entries == 0
    assert layer.dense().tolist() == [[0, 0], [0, 0]]


def test_a_matrix_without_entries_is_a_layer_without_entries(mtx):
    assert read_matrix_market(mtx("%%MatrixMarket matrix coordinate real general\n2 3 0\n")).n_entries == 0


def test_comments_may_be_long_and_in_any_encoding(tmp_path):
    path = tmp_path / "layer.mtx"
    banner, rest = GENERAL.split("\n", 1)
    path.write_bytes(f"{banner}\n%{'x' * 5000}\n".encode() + b"% caf\xe9 \xff\n" + rest.encode())
    assert read_matrix_market(path, 2).n_entries == 5


def test_lines_may_end_as_on_windows(tmp_path):
    path = tmp_path / "layer.mtx"
    path.write_bytes(GENERAL.replace("\n", "\r\n").encode())
    assert read_matrix_market(path, 2).n_entries == 5


@settings(deadline=None, max_examples=examples(30))
@given(st.integers(1, 20), st.integers(1, 8), st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_any_matrix_of_few_values_comes_back(tmp_path_factory, n_rows, n_cols, n_pe, seed):
    rng = np.random.default_rng(seed)
    weights = rng.integers(-3, 4, (n_rows, n_cols)) / 4 * (rng.random((n_rows, n_cols)) < 0.5)
    rows, columns = np.nonzero(weights)
    order = rng.permutation(rows.size)
    lines = [f"{rows[e] + 1} {columns[e] + 1} {weights[rows[e], columns[e]]}" for e in order]
    path = tmp_path_factory.mktemp("any") / "layer.mtx"
    path.write_text(
        "\n".join(["%%MatrixMarket matrix coordinate real general", f"{n_rows} {n_cols} {rows.size}", *lines, ""])
    )
    assert np.array_equal(read_matrix_market(path, n_pe).dense(), weights.astype(np.float32))


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        ("%%MatrixMarket", "%MatrixMarket", "line 1: .* must be '%%MatrixMarket matrix coordinate"),
        (GENERAL, "", "line 1: ''"),
        (GENERAL, "\0" * 5000, "line 1: "),
        ("matrix coordinate", "vector coordinate", "object 'vector', but it must be matrix"),
        ("coordinate", "array", "format 'array', but it must be coordinate"),
        ("real", "complex", "field 'complex', but it must be real or integer or pattern"),
        ("general", "hermitian", "symmetry 'hermitian', but it must be general or symmetric"),
        ("real general", "real", "line 1: "),
        ("3 4 5", "3 4", "line 4: sizes: '3 4', but they must be three whole numbers"),
        ("3 4 5", "3 4 5 6", "line 4: sizes: "),
        ("3 4 5", "3 4 -5", "line 4: sizes: "),
        ("3 4 5", "3.0 4 5", "line 4: sizes: "),
        ("3 4 5", "", "sizes: '1 1 0.5'"),
        (GENERAL[GENERAL.index("3 4 5") :], "", "sizes: there is no line of them"),
        ("3 4 5", "0 4 5", "line 4: rows: 0, but it must be 1 to"),
        ("3 4 5", "3 0 5", "line 4: columns: 0, but it must be 1 to"),
        ("3 4 5", "9999999999 4 5", "line 4: rows: 9999999999"),
        ("3 4 5", "4000000000 4 5", "takes 96.* bytes, but at most .* are allowed for a file of"),
        ("3 4 5", "3 4000000000 5", "takes .* bytes, but at most"),
        ("3 4 5", "3 4 999999999999", "line 4: entries: 999999999999 declared, but the file has only"),
        ("3 4 5", "3 4 4", "line 4: entries: 4 declared, but the file has 5"),
        ("3 4 5", "3 4 6", "line 4: entries: 6 declared, but the file has 5"),
        ("real", "pattern", "entry '1 1 0.5', but one of a pattern matrix is: row column$"),
        ("real", "integer", "value: 0.5, but the matrix is one of integers"),
        ("2 2 2.5e0", "2 2", "entry '2 2', but one of a real matrix is: row column value"),
        ("2 2 2.5e0", "2 2 x", "entry '2 2 x', but one of a real matrix is"),
        ("2 2 2.5e0", "2 2 2_5", "entry '2 2 2_5', but one of a real matrix is"),
        ("2 2 2.5e0", "2 2 nan", "value: nan, but it must be a number of at most 3.40282e"),
        ("2 2 2.5e0", "2 2 1e300", r"value: 1e\+300, but it must be a number of at most 3.40282e"),
        ("2 2 2.5e0", "0 2 2.5", "row: 0, but it must be a whole number, 1 to 3"),
        ("2 2 2.5e0", "4 2 2.5", "row: 4, but it must be a whole number, 1 to 3"),
        ("2 2 2.5e0", "2 5 2.5", "column: 5, but it must be a whole number, 1 to 4"),
        ("2 2 2.5e0", "2 1.5 2.5", "column: 1.5, but it must be a whole number"),
        ("2 2 2.5e0", "nan 1 2.5", "row: nan, but"),
        ("2 2 2.5e0", "2 inf 2.5", "column: inf, but"),
        ("2 2 2.5e0", "3 1 2.5", "row 3, column 1: is there twice"),
        ("general", "symmetric", "sizes: 3 x 4, but a symmetric matrix is square"),
    ],
)
def test_a_malformed_matrix_is_refused(mtx, old, new, match):
    assert old in GENERAL
    matrix_refused(mtx(GENERAL.replace(old, new, 1)), match)


def test_the_upper_triangle_of_a_symmetric_matrix_is_refused(mtx):
    path = mtx("%%MatrixMarket matrix coordinate real symmetric\n3 3 2\n1 1 5\n1 3 2\n")
    matrix_refused(
        path, "line 4: row 1, column 3: is above the diagonal, but a symmetric file holds the lower triangle"
    )


@pytest.mark.parametrize(
    ("entry", "what"), [("2 2 x", "entry '2 2 x'"), ("4 2 1", "row: 4"), ("2 2 nan", "value"), ("1 1 9", "row 1, col")]
)
def test_the_line_named_is_that_of_the_file_whatever_comments_stand_before_it(mtx, entry, what):
    text = "%%MatrixMarket matrix coordinate real general\n% one\n\n3 3 3\n1 1 5\n% two\n\n{}\n3 3 1\n"
    matrix_refused(mtx(text.format(entry)), f"line 8: {what}")
    assert read_matrix_market(mtx(text.format("2 2 1 % three"))).n_entries == 3


def test_a_declared_entry_without_any_line_is_refused(mtx):
    path = mtx("%%MatrixMarket matrix coordinate real general\n2 3 1\n")
    matrix_refused(path, "line 2: entries: 1 declared, but the file has 0")


@pytest.mark.parametrize(
    "arguments", [{"n_pe": 0}, {"index_bits": 1}, {"weight_bits": 9}, {"init": "best"}, {"name": ""}]
)
def test_arguments_of_the_matrix_out_of_their_limits_are_refused(mtx, arguments):
    with pytest.raises(ValueError, match=next(iter(arguments))):
        read_matrix_market(mtx(GENERAL), **arguments)


def test_as_many_pes_as_memory_would_not_hold_are_refused(mtx):
    matrix_refused(mtx(GENERAL), "on 1000000000000 PEs takes", n_pe=10**12)


def test_a_matrix_that_is_not_there_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_matrix_market(tmp_path / "none.mtx")
