"""From the tables of a reproduction to the data of its pictures."""

import statistics
from collections.abc import Mapping, Sequence

from benchmarks.figures.reproduced_networks import ErrorPair, ReproducedLayer, ReproducedNetwork, ReproducedNetworks
from benchmarks.reproduction.lenet_tables import RunSizes
from compressor.published import NETWORKS


def reproduced(by_network: Mapping[str, Sequence[RunSizes]]) -> ReproducedNetworks:
    """The picture of the runs of each network."""
    first = next(iter(by_network.values()))[0].result
    seeds = len(next(iter(by_network.values())))
    note = f"{first.data}; {seeds} {'seeds' if seeds > 1 else 'seed'}; size after pruning, sharing and Huffman coding"
    return ReproducedNetworks(tuple(_network(name, runs) for name, runs in by_network.items()), note)


def _network(name: str, runs: Sequence[RunSizes]) -> ReproducedNetwork:
    paper = NETWORKS[name]
    layers = (
        ReproducedLayer(
            same[0].layer,
            100 * statistics.fmean(row.rule.huffman_rate for row in same),
            same[0].paper.huffman_pct,
        )
        for same in zip(*(run.rows for run in runs), strict=True)
    )
    pairs = (
        ErrorPair(f"seed {run.result.seed}", 100 * run.result.control_error, 100 * run.result.error) for run in runs
    )
    rate = statistics.fmean(run.rate for run in runs)
    printed = ErrorPair("paper", paper.error_before_pct, paper.error_after_pct)
    return ReproducedNetwork(name, tuple(layers), tuple(pairs), printed, rate, paper.huffman_rate)
