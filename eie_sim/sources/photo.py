"""A photo as the input of SqueezeNet 1.0, prepared as its authors prepared ImageNet's (extra ``photos``)."""

import struct
import warnings
from os import PathLike
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from compressor.importers.graphs import SQUEEZENET
from compressor.importers.onnx_file import parsed_model
from compressor.storage.files import errors_name, file_size
from compressor.types.network import Network

SIDE = 227
"""Rows and columns of the image that enters SqueezeNet 1.0."""

MEAN_BGR = (104, 117, 123)
"""Mean of ImageNet's training images: blue, green, red (the SqueezeNet authors' train_val.prototxt)."""

_EIGHT_BIT = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr")
"""Pillow's modes of at most 8 bits a channel; wider ones lose their bright values where it converts them."""


def photo_inputs(network: Network, photo: str | PathLike[str] | ArrayLike) -> dict[str, NDArray[np.float32]]:
    """The inputs of a network by ONNX name, of one photo.

    Parameters
    ----------
    network : Network
        The graph of SqueezeNet 1.0, as `compressor.importers.read_deep_compression_net` gives it.
    photo : str, path or array_like
        As for `photo_input`.

    Returns
    -------
    dict of str to ndarray of float32, shape (1, 3, 227, 227)

    Raises
    ------
    ValueError
        If `network` is another one, or as of `photo_input`.
    OSError, ImportError
        As of `photo_input`.
    """
    graph = parsed_model(network.onnx).graph
    if graph.name != SQUEEZENET:
        raise ValueError(
            "photo: the network is not SqueezeNet 1.0, and how a photo becomes the input of another one is not known; "
            "give its inputs as numbers"
        )
    return {graph.input[0].name: photo_input(photo)}


def photo_input(photo: str | PathLike[str] | ArrayLike) -> NDArray[np.float32]:
    """A photo as SqueezeNet 1.0 takes it: its centre square in 227 x 227 pixels, blue first, less the mean.

    Resized by `skimage.transform.resize` with anti-aliasing, so that the last bits depend on the version of
    scikit-image.

    Parameters
    ----------
    photo : str, path or array_like of uint8
        A file, as for `read_photo`; or pixels, 0 .. 255, of shape (rows, columns), grey, or (rows, columns, channels):
        one channel of grey or red, green and blue, and maybe transparency, which is dropped.

    Returns
    -------
    ndarray of float32, shape (1, 3, 227, 227)

    Raises
    ------
    FormatError
        As of `read_photo`.
    ValueError
        If the pixels are not uint8, or have another shape.
    OSError
        If a file cannot be read.
    ImportError
        If scikit-image is not installed.
    """
    try:
        from skimage.transform import resize
    except ModuleNotFoundError:
        raise ImportError("photos need scikit-image: pip install 'eie-sim[photos]'") from None
    pixels = read_photo(photo) if isinstance(photo, str | PathLike) else np.asarray(photo)
    if pixels.dtype != np.uint8:
        raise ValueError(f"photo: dtype {pixels.dtype}, but expected uint8; skimage.util.img_as_ubyte converts")
    sizes = (*pixels.shape, 1)[:3]  # two axes are those of one channel
    if pixels.ndim not in (2, 3) or 0 in sizes or sizes[2] > 4:
        raise ValueError(f"photo: shape {pixels.shape}, but expected (rows, columns[, 1 to 4 channels])")
    rows, columns, channels = sizes
    side = min(rows, columns)
    top, left = (rows - side) // 2, (columns - side) // 2
    blue_first = [2, 1, 0] if channels >= 3 else [0, 0, 0]  # what is left out is transparency
    square = pixels.reshape(sizes)[top : top + side, left : left + side, blue_first]
    resized = resize(square, (SIDE, SIDE), preserve_range=True, anti_aliasing=True).astype(np.float32)
    return np.ascontiguousarray((resized - np.array(MEAN_BGR, np.float32)).transpose(2, 0, 1)[None])


def read_photo(path: str | PathLike[str]) -> NDArray[np.uint8]:
    """The pixels of an image file, upright as its EXIF data say: red, green and blue.

    Parameters
    ----------
    path : str or path
        A PNG or JPEG file, or another that Pillow reads. Grey becomes red, green and blue; transparency is dropped.

    Returns
    -------
    ndarray of uint8, shape (rows, columns, 3)

    Raises
    ------
    FormatError
        If it is not an image, damaged, has more than 8 bits a channel, or too many pixels; a ValueError that names the
        file.
    OSError
        If it cannot be read.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    path = Path(path)
    file_size(path)  # a pipe would hang
    with errors_name(path), path.open("rb") as file, warnings.catch_warnings():
        # Attack: a file of a few bytes that unpacks to gigabytes. Pillow warns, and refuses from twice its limit on.
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(file) as image:
                if image.mode not in _EIGHT_BIT:
                    raise ValueError(f"mode: {image.mode}, but expected 8 bits a channel; convert the image")
                return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
        except (Image.DecompressionBombWarning, Image.DecompressionBombError):
            raise ValueError(f"size: over {Image.MAX_IMAGE_PIXELS:,} pixels; make the image smaller") from None
        except UnidentifiedImageError:
            raise ValueError("not an image; expected PNG, JPEG or another format that Pillow reads") from None
        except (OSError, SyntaxError, EOFError, struct.error) as error:
            raise ValueError(f"damaged image: {error}") from None
