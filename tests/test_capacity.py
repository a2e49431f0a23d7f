"""What a layer needs of the SRAMs of a PE: told, warned of, or refused."""

import warnings

import numpy as np
import pytest

from compressor import pack_codes, pack_sparse
from eie_sim import ArchConfig, CapacityError, CapacityWarning, simulate, simulate_batch
from eie_sim.capacity import capacity_report

BOOK = np.arange(16, dtype=np.float32)


def needs(layer, arch=None):
    return {need.memory: need for need in capacity_report(layer, arch or ArchConfig(n_pe=layer.n_pe))}


@pytest.fixture(scope="module")
def vgg6():
    """A layer of VGG-6's shape, 25,088 inputs and 4,096 outputs, with two weights in it."""
    indptr = np.zeros(25_089, np.int64)
    indptr[1:] = 1
    indptr[-1] = 2
    return pack_sparse(indptr, [7, 4095], [3, 5], (4096, 25_088), BOOK, n_pe=64, name="VGG-6")


@pytest.mark.compiled_only
def test_vgg6_needs_more_pointers_than_the_machine_has(vgg6):
    need = needs(vgg6)["ptr_bytes"]
    assert (need.used, need.available) == (25_089, 16_384)
    assert not need.fits
    assert [n.memory for n in capacity_report(vgg6, ArchConfig()) if not n.fits] == ["ptr_bytes"]


@pytest.mark.compiled_only
def test_vgg6_is_simulated_with_a_warning_that_names_both_numbers(vgg6, engine):
    acts = np.zeros(25_088, np.float32)
    acts[-1] = 1
    with pytest.warns(CapacityWarning, match=r"VGG-6.*25,089 pointers.*16,384") as caught:
        result = simulate(vgg6, acts, engine=engine)
    assert len(caught) == 1
    # Rows 0 .. 391 of 64 lanes; only the very last lane is active: L391 = 392, w = 393, s = 394. Row 4095 is row 63 of
    # its PE: 63 zeros = 3 fillers and a run of 15, so f = 394 + 4 = 398, complete at 403.
    assert result.cycles == 403
    assert result.output[4095] == 5


@pytest.mark.compiled_only
def test_the_warning_points_at_the_callers_line(vgg6):
    with pytest.warns(CapacityWarning) as caught:
        simulate(vgg6, np.zeros(25_088, np.float32), output=False)
    assert caught[0].filename == __file__


def test_a_batch_warns_once(vgg6):
    with pytest.warns(CapacityWarning) as caught:
        simulate_batch(vgg6, np.zeros((3, 25_088), np.float32), output=False)
    assert len(caught) == 1


def test_strict_capacity_makes_it_an_error(vgg6, engine):
    strict = ArchConfig(strict_capacity=True)
    with pytest.raises(CapacityError, match=r"VGG-6.*25,089 pointers.*16,384") as caught:
        simulate(vgg6, np.zeros(25_088, np.float32), strict, engine)
    assert isinstance(caught.value, ValueError)
    assert "\n" not in str(caught.value)


def test_a_machine_with_more_sram_runs_it_in_silence(vgg6):
    roomy = ArchConfig(ptr_bytes=2 * 25_089, strict_capacity=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        simulate(vgg6, np.zeros(25_088, np.float32), roomy, output=False)


@pytest.mark.parametrize(("ptr_bytes", "fits"), [(2 * 4, True), (2 * 4 - 1, False)])
def test_pointers_are_two_bytes_each_and_one_more_than_the_columns(ptr_bytes, fits):
    layer = pack_codes(np.ones((2, 3), int), BOOK, n_pe=2)
    need = needs(layer, ArchConfig(n_pe=2, ptr_bytes=ptr_bytes))["ptr_bytes"]
    assert need.used == 4
    assert need.fits is fits


def test_a_bias_needs_a_pointer_too():
    layer = pack_codes(np.ones((2, 3), int), BOOK, n_pe=2, bias_codes=[1, 0])
    assert needs(layer)["ptr_bytes"].used == 5


def test_a_preloaded_bias_needs_neither_a_pointer_nor_entries():
    layer = pack_codes(np.ones((2, 8), int), BOOK, n_pe=2, bias_codes=[1, 1])
    column, preload = (needs(layer, ArchConfig(n_pe=2, bias=bias)) for bias in ("column", "preload"))
    assert (column["ptr_bytes"].used, preload["ptr_bytes"].used) == (10, 9)
    assert (column["spmat_bytes"].used, preload["spmat_bytes"].used) == (16, 8)
    with pytest.warns(CapacityWarning, match="10 pointers"):
        simulate(layer, np.ones(8), ArchConfig(n_pe=2, ptr_bytes=18))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        simulate(layer, np.ones(8), ArchConfig(n_pe=2, ptr_bytes=18, bias="preload"))


def test_the_fullest_pe_sets_the_need_of_sparse_matrix_bytes():
    # PE 0 holds row 0 with nine weights, PE 1 nothing: 9 entries of 8 bits, so two SRAM rows of 8 bytes.
    codes = np.zeros((2, 9), int)
    codes[0] = 1
    layer = pack_codes(codes, BOOK, n_pe=2)
    assert needs(layer)["spmat_bytes"].used == 16
    assert needs(layer, ArchConfig(n_pe=2, spmat_bytes=16))["spmat_bytes"].fits
    assert not needs(layer, ArchConfig(n_pe=2, spmat_bytes=15))["spmat_bytes"].fits


def test_a_part_of_a_byte_is_a_byte():
    # Three entries of 4 + 5 = 9 bits in rows of one entry: 27 bits, 4 bytes.
    layer = pack_codes(np.ones((1, 3), int), BOOK, n_pe=1, index_bits=5)
    assert needs(layer, ArchConfig(n_pe=1, index_bits=5, spmat_width_bits=9))["spmat_bytes"].used == 4


def test_inputs_and_outputs_of_a_pe_are_held_by_register_file_and_sram():
    # 64 registers and 2 KB of 16-bit numbers: 1088. Of 7 inputs and 5 outputs over 2 PEs the fuller has 4 and 3.
    layer = pack_codes(np.ones((5, 7), int), BOOK, n_pe=2)
    found = needs(layer)
    assert (found["activations"].used, found["activations"].available) == (4, 1088)
    assert (found["accumulators"].used, found["accumulators"].available) == (3, 1088)
    tiny = ArchConfig(n_pe=2, act_regfile_entries=3, act_sram_bytes=0)
    assert [n.memory for n in capacity_report(layer, tiny) if not n.fits] == ["activations"]


def test_a_need_reads_as_a_sentence(vgg6):
    assert str(needs(vgg6)["ptr_bytes"]) == "ptr_bytes: 25,089 pointers a PE, where there are 16,384"


def test_every_memory_that_is_too_small_is_named():
    layer = pack_codes(np.ones((9, 9), int), BOOK, n_pe=1)
    strict = ArchConfig(
        n_pe=1, spmat_bytes=80, ptr_bytes=19, act_regfile_entries=8, act_sram_bytes=0, strict_capacity=True
    )
    with pytest.raises(CapacityError, match=r"spmat_bytes.*ptr_bytes.*activations.*accumulators"):
        simulate(layer, np.ones(9), strict)
