"""The table of memories is what CACTI says, where CACTI is installed."""

import os
import sys

import pytest

from eie_sim.cost import cacti
from eie_sim.cost.technology import MEMORIES
from tests.extras import needs


def test_without_the_extra_the_error_names_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "hwcomponents_cacti", None)
    with pytest.raises(ImportError, match=r"pip install 'eie-sim\[cacti\]', on Python 3.12 or later"):
        cacti.measured(2048, 16)


def test_a_program_that_does_not_run_says_how_to_build_one(monkeypatch):
    class Broken:
        def SRAM(self, **_):
            raise Exception("CACTI failed with exit code 1")

    broken = Broken()
    monkeypatch.setitem(sys.modules, "hwcomponents_cacti", broken)
    with pytest.raises(RuntimeError, match="CACTI does not run here; built from its sources it may: pip install "):
        cacti.measured(2048, 16)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="hwcomponents-cacti needs Python 3.12")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the tool leaves files open
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("place", range(len(MEMORIES)))
def test_the_table_is_what_cacti_measures(place):
    needs("hwcomponents_cacti", "cacti")
    ours = MEMORIES[place]
    try:
        found = cacti.measured(ours.n_bytes, ours.width_bits)
    except RuntimeError as error:
        if os.environ.get("EIE_SIM_EXTRAS") == "1":
            raise
        pytest.skip(str(error))
    assert found.read_pj == pytest.approx(ours.read_pj, rel=0.01)
    assert found.write_pj == pytest.approx(ours.write_pj, rel=0.01)
    assert found.area_mm2 == pytest.approx(ours.area_mm2, rel=0.02, abs=5e-5)
    assert found.leakage_mw == pytest.approx(ours.leakage_mw, rel=0.05, abs=5e-5)
