"""The waveforms of the exported hardware have the values of the simulator's, by the two tables of docs/rtl.md."""

import re
from pathlib import Path

import pytest

from eie_sim import simulate
from eie_sim.trace import write_vcd
from eie_sim.trace.vcd_signals import MACHINE_SIGNALS, PE_SIGNALS
from tests.extras import needs, needs_icarus, needs_verilator
from tests.rtl.machines import QUICK, sampled
from tests.rtl.test_export import export, make, passes
from tests.trace.value_changes import read_vcd

needs("vcd", "vcd")

PAGE = Path(__file__).resolve().parents[2] / "docs" / "rtl.md"
NOT_A_WIRE = {"eie.ccu.state", "state", "ptr_read.column", "ptr_read.address"}
"""Signals that the page explains in words."""


def table(head):
    """The rows of the table whose second column is `head`: a signal of the simulator, and what it is in the RTL."""
    rows = PAGE.read_text(encoding="utf-8").split(f"| simulator | {head} |\n|---|---|\n")[1].split("\n\n")[0]
    return dict(re.match(r"\| `(.*?)` \| (.*) \|$", row).groups() for row in rows.strip().splitlines())


MACHINE = table("RTL, below `testbench.dut`")
OF_A_PE = table("RTL, below `testbench.dut.pes[k].element`")


def test_every_signal_of_the_simulator_is_in_the_tables_or_explained():
    of_machine = {f"eie.{signal.unit}.{signal.name}" for signal in MACHINE_SIGNALS}
    of_a_pe = {f"{signal.unit}.{signal.name}".lstrip(".") for signal in PE_SIGNALS}
    assert MACHINE.keys() | OF_A_PE.keys() == (of_machine | of_a_pe) - NOT_A_WIRE
    assert MACHINE.keys() <= of_machine


class Waves:
    """Values of the hardware's signals in cycles 1, 2, ... of the run; None for x."""

    def __init__(self, text):
        _, _, self.values = read_vcd(text)
        clk, running = (self.values[f"testbench.{name}"] for name in ("clk", "dut.running"))
        # A cycle is from one rising edge to the next; its second half has no edge in it.
        self.times = [at for at in range(len(clk)) if clk[at] == 0 and running[at] == 1]
        assert self["testbench.cycle"] == list(range(1, len(self.times) + 1))

    def __getitem__(self, path):
        values = self.values[path]
        return [values[at] for at in self.times]

    def of(self, text, scope):
        """What a cell of a table says, such as ```column` while `push```."""
        named = re.findall("`(.*?)`", text)
        value = self.product(named[0], scope)
        if len(named) == 2:
            assert text == f"`{named[0]}` while `{named[1]}`"
            return [one if there else None for one, there in zip(value, self.product(named[1], scope), strict=True)]
        if text.endswith(" a cycle before"):
            return [0, *value[:-1]]
        assert text == f"`{named[0]}`"
        return value

    def product(self, text, scope):
        factors = []
        for factor in text.split(" && "):
            values = self[f"{scope}.{factor.lstrip('!')}"]
            factors.append([one ^ 1 for one in values] if factor.startswith("!") else values)
        return factors[0] if len(factors) == 1 else [int(all(ones)) for ones in zip(*factors, strict=True)]


def assert_the_waveforms_agree(case, folder, tool):
    export(folder, case)
    done = make(folder, tool, VCD=1)
    assert passes(done), done.stdout + done.stderr
    hardware = Waves((folder / "eie.vcd").read_text())
    result = simulate(case.layer, case.acts, case.arch, schedule=True)
    path = folder / "simulated.vcd"
    write_vcd(path, result.schedule, case.layer, case.arch)
    begin, end, simulated = read_vcd(path.read_text(encoding="utf-8"))
    assert (begin, end) == (1, 1 + len(hardware.times))
    for signal, text in MACHINE.items():
        assert hardware.of(text, "testbench.dut") == simulated[signal], signal
    for k in range(case.layer.n_pe):
        for signal, text in OF_A_PE.items():
            found = hardware.of(text, f"testbench.dut.pes[{k}].element")
            assert found == simulated[f"eie.pe{k}.{signal}"], f"PE {k}: {signal}"
    return simulated


@pytest.mark.parametrize("number", [1, 2, 4], ids=["D = 8", "D = 2", "D = 1"])
def test_the_waveforms_in_icarus_are_the_simulators(number, tmp_path):
    needs_icarus()
    simulated = assert_the_waveforms_agree(sampled(QUICK[number], 1), tmp_path, "icarus")
    assert any(simulated["eie.ccu.stall"])


@pytest.mark.slow
def test_the_waveforms_in_verilator_are_the_simulators(tmp_path):
    needs_verilator()
    assert_the_waveforms_agree(sampled(QUICK[1], 1), tmp_path, "verilator")
