"""Sizes of the large networks at their published densities and bits, and of the authors' real SqueezeNet.

There are no trained weights of these networks here: they are drawn, pruned by magnitude to the published density and
shared at the published bits. So the density and the bits at fixed width are the paper's; what the fillers and Huffman
coding make of them is that of positions without any order and of how evenly the codes are used. To show how much that
is, two more are drawn: from a Laplace distribution, whose tails are longer, and the same with the k-means stopped after
one iteration, while its centroids still are about as evenly spaced as the linear initialisation has put them.
"""

import os
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import Literal, TypeAlias

import numpy as np

from benchmarks.reproduction.tasks import Result, Task
from compressor import CodedTensor, CompressedModel
from compressor.accounting import PaperRule, account, paper_rule
from compressor.importers import read_deep_compression_net, write_deep_compression_net
from compressor.networks import shapes
from compressor.prune import cut_to_density, prune_mask
from compressor.published import ALEXNET, VGG_16, PublishedNetwork
from compressor.weight_sharing import MAX_ITERATIONS, share_weights

FLOAT_BYTES = 4

Distribution: TypeAlias = Literal["normal", "Laplace", "Laplace, one iteration"]
"""What the weights are drawn from; the first is that of the tables."""

QUICK_SIDE = 24
"""Largest dimension of a tensor in the quick form."""

QUICK_LAYERS = ("conv1", "conv1_1", "fc8", "conv_final")
"""Layers that are drawn there: the first and the last of each network."""

SQUEEZENET_INDEX_BITS = 4
"""Bits of a run in the authors' file."""

SQUEEZENET_PUBLISHED_BYTES: Mapping[int, float] = MappingProxyType({8: 0.66e6, 6: 0.47e6})
"""Bytes by bits of a code at 33 % density (Iandola et al. 2016, Table 2); 1 MB is 1,000,000 bytes here."""

SQUEEZENET_DENSE_BYTES = 4.8e6
"""SqueezeNet before compression, as printed there."""

_TENTHS = {"fire8/conv3x3_2": 0.30, "fire9/conv3x3_2": 0.30, "conv_final": 0.20}
_HALVED = ("fire6/conv1x1_2", "fire7/conv1x1_1", "fire8/conv1x1_2", "fire9/conv1x1_1")


def _squeezenet_density(layer: str) -> float:
    if layer in _TENTHS:
        return _TENTHS[layer]
    if layer in _HALVED:
        return 0.5
    return 0.33 if "3x3" in layer else 1.0


SQUEEZENET_DENSITIES: Mapping[str, float] = MappingProxyType(
    {layer: _squeezenet_density(layer) for layer in shapes.SQUEEZENET_1_0}
)
"""Share of the weights kept in each layer of the authors' file, measured there; together 33.5 %."""

REAL_NET_BYTES = 675_763
"""Size of the authors' compressed_SqueezeNet.net."""

NET_VARIABLE = "EIE_SIM_SQUEEZENET"
"""Environment variable that names the folder with compressed_SqueezeNet.net; nothing is fetched."""


@dataclass(frozen=True)
class LayerPlan:
    """A layer to draw.

    Attributes
    ----------
    network, layer : str
    shape : tuple of int
    density : float
    weight_bits, index_bits : int
    drawn_from : str
    """

    network: str
    layer: str
    shape: tuple[int, ...]
    density: float
    weight_bits: int
    index_bits: int
    drawn_from: Distribution = "normal"

    @property
    def key(self) -> str:
        """Its name among the tasks."""
        return f"{self.network} {self.layer}, {self.drawn_from}"


def _published_plans(name: str, network: PublishedNetwork, table: shapes.Shapes) -> list[LayerPlan]:
    return [
        LayerPlan(name, layer, table[layer], row.kept_pct / 100, int(row.weight_bits), int(row.index_bits))
        for layer, row in network.layers.items()
    ]


def _squeezenet_plans(weight_bits: int) -> list[LayerPlan]:
    return [
        LayerPlan(
            squeezenet_name(weight_bits), layer, shape, SQUEEZENET_DENSITIES[layer], weight_bits, SQUEEZENET_INDEX_BITS
        )
        for layer, shape in shapes.SQUEEZENET_1_0.items()
    ]


def squeezenet_name(weight_bits: int) -> str:
    """SqueezeNet at some bits a code."""
    return f"squeezenet-1.0, {weight_bits} bits"


def plans(quick: bool = False) -> list[LayerPlan]:
    """Every layer to draw; `quick`: the first and the last, cut to `QUICK_SIDE` in each dimension."""
    published = [
        *_published_plans("alexnet", ALEXNET, shapes.ALEXNET),
        *_published_plans("vgg-16", VGG_16, shapes.VGG_16),
    ]
    wanted = [
        *published,
        *(replace(plan, drawn_from="Laplace") for plan in published),
        *(replace(plan, drawn_from="Laplace, one iteration") for plan in published),
        *(plan for bits in SQUEEZENET_PUBLISHED_BYTES for plan in _squeezenet_plans(bits)),
    ]
    if not quick:
        return wanted
    few = [plan for plan in wanted if plan.layer in QUICK_LAYERS]
    return [replace(plan, shape=tuple(min(size, QUICK_SIDE) for size in plan.shape)) for plan in few]


def drawn_tensor(plan: LayerPlan, seed: int) -> CodedTensor:
    """Drawn weights, pruned by magnitude and shared; the same for the same plan and seed."""
    random = np.random.default_rng([seed, *plan.shape])
    if plan.drawn_from == "normal":
        weights = random.standard_normal(plan.shape, np.float32)
    else:
        weights = random.standard_exponential(plan.shape, np.float32)
        weights *= random.integers(0, 2, plan.shape, np.int8) * np.int8(2) - np.int8(1)
    mask = prune_mask(weights, cut_to_density(weights, plan.density)).reshape(-1)
    iterations = 1 if plan.drawn_from.endswith("one iteration") else MAX_ITERATIONS
    shared = share_weights(weights.reshape(-1)[mask], plan.weight_bits, max_iter=iterations)
    codes = np.zeros(mask.size, np.uint8)
    codes[mask] = shared.codes
    kind = "conv" if len(plan.shape) == 4 else "linear"
    return CodedTensor(plan.layer, plan.shape, kind, shared.codebook, codes)


def layer_task(plan: LayerPlan, seed: int) -> Task:
    """Draw a layer and count its bits."""

    def compute(_: object) -> Result:
        tensor = drawn_tensor(plan, seed)
        file = account(CompressedModel((tensor,), ("none",))).total.file.total
        return {"rule": asdict(paper_rule(tensor, plan.index_bits)), "file_bytes": file}

    # Drawing, sorting and coding take time in proportion to the weights; a small layer takes some milliseconds too.
    return Task(plan.key, float(np.prod(plan.shape)) + 1e5, compute)


def rule_of(result: Result) -> PaperRule:
    """The count of a layer from what was kept of it."""
    return PaperRule(**result["rule"])


def total(rules: list[PaperRule]) -> PaperRule:
    """The sum of the layers."""
    return PaperRule(**{field.name: sum(getattr(rule, field.name) for rule in rules) for field in fields(PaperRule)})


# The authors' real file -----------------------------------------------------------------------------------------------


def find_net() -> Path | None:
    """The authors' SqueezeNet where `NET_VARIABLE` says, or None."""
    named = os.environ.get(NET_VARIABLE)
    path = Path(named) / "compressed_SqueezeNet.net" if named else None
    return path if path is not None and path.is_file() else None


def real_squeezenet(path: Path) -> Result:
    """Bytes of the authors' model: its file, written again, and as .dcz."""
    model = read_deep_compression_net(path)
    n_parameters = sum(t.codes.size + (0 if t.bias is None else t.bias.size) for t in model.tensors)
    rules = [paper_rule(tensor, SQUEEZENET_INDEX_BITS) for tensor in model.tensors]
    return {
        "net_bytes": path.stat().st_size,
        "rewritten": _rewritten(model) == path.read_bytes(),
        "dense_bytes": FLOAT_BYTES * n_parameters,
        # Without the graph, which the authors' file has not.
        "dcz_huffman_bytes": account(replace(model, network=None), "huffman").file_bytes,
        "dcz_with_graph_bytes": account(model, "huffman").file_bytes,
        "rule": asdict(total(rules)),
    }


def _rewritten(model: CompressedModel) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "again.net"
        write_deep_compression_net(model, path)
        return path.read_bytes()
