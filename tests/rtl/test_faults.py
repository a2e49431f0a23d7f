"""A fault in the hardware is found: ten of them, each one line of the sources, on the layers that the tests run."""

import shutil

import pytest

from eie_sim import simulate
from eie_sim.result import differences
from eie_sim.rtl import build, engine
from eie_sim.rtl.model import model
from tests.extras import needs_verilator
from tests.rtl.machines import QUICK, sampled

needs_verilator()

pytestmark = pytest.mark.slow

FAULTS = {
    "a queue that holds one activation more": ("act_queue", "SLOTS = DEPTH > 1 ? DEPTH - 1 : 1", "SLOTS = DEPTH"),
    "a pop that is a cycle late": ("ptr_read", "(!serving || last)", "!serving"),
    "pointers from the wrong bank": ("ptr_read", "odd_first ? odd_out : even_out", "even_out"),
    "rows that never end": ("ptr_read", "now.row + 1'b1 : now.row", "now.row : now.row"),
    "a row buffer that forgets": ("spmat_read", "!(known && issue_row == last_row)", "1'b1"),
    "fillers that are written": ("arithmetic", "valid && code != 0", "valid"),
    "no bypass": ("arithmetic", "from_adder <= bypass", "from_adder <= 1'b0"),
    "ties that round up": ("arithmetic", "half && (sticky || floor[0])", "half"),
    "sums that wrap around": ("arithmetic", "below ? LOWEST[ACC_BITS-1:0] : sum", "sum"),
    "a read that misses the write of its cycle": ("act_rw", "write && write_address == read_address", "1'b0"),
    "a scan that waits for the queues": ("ccu", ": !found)", ": !found && !any_full)"),
    "a last lane that costs a bubble": ("ccu", "push ? lane == LANE_BITS'(N_PE - 1)", "push ? 1'b0"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found(name, tmp_path, monkeypatch):
    unit, right, wrong = FAULTS[name]
    sources = tmp_path / "rtl"
    shutil.copytree(build.SOURCES, sources, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    path = sources / f"{unit}.sv"
    text = path.read_text()
    assert text.count(right) == 1, f"{unit}.sv: {right!r} is not there once"
    path.write_text(text.replace(right, wrong))
    monkeypatch.setattr(engine, "model", lambda parameters: model(parameters, sources))
    assert any(is_found(sampled(QUICK[1], seed)) for seed in range(30))


def is_found(case):
    try:
        hardware = simulate(case.layer, case.acts, case.arch, "rtl", schedule=True)
    except RuntimeError:  # it never ends
        return True
    return differences(hardware, simulate(case.layer, case.acts, case.arch, schedule=True)) != []
