"""The commands of `eie-sim`."""

from compressor.console.app import CommandGroup, command_line
from eie_sim.cli.compare import compare
from eie_sim.cli.info import info
from eie_sim.cli.measure import measure
from eie_sim.cli.plot import plot
from eie_sim.cli.presets import presets
from eie_sim.cli.report import report
from eie_sim.cli.rtl import COMMANDS as RTL_COMMANDS
from eie_sim.cli.run import run
from eie_sim.cli.sweep import COMMANDS as SWEEP_COMMANDS
from eie_sim.cli.trace import trace

_ABOUT = """Cycle-exact simulator of EIE, the sparse neural-network accelerator (Han et al., ISCA 2016).

`eie-sim run` simulates the paper's nine layers and sets the paper's figures beside the results.
"""

_SWEEP = CommandGroup(
    "sweep",
    "Spaces of machines and workloads: run them, and find the best.",
    SWEEP_COMMANDS,
)

_RTL = CommandGroup(
    "rtl",
    "The machine in SystemVerilog: take it to other tools.",
    RTL_COMMANDS,
)

app = command_line("eie-sim", _ABOUT, (run, info, compare, measure, report, plot, trace, presets), (_SWEEP, _RTL))
