"""The layers of a packed model, as both command lines show them."""

from typing import TYPE_CHECKING, Any

from compressor.console.grid import Group, column
from compressor.console.printer import short

if TYPE_CHECKING:
    from compressor.types.packed import PackedLayer


def packed_row(layer: "PackedLayer", activation: str) -> dict[str, Any]:
    """What is to be said of `layer`, with `activation` after it; for JSON and for `packed_groups`."""
    per_pe = layer.entries_per_pe
    return {
        "name": layer.name,
        "n_rows": layer.n_rows,
        "n_cols": layer.n_cols,
        **dict(zip(("n_pe", "weight_bits", "index_bits"), layer.packing, strict=True)),
        "has_bias": layer.has_bias,
        "permuted": layer.row_permutation is not None,
        "activation": activation,
        "density": layer.density,
        "entries": layer.n_entries,
        "fillers": layer.n_fillers,
        "entries_per_pe": {"min": int(per_pe.min()), "mean": float(per_pe.mean()), "max": int(per_pe.max())},
    }


def packed_groups(rows: list[dict[str, Any]]) -> list[Group]:
    """The columns of a table of `packed_row`."""
    return [
        column("layer", [short(row["name"]) for row in rows], left=True),
        column("outputs", [f"{row['n_rows']:,}" for row in rows]),
        column("inputs", [f"{row['n_cols']:,}{' + bias' if row['has_bias'] else ''}" for row in rows]),
        column("density %", [f"{100 * row['density']:.2f}" for row in rows]),
        column("entries", [f"{row['entries']:,}" for row in rows]),
        column("fillers %", [f"{100 * row['fillers'] / max(1, row['entries']):.2f}" for row in rows], 1),
        column("PEs", [str(row["n_pe"]) for row in rows]),
        column("bits", [f"{row['weight_bits']}+{row['index_bits']}" for row in rows], 2),
        column("activation", [row["activation"] + (", permuted" if row["permuted"] else "") for row in rows], 3, True),
    ]
