"""Data that several tests of the compressor ask for."""

import os
from pathlib import Path

import pytest

from compressor import CompressedModel
from compressor.importers import read_deep_compression_net

SQUEEZENET_SOURCE = "https://github.com/songhan/SqueezeNet-Deep-Compression (compressed_SqueezeNet.net)"


@pytest.fixture(scope="session")
def squeezenet_model() -> CompressedModel:
    """The authors' compressed SqueezeNet; skips where it is absent, for it is not ours to ship."""
    beside = Path(__file__).resolve().parents[3] / "shared" / "reference" / "squeezenet"
    path = Path(os.environ.get("EIE_SIM_SQUEEZENET", beside)) / "compressed_SqueezeNet.net"
    if not path.is_file():
        pytest.skip(f"no compressed SqueezeNet: get {SQUEEZENET_SOURCE} and name its folder in EIE_SIM_SQUEEZENET")
    return read_deep_compression_net(path)
