"""What every test can ask for: each simulator that claims to obey the cycle contract, and the published data."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from eie_sim import simulate
from eie_sim.engines.base import ENGINES
from tests import naive

# A property's examples are few and whole simulations; how long one takes is no property. The same ones every time, so
# that a run of the suite can be repeated; `pytest --hypothesis-profile=explore` looks further.
settings.register_profile("repeatable", deadline=None, derandomize=True, print_blob=True)
settings.register_profile(
    "explore", deadline=None, max_examples=2000, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("repeatable")

ALEX8_SOURCE = "https://github.com/RalphMao/EIE-simulator (its folder of AlexNet fc8 data)"


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
