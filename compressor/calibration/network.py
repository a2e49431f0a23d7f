"""Compress a whole network on calibration inputs, tensor by tensor in the order of its graph."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compressor._version import __version__
from compressor.calibration.activations import Place, Product, Values, ends_of, paired_calls
from compressor.calibration.judge import states
from compressor.calibration.layer import compress_problem
from compressor.calibration.moments import Moments
from compressor.calibration.problem import DAMPING, Problem
from compressor.importers.onnx import decoded_onnx
from compressor.samples import Axes, Inputs, Samples
from compressor.types.coded import CodedTensor, CompressedModel
from compressor.types.dense import DenseModel, DenseTensor
from compressor.types.network import Use

_FEWEST = 8
"""Samples to calibrate on, at least: with fewer, what is kept fits them and nothing else."""

_LEAST_VECTORS, _VECTORS_A_COLUMN = 32_768, 4
"""Vectors of a matrix that are enough, however many more a convolution has; the second for each of its columns."""

_BLOCK = 4096
"""Vectors that are gathered at a time."""


@dataclass(frozen=True, eq=False)
class Setting:
    """How a tensor is compressed: the arguments of `compress_problem` of these names."""

    density: float
    weight_bits: int = 4
    init: str | None = None


@dataclass(frozen=True, eq=False)
class Target:
    """A tensor with its least squares, and what its bias has to make up for.

    Attributes
    ----------
    tensor : DenseTensor
        Uncompressed.
    problem : Problem
    means : tuple of ndarray, each float64, shape (2, m)
        For each block, the mean vectors in the compressed network and in the uncompressed one.
    """

    tensor: DenseTensor
    problem: Problem
    means: tuple[NDArray[np.float64], ...]

    def coded(self, setting: Setting, seed: int = 0) -> tuple[CodedTensor, float]:
        """The tensor compressed, its bias corrected, and its error as of `CalibratedTensor`."""
        found = compress_problem(self.problem, setting.density, setting.weight_bits, setting.init, seed)
        tensor, bias = self.tensor, self.tensor.bias
        if bias is not None:
            corrected = bias.astype(np.float64)
            before, after = tensor.weights.reshape(self.problem.shape), found.weights
            for block, (own, original) in zip(self.problem.blocks, self.means, strict=True):
                here = np.ix_(block.rows, block.columns)
                corrected[block.rows] += before[here] @ original - after[here] @ own
            bias = corrected.astype(np.float32)
        codes = CodedTensor(tensor.name, tensor.shape, tensor.kind, found.codebook, found.codes, bias, tensor.gates)
        return codes, found.error


@dataclass(frozen=True, eq=False)
class CalibratedModel:
    """A network that was compressed on calibration inputs.

    Attributes
    ----------
    model : CompressedModel
    errors : mapping of str to float
        Squared error of the outputs of each tensor on the calibration inputs, relative to their square.
    """

    model: CompressedModel
    errors: Mapping[str, float]


class Calibration:
    """A network on its way: tensors that were compressed, and the least squares of the next.

    Parameters
    ----------
    model : DenseModel
        With its graph.
    samples : Samples
    damping : float
    seed : int
        Of the vectors that are taken where a convolution has more than enough.

    Raises
    ------
    ValueError
        If there are too few samples.
    """

    def __init__(
        self,
        model: DenseModel,
        samples: Samples,
        damping: float = DAMPING,
        seed: int = 0,
        feedback: Mapping[str, str] | None = None,
    ) -> None:
        assert model.network is not None
        if len(samples) < _FEWEST:
            raise ValueError(f"inputs: {len(samples)} samples to calibrate on, but there must be at least {_FEWEST}")
        self._model, self._current, self._samples = model, model, samples
        self._damping, self._seed = damping, seed
        self._original, self._feedback = decoded_onnx(model), dict(feedback or {})
        self._original_states = states(self._original, samples, self._feedback)

    def target(self, name: str) -> Target:
        """The least squares of a tensor, with all tensors before it as they were `put`."""
        assert self._model.network is not None
        tensor = next(one for one in self._model.tensors if one.name == name)
        proto = decoded_onnx(self._current)
        own_states = states(proto, self._samples, self._feedback)
        uses = [use for use in self._model.network.uses if name in use.tensors]
        found: dict[tuple[bytes, bytes], tuple[Place, Moments]] = {}
        for use in uses:
            self._gather(name, use, proto, own_states, found)
        blocks, means = [], []
        weights = tensor.weights.reshape(tensor.shape[0], -1)
        for place, moments in found.values():
            own = np.ascontiguousarray(weights[np.ix_(place.rows, place.columns)])
            has_bias = tensor.bias is not None
            blocks.append(moments.block(own, place.rows, place.columns, has_bias, self._damping))
            means.append(moments.means())
        shape = (weights.shape[0], weights.shape[1])
        return Target(tensor, Problem(shape, tuple(blocks)), tuple(means))

    def put(self, coded: CodedTensor) -> None:
        """Go on with a tensor as it was compressed."""
        new = DenseTensor(coded.name, coded.dense(), coded.kind, coded.bias, coded.gates)
        tensors = tuple(new if tensor.name == coded.name else tensor for tensor in self._current.tensors)
        self._current = replace(self._current, tensors=tensors)

    def _gather(
        self,
        name: str,
        use: Use,
        proto: Any,
        own_states: Sequence[Values],
        found: dict[tuple[bytes, bytes], tuple[Place, Moments]],
    ) -> None:
        """Add the vectors that one operator multiplies with the tensor."""
        own, original = Product(self._current, proto, use), Product(self._model, self._original, use)
        places: dict[int, list[tuple[Place, Moments]]] = {}
        for place in own.places:
            if place.tensor == name:
                key = (place.rows.tobytes(), place.columns.tobytes())
                of_one = found.setdefault(key, (place, Moments(len(place.taps))))
                places.setdefault(place.matrix, []).append((place, of_one[1]))
        rng = np.random.default_rng(self._seed)
        for number in range(len(self._samples)):
            values, others_values = (
                {**self._samples[number], **state[number]} for state in (own_states, self._original_states)
            )
            for matrix, vectors, others in paired_calls(own, original, values, others_values):
                if matrix not in places:
                    continue
                width = max(len(place.taps) for place, _ in places[matrix])
                enough = -(-max(_LEAST_VECTORS, _VECTORS_A_COLUMN * width) // len(self._samples))
                n = len(vectors)
                chosen = np.arange(n) if n <= enough else np.sort(rng.choice(n, enough, replace=False))
                for first in range(0, len(chosen), _BLOCK):
                    part = chosen[first : first + _BLOCK]
                    pair = [
                        (one.source.reshape(-1)[one.starts[part, np.newaxis] + one.taps]).astype(np.float32)
                        for one in (vectors, others)
                    ]
                    if not all(np.isfinite(one).all() for one in pair):
                        raise ValueError(f"inputs: sample {number} gives {use.node!r} numbers that are not finite")
                    for place, moments in places[matrix]:
                        moments.add(*(one[:, place.taps] for one in pair))


def compress_calibrated(
    model: DenseModel,
    inputs: Inputs,
    density: float | Mapping[str, float],
    *,
    weight_bits: int | Mapping[str, int] = 4,
    init: str | Mapping[str, str] | None = None,
    damping: float = DAMPING,
    seed: int = 0,
    batch_axis: Axes | None = None,
    feedback: Mapping[str, str] | None = None,
    progress: Callable[[str, int, int], object] | None = None,
) -> CalibratedModel:
    """Prune and share the tensors of a network so that its outputs on calibration inputs change least, untrained.

    Parameters
    ----------
    model : DenseModel
        With the graph of its network, as `compressor.importers.read_onnx` gives it.
    inputs : mapping of str to array_like, array_like, or path
        Calibration inputs by the names of the inputs of the graph, or an ``.npz`` file of them; samples are along axis
        0, or along the axis that `batch_axis` names.
    density, weight_bits, init : value, or mapping of name to value
        As for `compressor.compress_model`.
    damping : float
        Added to the diagonal of each Hessian, as a fraction of its mean; it is what makes up for too few samples.
    seed : int
        Of the vectors that are taken where there are more than enough, and of the initialisation "forgy".
    batch_axis : mapping of str to int, or None
    feedback : mapping of str to str, or None
        Outputs that the next sample takes as inputs, and these; each network then has states of its own.
    progress : function of (name, done, total), or None
        Called when a tensor is done.

    Raises
    ------
    ValueError
        If `model` has no graph, an input is missing, not finite or does not fit, there are too few samples, or a
        setting lacks a tensor.
    OSError
        If a file cannot be read.
    """
    samples = samples_of(model, inputs, batch_axis, feedback)
    settings = settings_of(model, density, weight_bits, init)
    return calibrated(model, samples, settings, damping, seed, feedback, progress)


def settings_of(model: DenseModel, density: Any, weight_bits: Any = 4, init: Any = None) -> dict[str, Setting]:
    """A setting for each tensor, from values for all or mappings; errors as of `compress_calibrated`."""
    given = {"density": density, "weight_bits": weight_bits, "init": init}
    names = [tensor.name for tensor in model.tensors]
    for what, setting in given.items():
        if isinstance(setting, Mapping) and (wrong := sorted(set(setting) ^ set(names))):
            lack = "there is none for tensor" if wrong[0] in names else "there is no tensor"
            raise ValueError(f"{what}: {lack} {wrong[0]!r}")
    return {
        name: Setting(**{what: one[name] if isinstance(one, Mapping) else one for what, one in given.items()})
        for name in names
    }


def samples_of(
    model: DenseModel, inputs: Inputs, batch_axis: Axes | None = None, feedback: Mapping[str, str] | None = None
) -> Samples:
    """Calibration inputs cut into samples, every number checked; errors as of `compress_calibrated`."""
    if model.network is None:
        raise ValueError("model: has no graph, so that nothing says what its inputs become; calibrate an ONNX model")
    samples = Samples(ends_of(decoded_onnx(model)), inputs, batch_axis or {}, feedback or {})
    for number in range(len(samples)):
        for name, values in samples[number].items():
            if values.dtype.kind == "f" and not np.isfinite(values).all():
                raise ValueError(f"inputs: {name!r} has a number that is not finite in sample {number}")
    return samples


def calibrated(
    model: DenseModel,
    samples: Samples,
    settings: Mapping[str, Setting],
    damping: float = DAMPING,
    seed: int = 0,
    feedback: Mapping[str, str] | None = None,
    progress: Callable[[str, int, int], object] | None = None,
) -> CalibratedModel:
    """As `compress_calibrated`, on samples that are cut already."""
    calibration = Calibration(model, samples, damping, seed, feedback)
    coded, errors = {}, {}
    order = _order(model)
    for done, name in enumerate(order, start=1):
        try:
            coded[name], errors[name] = calibration.target(name).coded(settings[name], seed)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
        calibration.put(coded[name])
        if progress is not None:
            progress(name, done, len(order))
    provenance = {
        **model.provenance,
        "compressor": __version__,
        "pruning": "calibrated, density " + _described(settings, "density"),
        "weight_sharing": f"calibrated, weight_bits {_described(settings, 'weight_bits')}, init "
        f"{_described(settings, 'init')}, seed {seed}",
        "calibration": f"{len(samples)} samples, SHA-256 {digest(samples)}, damping {damping:g}",
    }
    tensors = tuple(coded[tensor.name] for tensor in model.tensors)
    found = CompressedModel(tensors, model.activations, provenance, model.others, model.network)
    return CalibratedModel(found, {tensor.name: errors[tensor.name] for tensor in model.tensors})


def digest(samples: Samples) -> str:
    """SHA-256 of the numbers of samples, one after another, with the names of their inputs."""
    found = sha256()
    for number in range(len(samples)):
        for name, values in sorted(samples[number].items()):
            found.update(f"{name} {values.dtype.str} {values.shape}\n".encode())
            found.update(np.ascontiguousarray(values).tobytes())
    return found.hexdigest()


def _order(model: DenseModel) -> Sequence[str]:
    """Names of the tensors in the order of the operators that use them first."""
    assert model.network is not None
    names = dict.fromkeys(name for use in model.network.uses for name in use.tensors)
    return [name for name in names if any(tensor.name == name for tensor in model.tensors)]


def _described(settings: Mapping[str, Setting], what: str) -> str:
    values = {name: getattr(setting, what) for name, setting in settings.items()}
    several = set(values.values())
    return str(several.pop()) if len(several) == 1 else ", ".join(f"{name} {value}" for name, value in values.items())
