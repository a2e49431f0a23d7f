"""Beyond the paper: what EIE would gain from changes that its authors name or leave out, by the exact model.

Each study is a function of public parts (a packed layer or a network, inputs, a machine) and returns plain rows; none
has an engine of its own. Energies are by a named calibration. ``python -m benchmarks.beyond`` runs all of them.
"""

from eie_sim.studies.design import depths_and_widths
from eie_sim.studies.empty_columns import skip_empty_columns
from eie_sim.studies.index_width import index_widths
from eie_sim.studies.over_time import step_of_ones, steps_over_time
from eie_sim.studies.partitioning import partitionings
from eie_sim.studies.permutation import permutations
from eie_sim.studies.scaling import more_pes
from eie_sim.studies.sram import sram_sizes

__all__ = [
    "depths_and_widths",
    "index_widths",
    "more_pes",
    "partitionings",
    "permutations",
    "skip_empty_columns",
    "sram_sizes",
    "step_of_ones",
    "steps_over_time",
]
