"""Measurements, one file each: ``python -m benchmarks.<name> [--check] [--json]``.

Each prints its figures beside the bar they must meet. ``--check`` makes a missed bar an exit code of 1.
"""
