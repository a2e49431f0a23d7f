"""Readers of other formats, one file each."""

from compressor.importers.eie_simulator import read_eie_simulator, write_eie_simulator
from compressor.importers.matrix_market import read_matrix_market

__all__ = ["read_eie_simulator", "read_matrix_market", "write_eie_simulator"]
