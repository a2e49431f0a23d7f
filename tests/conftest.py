"""What every test can ask for: each simulator that claims to obey the cycle contract, and the published data."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from eie_sim import simulate
from eie_sim.engines.base import ENGINES
from tests import naive

# No deadline: an example is a whole simulation, and how long it takes is not a property. The plain run draws few
# examples, the same ones every time; the gate draws more (`--hypothesis-profile=gate`), also the same; `explore` draws
# new ones. A test that sets a count of its own scales it by the profile: tests/examples.py.
settings.register_profile("plain", deadline=None, max_examples=30, derandomize=True, print_blob=True)
settings.register_profile("gate", deadline=None, max_examples=100, derandomize=True, print_blob=True)
settings.register_profile(
    "explore", deadline=None, max_examples=2000, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("plain")

QUICK_FOLDERS = {"contract", "units", "equivalence"}
"""Folders whose tests are in the quick tier, `pytest -m quick`, except slow ones and those of `NOT_QUICK`."""

NOT_QUICK = {"test_alex8.py", "test_many_pes.py", "test_warm_up.py", "test_word_widths.py"}
"""The large ones of these folders: the real Alex-8, machines of thousands of PEs, what is compiled when."""

ALEX8_SOURCE = "https://github.com/RalphMao/EIE-simulator (its folder of AlexNet fc8 data)"

SQUEEZENET_SOURCE = "https://github.com/songhan/SqueezeNet-Deep-Compression (compressed_SqueezeNet.net)"


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark the tests of whole folders; one case of each command carries the marker in its own file."""
    folder = item.path.relative_to(Path(__file__).parent).parts[0]
    if item.path.name in NOT_QUICK:
        return
    # `-m quick` replaces the `-m "not slow"` of setup.cfg: a slow test must not be quick as well.
    if folder in QUICK_FOLDERS and item.get_closest_marker("slow") is None:
        item.add_marker("quick")


class Simulator:
    """One answer to the contract, called by name: ``simulator(layer, acts, arch, output=, schedule=)``."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, layer, acts, arch=None, output=True, schedule=True):
        if self.name == "naive":
            return naive.simulate(layer, acts, arch, output, schedule)
        return simulate(layer, acts, arch, self.name, output, schedule)


@pytest.fixture(params=["naive", *ENGINES], scope="session")
def simulator(request) -> Simulator:
    """Every engine there is, and the naive machine they are compared with: what holds for one holds for all."""
    return Simulator(request.param)


@pytest.fixture(params=ENGINES, scope="session")
def engine(request) -> str:
    """Every engine there is, by name."""
    return request.param


@pytest.fixture(scope="session")
def alex8() -> Path:
    """The folder of the EIE authors' AlexNet fc8; skips where it is absent, for it is not ours to ship."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "reference" / "alex8"
    folder = Path(os.environ.get("EIE_SIM_ALEX8", beside))
    if not (folder / "act.dat").is_file():
        pytest.skip(f"no Alex-8 data: get it from {ALEX8_SOURCE} and name its folder in EIE_SIM_ALEX8")
    return folder


@pytest.fixture(scope="session")
def squeezenet() -> Path:
    """The Deep Compression authors' SqueezeNet; skips where it is absent, for it is not ours to ship."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "reference" / "squeezenet"
    path = Path(os.environ.get("EIE_SIM_SQUEEZENET", beside)) / "compressed_SqueezeNet.net"
    if not path.is_file():
        pytest.skip(f"no compressed SqueezeNet: get it from {SQUEEZENET_SOURCE}, name its folder in EIE_SIM_SQUEEZENET")
    return path
