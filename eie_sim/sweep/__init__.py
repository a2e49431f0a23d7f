"""Architecture sweeps: a space of machines and workloads, a store that loses nothing, and a runner on any executor.

`Space` says which points there are (a TOML file, or Python), `run_sweep` computes those that a store does not have yet
(`Store`, SQLite) on one computer or a cluster, and what comes out is rows: `pareto` finds the front of some of them.
"""
