"""Data that several tests of the compressor ask for."""

from dataclasses import replace
from pathlib import Path

import pytest

from compressor import CompressedModel
from compressor.importers import read_deep_compression_net


@pytest.fixture(scope="session")
def squeezenet_model(squeezenet: Path) -> CompressedModel:
    """The authors' compressed SqueezeNet, with its graph."""
    return read_deep_compression_net(squeezenet)


@pytest.fixture(scope="session")
def squeezenet_layers(squeezenet_model: CompressedModel) -> CompressedModel:
    """The same without the graph: what the authors' file holds, whose size was measured."""
    return replace(squeezenet_model, network=None)
