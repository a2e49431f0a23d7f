"""A machine as the SystemVerilog sees it: the parameters of ``eie.sv``."""

from dataclasses import asdict, dataclass

from compressor.types.packed import PackedLayer
from eie_sim.arch import ArchConfig

_MOST_WORDS = 2**28
"""Words of one memory: parameters are 32-bit integers, and a model holds every word of every PE."""


@dataclass(frozen=True)
class Parameters:
    """The parameters of ``eie.sv``, named as there in lower case; memories are those of each PE."""

    n_pe: int
    depth: int
    bits: int
    acc_bits: int
    weight_bits: int
    index_bits: int
    spmat_width: int
    fanin: int
    half_even: int
    spmat_rows: int
    ptr_words: int
    act_rows: int
    broadcast_latency: int

    @classmethod
    def of(cls, arch: ArchConfig, layer: PackedLayer | None = None) -> "Parameters":
        """The parameters of a machine; memories that `layer` does not fit grow to a power of two.

        Raises
        ------
        ValueError
            If the machine computes in float32, or a memory is too large to be built.
        """
        bits = arch.number_bits
        if bits is None:
            raise ValueError(
                "arithmetic: float32, but the engine 'rtl' is fixed-point hardware; set arithmetic=fixed8, fixed16 or "
                "fixed32"
            )
        _, pointers, _, _ = arch.sram_limits
        parameters = cls(
            n_pe=arch.n_pe,
            depth=arch.act_queue_depth,
            bits=bits,
            acc_bits=arch.acc_bits or bits,
            weight_bits=arch.weight_bits,
            index_bits=arch.index_bits,
            # Bits beyond the last whole entry of a row hold nothing.
            spmat_width=arch.entries_per_spmat_row * (arch.weight_bits + arch.index_bits),
            fanin=arch.lnzd_fanin,
            half_even=int(arch.rounding == "half_even"),
            spmat_rows=_large_enough(max(1, arch.spmat_bytes * 8 // arch.spmat_width_bits), _spmat_rows(layer, arch)),
            ptr_words=_large_enough(max(4, pointers), 0 if layer is None else pointer_words(layer)),
            act_rows=_large_enough(arch.act_regfile_entries, 0 if layer is None else _act_rows(layer)),
            broadcast_latency=arch.broadcast_latency,
        )
        for name in ("depth", "spmat_rows", "ptr_words", "act_rows"):
            words = getattr(parameters, name)
            if words > _MOST_WORDS:
                raise ValueError(
                    f"{name}: {words} words a PE, but the engine 'rtl' builds memories of {_MOST_WORDS} at most"
                )
        return parameters

    @property
    def row_entries(self) -> int:
        """Entries in a row of the sparse-matrix SRAM."""
        return self.spmat_width // (self.weight_bits + self.index_bits)

    @property
    def place_bits(self) -> int:
        """Bits of an entry's place in its row."""
        return max(1, (self.row_entries - 1).bit_length())

    @property
    def reg_bits(self) -> int:
        """Bits of a register of the two files, which hold inputs and sums in turn."""
        return max(self.bits, self.acc_bits)

    @property
    def verilog(self) -> dict[str, int]:
        """Name and value of each parameter of ``eie.sv`` that is set."""
        return {name.upper(): value for name, value in asdict(self).items()}


def pointer_words(layer: PackedLayer) -> int:
    """Pointers that a PE holds: those of all lanes of the inputs, of a bias column after them, and the end."""
    return -(-layer.n_cols // layer.n_pe) * layer.n_pe + 2


def _spmat_rows(layer: PackedLayer | None, arch: ArchConfig) -> int:
    if layer is None:
        return 0
    entries = layer.entries_of_fullest_pe
    return -(-entries // arch.entries_per_spmat_row)


def _act_rows(layer: PackedLayer) -> int:
    return max(-(-layer.n_cols // layer.n_pe), -(-layer.n_rows // layer.n_pe))


def _large_enough(words: int, needed: int) -> int:
    return words if needed <= words else 1 << (needed - 1).bit_length()
