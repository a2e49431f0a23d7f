"""The figures of the Deep Compression paper that this project is compared with, once: value and source table.

Han, Mao and Dally, "Deep Compression: Compressing Deep Neural Networks with Pruning, Trained Quantization and Huffman
Coding", ICLR 2016 (arXiv:1510.00149). The numbers stand as they are printed. Where the paper disagrees with itself the
table's notes say so; the package is not bent to match that. `eie_sim.paper` is the same for the EIE paper.

Sizes: ``n`` is printed rounded (235K), rates are the dense size at 32 bits a weight over the compressed one, without
biases and code tables.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class PublishedCompression:
    """A row of Tables 2 to 5: one layer, or the total.

    Attributes
    ----------
    n_weights : float
        As printed: 235K is 235e3.
    kept_pct : float
        Weights kept by pruning, percent.
    weight_bits, index_bits : float
        Bits of a code and of a run of zeros, before Huffman coding.
    weight_huffman_bits, index_huffman_bits : float
        Their mean length after it.
    shared_pct : float
        Size after pruning and sharing ("P+Q"), percent of the dense one.
    huffman_pct : float
        Size after Huffman coding too ("P+Q+H").
    """

    n_weights: float
    kept_pct: float
    weight_bits: float
    weight_huffman_bits: float
    index_bits: float
    index_huffman_bits: float
    shared_pct: float
    huffman_pct: float


@dataclass(frozen=True)
class PublishedNetwork:
    """One of Tables 2 to 5 with the row of Table 1 that belongs to it.

    Attributes
    ----------
    source : str
    layers : mapping of str to PublishedCompression
        In the paper's order, by the paper's names.
    total : PublishedCompression
    pruned_rate, shared_rate, huffman_rate : float
        Times smaller after pruning (in weights alone), after sharing, after Huffman coding.
    error_before_pct, error_after_pct : float
        Top-1 error, percent.
    bytes_before, bytes_after : float
        Table 1; 1 KB is 1000 bytes here, though the paper does not say.
    notes : tuple of str
        Known oddities.
    """

    source: str
    layers: Mapping[str, PublishedCompression]
    total: PublishedCompression
    pruned_rate: float
    shared_rate: float
    huffman_rate: float
    error_before_pct: float
    error_after_pct: float
    bytes_before: float
    bytes_after: float
    notes: tuple[str, ...] = ()


def _layers(rows: str) -> dict[str, PublishedCompression]:
    """Rows as in the paper: name, weights, kept %, w, w after Huffman, i, i after Huffman, P+Q %, P+Q+H %."""
    parsed = (line.split() for line in rows.strip().splitlines())
    return {name: _row(*values) for name, *values in parsed}


def _row(weights: str, *values: str) -> PublishedCompression:
    unit = {"K": 1e3, "M": 1e6}[weights[-1]]
    return PublishedCompression(float(weights[:-1]) * unit, *map(float, values))


LENET_300_100 = PublishedNetwork(
    "Deep Compression, Table 2",
    _layers("""
        ip1 235K  8 6 4.4 5 3.7  3.1  2.32
        ip2  30K  9 6 4.4 5 4.3  3.8  3.04
        ip3   1K 26 6 4.3 5 3.2 15.7 12.70
    """),
    _row("266K", "8", "6", "5.1", "5", "3.7", "3.1", "2.49"),
    *(12, 32, 40),
    *(1.64, 1.58),
    *(1070e3, 27e3),
    ("The total has 5.1 bits a weight after Huffman coding, though no layer has more than 4.4.",),
)

LENET_5 = PublishedNetwork(
    "Deep Compression, Table 3",
    _layers("""
        conv1 0.5K 66 8 7.2 5 1.5 78.5 67.45
        conv2  25K 12 8 7.2 5 3.9  6.0  5.28
        ip1   400K  8 5 4.5 5 4.5  2.7  2.45
        ip2     5K 19 5 5.2 5 3.7  6.9  6.13
    """),
    _row("431K", "8", "5.3", "4.1", "5", "4.4", "3.05", "2.55"),
    *(12, 33, 39),
    *(0.80, 0.74),
    *(1720e3, 44e3),
    (
        "The total has 4.1 bits a weight after Huffman coding, though no layer has less than 4.5.",
        "Huffman coding makes the codes of ip2 longer, from 5 to 5.2 bits, which an optimal code never does.",
    ),
)

ALEXNET = PublishedNetwork(
    "Deep Compression, Table 4",
    _layers("""
        conv1  35K 84 8 6.3 4 1.2 32.6 20.53
        conv2 307K 38 8 5.5 4 2.3 14.5  9.43
        conv3 885K 35 8 5.1 4 2.6 13.1  8.44
        conv4 663K 37 8 5.2 4 2.5 14.1  9.11
        conv5 442K 37 8 5.6 4 2.5 14.0  9.43
        fc6    38M  9 5 3.9 4 3.2  3.0  2.39
        fc7    17M  9 5 3.6 4 3.7  3.0  2.46
        fc8     4M 25 5 4.0 4 3.2  7.3  5.85
    """),
    _row("61M", "11", "5.4", "4", "4", "3.2", "3.7", "2.88"),
    *(9, 27, 35),
    *(42.78, 42.78),
    *(240e6, 6.9e6),
)

VGG_16 = PublishedNetwork(
    "Deep Compression, Table 5",
    _layers("""
        conv1_1   2K 58 8 6.8 5 1.7 40.0 29.97
        conv1_2  37K 22 8 6.5 5 2.6  9.8  6.99
        conv2_1  74K 34 8 5.6 5 2.4 14.3  8.91
        conv2_2 148K 36 8 5.9 5 2.3 14.7  9.31
        conv3_1 295K 53 8 4.8 5 1.8 21.7 11.15
        conv3_2 590K 24 8 4.6 5 2.9  9.7  5.67
        conv3_3 590K 42 8 4.6 5 2.2 17.0  8.96
        conv4_1   1M 32 8 4.6 5 2.6 13.1  7.29
        conv4_2   2M 27 8 4.2 5 2.9 10.9  5.93
        conv4_3   2M 34 8 4.4 5 2.5 14.0  7.47
        conv5_1   2M 35 8 4.7 5 2.5 14.3  8.00
        conv5_2   2M 29 8 4.6 5 2.7 11.7  6.52
        conv5_3   2M 36 8 4.6 5 2.3 14.8  7.79
        fc6     103M  4 5 3.6 5 3.5  1.6  1.10
        fc7      17M  4 5 4.0 5 4.3  1.5  1.25
        fc8       4M 23 5 4.0 5 3.4  7.1  5.24
    """),
    _row("138M", "7.5", "6.4", "4.1", "5", "3.1", "3.2", "2.05"),
    *(13, 31, 49),
    *(31.50, 31.17),
    *(552e6, 11.3e6),
)

NETWORKS: Mapping[str, PublishedNetwork] = {
    "lenet-300-100": LENET_300_100,
    "lenet-5": LENET_5,
    "alexnet": ALEXNET,
    "vgg-16": VGG_16,
}
"""Tables 2 to 5 by the names of `compressor.networks.NETWORKS`."""
