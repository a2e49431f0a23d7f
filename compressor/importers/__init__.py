"""Readers of other formats, one file each."""

from compressor.importers.eie_simulator import read_eie_simulator, write_eie_simulator

__all__ = ["read_eie_simulator", "write_eie_simulator"]
