"""The importers by name: every one is there, and none is loaded before it is asked for."""

import subprocess
import sys

import pytest

from compressor import importers
from tests.extras import needs

HEAVY = {"numpy", "numba", "torch", "onnx", "safetensors", "zipfile"}


@pytest.mark.parametrize("name", importers.__all__)
def test_every_importer_is_there_and_has_a_docstring(name):
    if name.endswith("pytorch"):
        needs("torch", "train")
    function = getattr(importers, name)
    assert function.__name__ == name
    assert "Raises" in function.__doc__


def test_the_names_are_those_of_the_homes():
    assert importers.__all__ == sorted(importers._HOMES) == dir(importers)


def test_an_importer_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match=r"compressor\.importers.*read_anything"):
        _ = importers.read_anything


def test_importing_the_importers_loads_nothing_heavy():
    code = "import compressor.importers, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not HEAVY & set(done.stdout.split())


def test_reading_a_net_file_loads_neither_torch_nor_onnx():
    code = "from compressor.importers import read_deep_compression_net, read_npz, read_safetensors; import sys"
    done = subprocess.run([sys.executable, "-c", f"{code}; print(*sys.modules)"], capture_output=True, text=True)
    assert "compressor.importers.npz" in done.stdout.split()
    assert not {"torch", "onnx"} & set(done.stdout.split())
