"""The commands of `eie-sim`."""

from compressor.console.app import command_line
from eie_sim.cli.compare import compare
from eie_sim.cli.info import info
from eie_sim.cli.measure import measure
from eie_sim.cli.presets import presets
from eie_sim.cli.report import report
from eie_sim.cli.run import run

_ABOUT = """Cycle-exact simulator of EIE, the sparse neural-network accelerator (Han et al., ISCA 2016).

`eie-sim run` simulates the paper's nine layers and sets the paper's figures beside the results.
"""

app = command_line("eie-sim", _ABOUT, (run, report, info, compare, measure, presets))
