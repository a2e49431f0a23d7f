import gzip
import tracemalloc
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compressor.data.idx import read_idx
from compressor.storage.files import FormatError
from tests.examples import examples


def idx_bytes(array, magic=None):
    """A second, independent writer of the format."""
    array = np.asarray(array, np.uint8)
    numbers = (0x0800 + array.ndim if magic is None else magic, *array.shape)
    return b"".join(n.to_bytes(4, "big") for n in numbers) + array.tobytes()


IMAGES = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
GOOD = idx_bytes(IMAGES)


@pytest.fixture(params=["plain", "zipped"])
def written(request, tmp_path):
    """A function that writes bytes, as they are or zipped, and gives the path."""

    def write(content):
        path = tmp_path / "some.idx"
        path.write_bytes(gzip.compress(content) if request.param == "zipped" else content)
        return path

    return write


def test_images_and_labels_are_read_and_cannot_be_changed(written):
    images = read_idx(written(GOOD), 3)
    assert images.dtype == np.uint8
    assert images.tolist() == IMAGES.tolist()
    assert not images.flags.writeable
    assert read_idx(written(idx_bytes([7, 0, 255])), 1).tolist() == [7, 0, 255]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "header: 0 bytes, but it has 16; the file is cut short"),
        (GOOD[:3], "header: 3 bytes, but it has 16"),
        (GOOD[:15], "header: 15 bytes, but it has 16"),
        (GOOD[:-1], r"\(2, 3, 4\) need 24"),
        (GOOD[:16], r"\(2, 3, 4\) need 24"),
        (GOOD + b"\0", r"data: more bytes follow the header, but sizes \(2, 3, 4\) need 24"),
        (idx_bytes([1, 2]), "magic number: 2049, but bytes in 3 dimensions have 2051"),
        (idx_bytes(IMAGES, 0x0D03), "magic number: 3331"),
        (b"PK\3\4" + GOOD[4:], "magic number: 1347093252"),
        (idx_bytes(np.zeros((0, 28, 28))), r"sizes: \(0, 28, 28\), but each must be at least 1"),
        (
            GOOD[:4] + b"\xff" * 12,
            r"sizes: \(4294967295, 4294967295, 4294967295\) need 7922816245\d+ bytes, but at most",
        ),
    ],
)
def test_a_damaged_file_is_one_error_that_names_it(written, content, message):
    with pytest.raises(FormatError, match=message) as found:
        read_idx(written(content), 3)
    assert "some.idx: " in str(found.value)


def test_a_zipped_file_cut_short_or_damaged_is_one_error(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (9, 9, 9), np.uint8)
    whole = gzip.compress(idx_bytes(pixels))
    path = tmp_path / "images.gz"
    for content in (whole[:-1], whole[:-8], whole[:20], whole[:11], whole[:2], whole + b"more"):
        path.write_bytes(content)
        with pytest.raises(FormatError, match=r"images\.gz: (gzip|header|data): "):
            read_idx(path, 3)
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :])
        with suppress(FormatError):  # a changed time, for one, is none
            assert np.array_equal(read_idx(path, 3), pixels)


@settings(deadline=None, max_examples=examples(150))
@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255), st.booleans())
def test_any_changed_byte_is_an_error_or_another_pixel(tmp_path_factory, at, change, zipped):
    content = GOOD[:at] + bytes([GOOD[at] ^ change]) + GOOD[at + 1 :]
    path = tmp_path_factory.mktemp("idx") / "images"
    path.write_bytes(gzip.compress(content) if zipped else content)
    if at < 16:
        with pytest.raises(FormatError):
            read_idx(path, 3)
    else:
        assert int((read_idx(path, 3) != IMAGES).sum()) == 1


def traced_peak(call):
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_forged_sizes_take_no_memory(written):
    path = written(GOOD[:4] + (2**20).to_bytes(4, "big") * 3)

    def read():
        with pytest.raises(FormatError, match="sizes"):
            read_idx(path, 3)

    assert traced_peak(read) < 2**20


def test_a_zipped_file_that_unzips_to_more_than_its_share_of_memory_is_refused(tmp_path):
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(b"\0\0\x08\x03" + (2000).to_bytes(4, "big") * 3))

    def read():
        with pytest.raises(FormatError, match=r"8000000000 bytes, but at most 10\d+ can follow"):
            read_idx(path, 3)

    assert traced_peak(read) < 2**20


def test_what_follows_the_end_of_a_zipped_file_is_not_unzipped(tmp_path):
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(GOOD + bytes(50_000_000), 1))

    def read():
        with pytest.raises(FormatError, match="data: more bytes follow"):
            read_idx(path, 3)

    assert traced_peak(read) < 2**20


def test_a_file_that_is_not_there_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_idx(tmp_path / "none", 3)
    with pytest.raises(IsADirectoryError):
        read_idx(tmp_path, 3)
