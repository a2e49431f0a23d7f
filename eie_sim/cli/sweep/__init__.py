"""``eie-sim sweep``: run a space of machines and workloads, and look at what came out."""

from eie_sim.cli.sweep.compute import run
from eie_sim.cli.sweep.machines import best, pareto
from eie_sim.cli.sweep.pictures import html, plot
from eie_sim.cli.sweep.rows import export, query
from eie_sim.cli.sweep.search import search

COMMANDS = (run, query, best, pareto, plot, html, search, export)
