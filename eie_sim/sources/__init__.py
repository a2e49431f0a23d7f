"""One door: what a user names becomes what runs.

`load` takes a packed model (``.eie``), a compressed one (``.dcz``), a MatrixMarket matrix (``.mtx``), a SCALE-Sim
topology (``.csv``), a data folder of the EIE authors' simulator, a published layer, a packaged network or
``random:ROWSxCOLS``, with the inputs that go with it, and returns a `Job`. Both the command line and sweeps go through
it, so that the same words run the same thing everywhere. Each kind of source is a file here; `eie_sim.sources.loading`
lists them. They import their readers where they read: a run of one kind does not wait for the kernels of the others.

This package knows no command line: where a message names an option, it does so by the name of the parameter, as data
(`OptionError`, `Cure`), and `eie_sim.cli` prints it as the user types it.
"""

from eie_sim.origin import Origin
from eie_sim.sources.job import Job, Note
from eie_sim.sources.loading import load
from eie_sim.sources.options import Cure, OptionError

__all__ = ["Cure", "Job", "Note", "OptionError", "Origin", "load"]
