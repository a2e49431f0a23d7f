"""Value change dumps: every value is what the clocked machine holds in that cycle; GTKWave's tools take them."""

import gzip
import shutil
import subprocess

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compressor import pack_codes
from compressor.importers import read_eie_simulator
from eie_sim import ArchConfig, simulate
from eie_sim.machine.clock import Unit
from eie_sim.machine.machine import Machine
from eie_sim.trace import cut, trace_counts, write_vcd
from eie_sim.trace.vcd_signals import MACHINE_SIGNALS, PE_SIGNALS
from eie_sim.views import PE_STATES, full_queues, pe_states, waiting
from tests.contract.test_golden import EXTRA, GOLDEN, by_name, layer_of, machine_of
from tests.examples import examples
from tests.extras import needs
from tests.strategies import cases, crowded, parts
from tests.trace.value_changes import read_vcd

needs("vcd", "vcd")

few = settings(max_examples=examples(30), deadline=None)
small = cases(max_rows=20, max_cols=12, arithmetics=("float32",))


def run(case):
    result = simulate(case.layer, case.acts, case.arch, output=False, schedule=True)
    return result, result.schedule


def written(case, path, window=None, pes=None):
    """What a reader finds in the dump of a run."""
    write_vcd(path, run(case)[1], case.layer, case.arch, window, pes)
    return read_vcd(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("vcd")


# Against the clocked machine ------------------------------------------------------------------------------------------


class Probe(Unit):
    """Notes what every unit of the reference machine holds in each cycle."""

    def __init__(self, machine):
        self.machine = machine
        self.serving = [None] * len(machine.pes)
        self.seen = {}

    def sample(self):
        ccu, found = self.machine.ccu, self.machine.lnzd.found
        stalled = found is not None and any(self.full(k) for k in range(len(ccu.pes)))
        self.note("ccu.push", int(found is not None and not stalled))
        self.note("ccu.column", None if found is None or stalled else found.column)
        self.note("ccu.stall", int(stalled))
        self.note("lnzd.found", int(found is not None))
        self.note("lnzd.column", None if found is None else found.column)
        self.note("lnzd.scan_bubble", int(found is None and self.machine.lnzd.has_next_row))
        for k, pe in enumerate(self.machine.pes):
            self.note_pe(k, f"pe{k}", pe)

    def full(self, k):
        pipeline = self.machine.ccu.pipeline
        return self.machine.pes[k].full if pipeline is None else not pipeline.credits[k]

    def note_pe(self, k, scope, pe):
        queue, ptr, spmat, unit, act_rw = pe.act_queue, pe.ptr_read, pe.spmat_read, pe.arithmetic, pe.act_rw
        self.note(f"{scope}.act_queue.waiting", len(queue.waiting))
        self.note(f"{scope}.act_queue.full", int(self.full(k)))
        self.note(f"{scope}.ptr_read.column", self.serving[k] if ptr.cycles_left else None)
        if ptr.cycles_left <= 1 and queue.waiting:
            self.serving[k] = queue.waiting[0].column
        self.note(f"{scope}.ptr_read.issue", int(ptr.issue is not None))
        self.note(f"{scope}.ptr_read.address", None if ptr.issue is None else ptr.issue.address)
        row = None if spmat.request is None else spmat.request.address // spmat.entries_per_row
        self.note(f"{scope}.spmat_read.row", row)
        self.note(f"{scope}.spmat_read.row_read", int(row is not None and row != spmat.buffered_row))
        operand, product = unit.operand, unit.product
        real = operand is not None and operand.row is not None
        self.note(f"{scope}.arithmetic.multiply", int(real))
        self.note(f"{scope}.arithmetic.filler", int(operand is not None and not real))
        self.note(f"{scope}.arithmetic.bypass", int(real and product is not None and product.row == operand.row))
        self.note(f"{scope}.arithmetic.row", operand.row if real else None)
        self.note(f"{scope}.act_rw.write", int(act_rw.write_port is not None))
        self.note(f"{scope}.act_rw.row", None if act_rw.write_port is None else act_rw.write_port.row)

    def note(self, path, value):
        self.seen.setdefault(f"eie.{path}", []).append(value)


def assert_the_machine_holds(values, case):
    machine = Machine(case.layer, case.acts, case.arch)
    probe = Probe(machine)
    machine.units.append(probe)
    machine.run()
    assert {path for path in values if not path.endswith("state")} == set(probe.seen)
    for path, seen in probe.seen.items():
        assert values[path] == seen, path


@few
@given(case=small)
def test_every_value_is_the_one_the_machine_holds_in_that_cycle(case, folder):
    begin, end, values = written(case, folder / "trace.vcd")
    assert (begin, end) == (1, run(case)[0].cycles + 1)
    assert_the_machine_holds(values, case)


@pytest.mark.parametrize("seed", range(6))
def test_the_values_are_right_under_full_queues_too(seed, folder):
    case = crowded(seed)
    assert_the_machine_holds(written(case, folder / "trace.vcd")[2], case)


@few
@given(case=small)
def test_states_are_those_of_the_views(case, folder):
    result, schedule = run(case)
    _, _, values = written(case, folder / "trace.vcd")
    for k, states in enumerate(pe_states(schedule, case.layer)):
        assert values[f"eie.pe{k}.state"] == [PE_STATES[state] for state in states]
    told = values["eie.ccu.state"]
    counted = [told.count(state) for state in ("push", "stall", "scan_bubble", "idle")]
    assert counted == [getattr(result.counts, name) for name in result.counts.SCALARS]


@few
@given(case=cases())
def test_a_queue_that_holds_the_broadcast_up_is_full(case, folder):
    _, schedule = run(case)
    _, _, values = written(case, folder / "trace.vcd")
    full = np.array([values[f"eie.pe{k}.act_queue.full"] for k in range(schedule.n_pe)], bool)
    stalled = np.array(values["eie.ccu.stall"], bool)
    assert np.array_equal(full & stalled, full_queues(schedule, case.arch.act_queue_depth))


# The file -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", [*GOLDEN, *EXTRA], ids=by_name)
def test_a_golden_layer_reads_back_to_its_queues_and_counters(case, folder):
    layer, arch, path = layer_of(case), machine_of(case), folder / "trace.vcd"
    result = simulate(layer, case["act"], arch, output=False, schedule=True)
    write_vcd(path, result.schedule, layer, arch)
    _, _, values = read_vcd(path.read_text(encoding="utf-8"))
    for k, expected in enumerate(waiting(result.schedule)):
        assert values[f"eie.pe{k}.act_queue.waiting"] == expected.tolist()
    sums = {
        "spmat_row_reads": "spmat_read.row_read",
        "bypasses": "arithmetic.bypass",
        "acc_writes": "act_rw.write",
        "entries": "ptr_read.issue",
        "fillers": "arithmetic.filler",
    }
    for name, signal in sums.items():
        counted = [sum(values[f"eie.pe{k}.{signal}"]) for k in range(layer.n_pe)]
        assert counted == getattr(result.counts, name).tolist(), name
    assert sum(values["eie.ccu.stall"]) == result.counts.broadcast_stalls


@few
@given(case=cases(), data=st.data())
def test_a_window_of_some_pes_is_cut_out_of_the_whole(case, data, folder):
    _, schedule = run(case)
    (begin, end), pes = data.draw(parts(schedule))
    _, _, whole = written(case, folder / "whole.vcd")
    first, last, part = written(case, folder / "part.vcd", (begin, end), pes)
    assert (first, last) == (begin, end)
    assert len(part) == len(MACHINE_SIGNALS) + len(pes) * len(PE_SIGNALS)
    for path, values in part.items():
        assert values == whole[path][begin - 1 : end - 1], path


def test_a_long_run_is_written_in_blocks_that_make_the_same_file(folder, monkeypatch):
    case = crowded(4)
    _, schedule = run(case)
    write_vcd(folder / "whole.vcd", schedule, case.layer, case.arch)
    monkeypatch.setattr("eie_sim.trace.vcd_signals._AT_ONCE", 500)
    write_vcd(folder / "blocks.vcd", schedule, case.layer, case.arch)
    assert (folder / "whole.vcd").read_bytes() == (folder / "blocks.vcd").read_bytes()


def test_the_same_run_gives_the_same_bytes_and_no_date(folder):
    case = crowded(2)
    _, schedule = run(case)
    for name in ("a.vcd.gz", "b.vcd.gz", "plain.vcd"):
        found = write_vcd(folder / name, schedule, case.layer, case.arch)
    assert (folder / "a.vcd.gz").read_bytes() == (folder / "b.vcd.gz").read_bytes()
    assert gzip.decompress((folder / "a.vcd.gz").read_bytes()) == (folder / "plain.vcd").read_bytes()
    assert "$date" not in (folder / "plain.vcd").read_text(encoding="utf-8")
    assert found.plain() == trace_counts(cut(schedule, case.layer, case.arch)).plain()


def test_a_name_cannot_end_the_comment(folder):
    layer = pack_codes([[1], [1]], [0, 1], n_pe=1, name="evil $end\n#7 é")
    arch = ArchConfig(n_pe=1, weight_bits=1)
    schedule = simulate(layer, [1], arch, schedule=True).schedule
    write_vcd(folder / "evil.vcd", schedule, layer, arch)
    text = (folder / "evil.vcd").read_text(encoding="ascii")
    assert "layer evil ?end?#7 ?, machine" in text
    assert read_vcd(text)[1] == schedule.cycles + 1


def through_gtkwave(path, folder):
    """What GTKWave's own tools make of a dump: converted to its format and back."""
    tools = [shutil.which(name) for name in ("vcd2fst", "fst2vcd")]
    if None in tools:
        pytest.skip("no vcd2fst on this system: Debian's package gtkwave brings it")
    fst, back = folder / "trace.fst", folder / "back.vcd"
    subprocess.run([tools[0], path, fst], check=True, capture_output=True, timeout=60)
    subprocess.run([tools[1], "-f", fst, "-o", back], check=True, capture_output=True, timeout=60)
    return read_vcd(back.read_text(encoding="utf-8"))


@pytest.mark.parametrize("seed", [1, 3])
def test_gtkwave_converts_the_file_and_keeps_every_value(seed, folder):
    begin, _, expected = written(crowded(seed), folder / "trace.vcd")
    first, _, values = through_gtkwave(folder / "trace.vcd", folder)
    assert first == begin
    assert set(values) == set(expected)
    for path, found in values.items():
        # The tool ends with the last change of all, some cycles before the end.
        assert found == expected[path][: len(found)], path
        assert len(found) >= len(expected[path]) - 3
        assert set(expected[path][len(found) :]) <= set(expected[path][-1:])


@pytest.mark.slow
@pytest.mark.compiled_only
@pytest.mark.reference_data
def test_gtkwave_takes_the_real_layer_and_keeps_its_queues(alex8, folder):
    layer, acts = read_eie_simulator(alex8, n_rows=1000, n_pe=64)
    arch = ArchConfig()
    schedule = simulate(layer, acts, arch, output=False, schedule=True).schedule
    write_vcd(folder / "alex8.vcd", schedule, layer, arch)
    first, _, values = through_gtkwave(folder / "alex8.vcd", folder)
    assert first == 1
    for k, expected in enumerate(waiting(schedule)):
        found = values[f"eie.pe{k}.act_queue.waiting"]
        assert len(found) >= schedule.cycles - 3
        assert found == expected[: len(found)].tolist()
