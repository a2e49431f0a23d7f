"""Photos as the input of SqueezeNet: which pixels of a file enter, in what order, and what is refused."""

import io
import os
import sys
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from compressor.models import packaged_model
from compressor.storage.files import FormatError
from eie_sim.sources.photo import MEAN_BGR, photo_input, photo_inputs, read_photo
from tests.examples import examples
from tests.extras import needs

needs("skimage", "photos")

RED, GREEN, BLUE = 200, 100, 50


def a_photo(rows=40, columns=60, seed=0, channels=3):
    return np.random.default_rng(seed).integers(0, 256, (rows, columns, channels), dtype=np.uint8)


def plain(*colours, rows=30, columns=50):
    return np.broadcast_to(np.array(colours, np.uint8), (rows, columns, len(colours)))


def content_of(pixels, kind="PNG", **settings):
    stream = io.BytesIO()
    (pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)).save(stream, kind, **settings)
    return stream.getvalue()


# What enters ----------------------------------------------------------------------------------------------------------


def test_colours_enter_blue_first_and_less_their_means():
    image = photo_input(plain(RED, GREEN, BLUE))
    assert (image.shape, image.dtype, image.flags.c_contiguous) == ((1, 3, 227, 227), np.float32, True)
    for channel, value, mean in zip(image[0], (BLUE, GREEN, RED), MEAN_BGR, strict=True):
        np.testing.assert_allclose(channel, value - mean, atol=1e-4)


@pytest.mark.parametrize("shape", [(30, 50), (50, 30), (31, 50), (50, 31), (30, 30)])
def test_the_centre_square_enters(shape):
    rows, columns = shape
    side = min(shape)
    pixels = np.zeros((rows, columns, 3), np.uint8)
    top, left = (rows - side) // 2, (columns - side) // 2
    pixels[top : top + side, left : left + side] = (RED, GREEN, BLUE)
    assert np.array_equal(photo_input(pixels), photo_input(plain(RED, GREEN, BLUE, rows=side, columns=side)))


def test_pixels_are_resized_as_scikit_image_does_with_anti_aliasing():
    from skimage.transform import resize

    pixels = a_photo(300, 300)
    colours = resize(pixels, (227, 227), preserve_range=True, anti_aliasing=True).astype(np.float32)
    wanted = (colours[:, :, ::-1] - np.array(MEAN_BGR, np.float32)).transpose(2, 0, 1)
    assert np.array_equal(photo_input(pixels)[0], wanted)


@pytest.mark.parametrize("shape", [(1, 1), (2, 7), (227, 227), (500, 300)])
def test_a_photo_of_any_size_is_made_to_fit(shape):
    assert photo_input(a_photo(*shape)).shape == (1, 3, 227, 227)


def test_grey_is_the_same_in_all_three_channels():
    grey = a_photo(channels=1)
    wanted = photo_input(np.repeat(grey, 3, axis=2))
    assert np.array_equal(photo_input(grey), wanted)
    assert np.array_equal(photo_input(grey[:, :, 0]), wanted)


@pytest.mark.parametrize("channels", [1, 3])
def test_transparency_is_dropped(channels):
    pixels, alpha = a_photo(channels=channels), a_photo(channels=1, seed=1)
    assert np.array_equal(photo_input(np.concatenate([pixels, alpha], axis=2)), photo_input(pixels))


@pytest.mark.reference_data
def test_the_cat_of_the_reference_is_made_byte_for_byte(squeezenet):
    from skimage.data import chelsea

    path = squeezenet.parent / "chelsea_227.npy"
    if not path.is_file():
        pytest.skip(f"no {path.name} beside {squeezenet}")
    assert photo_input(chelsea()).tobytes() == np.load(path).tobytes()


# Files ----------------------------------------------------------------------------------------------------------------


def test_a_png_file_is_its_pixels(tmp_path):
    pixels = a_photo()
    (tmp_path / "x.png").write_bytes(content_of(pixels))
    assert np.array_equal(read_photo(tmp_path / "x.png"), pixels)
    assert np.array_equal(photo_input(str(tmp_path / "x.png")), photo_input(pixels))


@pytest.mark.parametrize(
    ("mode", "kind"),
    [("1", "PNG"), ("L", "PNG"), ("LA", "PNG"), ("P", "PNG"), ("RGBA", "PNG"), ("L", "JPEG"), ("CMYK", "JPEG")],
)
def test_every_kind_of_png_and_jpeg_becomes_red_green_and_blue(tmp_path, mode, kind):
    image = Image.fromarray(plain(255, 255, 255)).convert(mode)
    (tmp_path / "x").write_bytes(content_of(image, kind))
    found = read_photo(tmp_path / "x")
    assert (found.shape, found.dtype) == ((30, 50, 3), np.uint8)
    assert found.min() >= 250  # JPEG may be off by a little


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_photo_that_was_taken_sideways_is_turned_upright(tmp_path, kind):
    exif = Image.Exif()
    exif[0x0112] = 6  # the first row is the right side
    (tmp_path / "x").write_bytes(content_of(a_photo(40, 60), kind, exif=exif))
    assert read_photo(tmp_path / "x").shape == (60, 40, 3)


# What is refused ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not an image; expected PNG, JPEG"),
        (b"not a picture", "not an image; expected PNG, JPEG"),
        (content_of(a_photo())[:-400], "damaged image: "),
        (content_of(a_photo()[:, :, 0].astype(np.uint16) * 200), r"mode: I;16, but expected 8 bits a channel"),
    ],
)
def test_a_file_that_is_no_photo_is_one_line_that_names_it(tmp_path, content, message):
    (tmp_path / "x.png").write_bytes(content)
    with pytest.raises(FormatError, match=message) as error:
        photo_input(tmp_path / "x.png")
    assert str(error.value).startswith(f"{tmp_path / 'x.png'}: ")
    assert "\n" not in str(error.value)


def test_a_file_of_more_pixels_than_pillow_trusts_is_refused(tmp_path, monkeypatch):
    (tmp_path / "x.png").write_bytes(content_of(a_photo(40, 60)))
    for limit in (2_000, 1_000):  # where Pillow warns, and where it refuses
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        with pytest.raises(FormatError, match=rf"size: over {limit:,} pixels; make the image smaller"):
            read_photo(tmp_path / "x.png")


def test_a_file_that_is_absent_or_a_pipe_is_an_error_of_the_system(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for name in ("absent.png", "pipe", "."):
        with pytest.raises(OSError, match=name.replace(".", r"\.") if name != "." else "directory"):
            read_photo(tmp_path / name)


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (np.zeros((4, 4, 3)), "photo: dtype float64, but expected uint8"),
        (np.zeros((4, 4, 3), np.uint16), "photo: dtype uint16, but expected uint8"),
        (np.zeros(4, np.uint8), r"photo: shape \(4,\), but expected \(rows, columns"),
        (np.zeros((4, 4, 5), np.uint8), r"photo: shape \(4, 4, 5\)"),
        (np.zeros((0, 4), np.uint8), r"photo: shape \(0, 4\)"),
        (np.zeros((1, 3, 4, 4), np.uint8), r"photo: shape \(1, 3, 4, 4\)"),
    ],
)
def test_other_arrays_are_refused(pixels, message):
    with pytest.raises(ValueError, match=message):
        photo_input(pixels)


PNG, JPEG = content_of(a_photo(9, 7)), content_of(a_photo(9, 7), "JPEG")


@settings(max_examples=examples(150))
@given(content=st.sampled_from([PNG, JPEG]), at=st.floats(0, 1), flip=st.integers(1, 255), cut=st.booleans())
def test_a_damaged_file_is_pixels_or_one_line(tmp_path_factory, content, at, flip, cut):
    where = int(at * (len(content) - 1))
    damaged = content[:where] if cut else content[:where] + bytes([content[where] ^ flip]) + content[where + 1 :]
    path = tmp_path_factory.mktemp("photo") / "x"
    path.write_bytes(damaged)
    with suppress(FormatError):
        assert read_photo(path).dtype == np.uint8


def test_without_scikit_image_the_message_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "skimage.transform", None)
    with pytest.raises(ImportError, match=r"photos need scikit-image: pip install 'eie-sim\[photos\]'"):
        photo_input(a_photo())


def test_a_network_that_is_not_squeezenet_takes_no_photo():
    model = packaged_model("lenet-5")
    with pytest.raises(ValueError, match=r"photo: the network is not SqueezeNet 1\.0"):
        photo_inputs(model.network, a_photo())
