"""How fast Huffman streams are decoded and encoded: ``python -m benchmarks.huffman_speed``.

20 million symbols, on one core, by `compressor.coding.huffman`, tables and all checks included. The rates are those of
the fastest sample, for they are compared with a fixed number, and their seconds are of processor time: one thread
computes and waits for nothing, so without other work on the machine they are seconds of the clock. The rate by the
clock stands in the table.

- codes of 4 bits and of 8 bits, as the shared weights of a fully-connected and of a convolutional layer: normally
  distributed weights, of which the 9 % (33 %) largest are kept, linear centroids over them (Deep Compression,
  section 3.2), so that most of the codes stand for the smaller weights;
- the 4-bit runs between the weights that are kept of 9 %.
"""

import argparse
import sys
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness import Figure, Report, Table, command, positive
from compressor.coding.streams import EncodedStream, decode_stream, encode_stream
from compressor.coding.symbols import count_symbols

N_SYMBOLS = 20_000_000
LEAST_RATE = 100.0
"""Million symbols a second."""

DENSITIES = {4: 0.09, 8: 0.33}
RUN_BITS = 4


def weight_codes(symbol_bits: int, n_symbols: int) -> NDArray[np.uint8]:
    """Codes 1 .. ``2**symbol_bits - 1`` of weights that were normally distributed before the small ones went."""
    rng = np.random.default_rng(0)
    # The kept part of a normal distribution, by its quantiles: no need to draw what is pruned.
    quantiles = np.sort(np.abs(rng.standard_normal(1_000_000)))
    kept = quantiles[int((1 - DENSITIES[symbol_bits]) * len(quantiles)) :].astype(np.float32)
    weights = rng.choice(kept, n_symbols)
    weights *= rng.choice(np.array([-1, 1], np.float32), n_symbols)
    last = float(kept[-1])
    steps = (1 << symbol_bits) - 2
    return (np.rint((weights + last) * (steps / (2 * last))) + 1).astype(np.uint8)


def zero_runs(n_symbols: int) -> NDArray[np.uint8]:
    """Runs of zeros between random places of the density that goes with 4-bit codes, fillers included."""
    gaps = np.random.default_rng(1).geometric(DENSITIES[4], n_symbols) - 1
    longest = (1 << RUN_BITS) - 1
    n_fillers = gaps >> RUN_BITS
    runs = np.full(len(gaps) + int(n_fillers.sum()), longest, np.uint8)
    runs[np.arange(len(gaps)) + np.cumsum(n_fillers)] = gaps & longest
    return runs[:n_symbols]


def entropy_bits(symbols: NDArray[np.uint8], symbol_bits: int) -> float:
    """Entropy of the symbols taken one by one; bits a symbol."""
    counts = count_symbols(symbols, symbol_bits)
    shares = counts[counts > 0] / len(symbols)
    return float(-(shares * np.log2(shares)).sum())


def measure(options: argparse.Namespace) -> Report:
    """Take all figures."""
    n = options.symbols
    figures, rows = [], []
    streams = {"codes, 4 bits": (4, weight_codes(4, n)), "codes, 8 bits": (8, weight_codes(8, n))}
    streams["runs, 4 bits"] = (RUN_BITS, zero_runs(n))
    for name, (symbol_bits, symbols) in streams.items():
        stream = encode_stream(symbols, symbol_bits, "huffman")
        if not np.array_equal(decode_stream(stream), symbols):
            raise RuntimeError(f"{name}: decoded symbols differ")
        figure, row = _rates(name, symbols, stream, options.repeats)
        figures.append(figure)
        rows.append(row)
    columns = ("what", "decode M/s", "by the clock", "encode M/s", "bits a symbol", "entropy", "table bytes")
    return Report(tuple(figures), (Table("streams", columns, tuple(rows)),), {"threads": 1, "symbols": n})


def _rates(
    name: str, symbols: NDArray[np.uint8], stream: EncodedStream, repeats: int
) -> tuple[Figure, tuple[object, ...]]:
    bits, millions = stream.symbol_bits, len(symbols) / 1e6
    decoded, by_clock = (millions / seconds for seconds in least_seconds(lambda: decode_stream(stream), repeats))
    encoded = millions / least_seconds(lambda: encode_stream(symbols, bits, "huffman"), 1)[0]
    mean, entropy = 8 * len(stream.data) / len(symbols), entropy_bits(symbols, bits)
    note = f"{mean:.3f} bits a symbol, entropy {entropy:.3f}"
    figure = Figure(f"decoding {name}", decoded, "M symbols/s", LEAST_RATE, "at least", note)
    return figure, (name, decoded, by_clock, encoded, mean, entropy, len(stream.table))


def least_seconds(function: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Least processor time and least wall-clock time of `repeats` calls."""
    samples = []
    for _ in range(repeats):
        processor, clock = time.thread_time(), time.perf_counter()
        function()
        samples.append((time.thread_time() - processor, time.perf_counter() - clock))
    return min(sample[0] for sample in samples), min(sample[1] for sample in samples)


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--repeats", type=positive, default=9, help="samples of decoding (9)")
    parser.add_argument("--symbols", type=positive, default=N_SYMBOLS, help="symbols in a stream (20000000)")


if __name__ == "__main__":
    sys.exit(command("huffman_speed", __doc__, measure, add_options=_options))
