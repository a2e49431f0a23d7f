"""Winograd's transform against im2col on the 3 x 3 layers of the authors' compressed SqueezeNet, with a photo.

For each layer: products, multiply-accumulates of all weights, of those that are not 0 and of those with active inputs,
cycles, and the error of the transform: the largest difference of the layer's outputs from im2col's over their largest
magnitude, for the same inputs. The transformed kernels are shared in 8 bits, each of the 16 matrices with a codebook of
its own; then with one codebook for all, and pruned in their own domain. The network is read where the environment
variable EIE_SIM_SQUEEZENET names the folder of compressed_SqueezeNet.net, or from --net; nothing is fetched. The photo
is scikit-image's chelsea (extra `photos`), or the one that --photo names.
"""

import argparse
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import Figure, Report, Table, command
from benchmarks.reproduction.files import as_markdown, write_texts
from benchmarks.reproduction.model_sizes import NET_VARIABLE, find_net
from compressor.types.coded import CompressedModel
from eie_sim.network.node import NodeResult

ERROR_BAR = 0.02
"""Of a layer whose transformed kernels are shared in 8 bits and not pruned."""

LAYER_COLUMNS = (
    *("layer", "lowering", "products", "MACs dense", "MACs pruned", "MACs performed"),
    *("weights kept, %", "active inputs, %", "cycles", "error"),
)
TOTAL_COLUMNS = ("lowering", *LAYER_COLUMNS[2:6], *LAYER_COLUMNS[6:9], "energy, uJ", "largest error", "class", "chance")


@dataclass(frozen=True)
class Run:
    """The network with one lowering.

    Attributes
    ----------
    name : str
    layers : tuple of NodeResult
        Those of 3 x 3.
    answer : int
        Class of the largest score.
    chance : float
        Its softmax.
    """

    name: str
    layers: tuple[NodeResult, ...]
    answer: int
    chance: float

    def total(self, name: str) -> int:
        """The sum of a number over the layers."""
        return sum(int(getattr(layer, name)) for layer in self.layers)

    @property
    def kept(self) -> float:
        """Weights of the layers' matrices that are not 0, over all of them."""
        return self.total("n_kept") / self.total("n_weights")

    @property
    def error(self) -> float | None:
        """That of the layer where it is largest; None of im2col."""
        return max((layer.winograd_error for layer in self.layers if layer.winograd_error is not None), default=None)

    @property
    def row(self) -> tuple[object, ...]:
        """A line of the table of lowerings."""
        energy = sum(layer.energy_uj for layer in self.layers)
        return (
            self.name,
            *_cells(self.layers),
            f"{energy:,.0f}",
            _shown(self.error),
            self.answer,
            f"{self.chance:.3f}",
        )


def _shown(error: float | None) -> str:
    return "" if error is None else f"{error:.4f}"


def _cells(layers: Iterable[NodeResult]) -> tuple[object, ...]:
    """Work, density and cycles of layers together."""
    of = tuple(layers)
    counted = [sum(getattr(one, name) for one in of) for name in ("products", "macs_dense", "macs_pruned")]
    counted.append(sum(one.macs_performed for one in of))
    kept = 100 * sum(one.n_kept for one in of) / sum(one.n_weights for one in of)
    active = 100 * sum(one.counts.broadcasts for one in of) / sum(one.products * one.n_inputs for one in of)
    return (*(f"{number:,}" for number in counted), f"{kept:.1f}", f"{active:.1f}", f"{sum(o.cycles for o in of):,}")


def run(name: str, model: CompressedModel, image: Any, **options: Any) -> Run:
    """Run the network with a lowering."""
    from eie_sim import plan_network, run_network

    result = run_network(plan_network(model, **options), image)
    (scores,) = (output.ravel().astype(np.float64) for output in result.outputs.values())
    chances = np.exp(scores - scores.max())
    layers = tuple(node for node in result.nodes.values() if "3x3" in node.name)
    return Run(name, layers, int(scores.argmax()), float(chances.max() / chances.sum()))


def finding(plain: Run, winograd: Run) -> str:
    """What the comparison shows, in a sentence."""
    ratio = {name: plain.total(name) / winograd.total(name) for name in ("macs_dense", "macs_pruned", "cycles")}
    performed = winograd.total("macs_performed") / plain.total("macs_performed")
    kept, own = (100 * one.kept for one in (plain, winograd))
    return (
        f"Winograd's transform needs {ratio['macs_dense']:.2f} times fewer multiply-accumulates before pruning, but "
        f"only {ratio['macs_pruned']:.2f} times fewer after it, and {performed:.2f} times as many with active inputs, "
        f"because it fills zeros of kernels ({kept:.0f} % of the weights are kept in im2col's matrices and {own:.0f} % "
        f"in its own) and of activations; {ratio['cycles']:.2f} times fewer cycles remain, at an error of at most "
        f"{100 * (winograd.error or 0):.1f} % of a layer's largest output."
    )


def photo_of(options: argparse.Namespace) -> Any:
    """The image as the network takes it.

    Raises
    ------
    ImportError
        Without the extra ``photos``.
    """
    from eie_sim.sources.photo import photo_input

    if options.photo is not None:
        return photo_input(options.photo)
    try:
        from skimage import data
    except ImportError:
        raise ImportError("photos need pip install 'eie-sim[photos]'") from None
    return photo_input(data.chelsea())


def measure(options: argparse.Namespace) -> Report:
    from compressor.importers import read_deep_compression_net

    if options.net is None:
        note = f"name the folder of compressed_SqueezeNet.net in {NET_VARIABLE}, or the file with --net"
        return Report((Figure("cycles of im2col over cycles of Winograd", None, "", 1.0, "at least", note),))
    model, image = read_deep_compression_net(options.net), photo_of(options)
    plain = run("im2col", model, image)
    winograd, *others = (
        run(name, model, image, lowering="winograd", winograd_density=density, winograd_codebooks=codebooks)
        for name, density, codebooks in (
            ("Winograd", 1.0, 16),
            ("Winograd, one codebook", 1.0, 1),
            ("Winograd, half of the weights", 0.5, 16),
            ("Winograd, pruned to the density of im2col", plain.kept, 16),
        )
    )
    pairs = [
        pair
        for both in zip(plain.layers, winograd.layers, strict=True)
        for pair in zip((plain, winograd), both, strict=True)
    ]
    layers = tuple((layer.name, of.name, *_cells([layer]), _shown(layer.winograd_error)) for of, layer in pairs)
    tables = (
        Table("Layers of 3 x 3", LAYER_COLUMNS, layers),
        Table("All of them, and the answer", TOTAL_COLUMNS, tuple(one.row for one in (plain, winograd, *others))),
    )
    text = finding(plain, winograd)
    if options.out is not None:
        shown = "\n\n".join(f"## {table.title}\n\n{as_markdown(table.columns, table.rows)}" for table in tables)
        about = f"{text}\n\n{ABOUT}"
        write_texts(options.out, {"winograd.md": f"# Winograd against im2col\n\n{about}\n\n{shown}\n"})
    figures = (
        Figure(
            "multiply-accumulates before pruning, im2col over Winograd",
            plain.total("macs_dense") / winograd.total("macs_dense"), "", 2.0, "at least",
            "2.25 where the sides of the outputs are even; here 55, 27 and 13",
        ),
        Figure("cycles, im2col over Winograd", plain.total("cycles") / winograd.total("cycles"), "", 1.0, "at least"),
        Figure("largest error of a layer", winograd.error, "", ERROR_BAR),
        Figure("answers that are im2col's, of 1", float(winograd.answer == plain.answer), "", 1.0, "at least"),
    )  # fmt: skip
    return Report(figures, tables, {"finding": text, "net": options.net})


ABOUT = """
The eight 3 x 3 layers of the authors' compressed SqueezeNet on 64 PEs, for a photo of a cat (class 285, Egyptian cat).
Weights kept are those of the matrices that run which are not 0. The error is the largest difference of a layer's
outputs from those of im2col for the same inputs, over their largest magnitude. Codebooks of 8 bits alone leave the
answer as it is; pruning the transformed kernels without training them again does not. Transforms run on the host and
are not counted.
""".strip()


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--net", type=Path, default=find_net(), metavar="FILE", help="the authors' SqueezeNet")
    parser.add_argument("--photo", type=Path, metavar="FILE", help="a photo (default: scikit-image's chelsea)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="also write winograd.md there")


if __name__ == "__main__":
    sys.exit(command("winograd", __doc__, measure, add_options=add_options))
