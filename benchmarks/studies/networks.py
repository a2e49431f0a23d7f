"""Whole networks for studies: the authors' SqueezeNet, the matrices of AlexNet and VGG-16, an LSTM."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from compressor import compress_model
from compressor.importers import read_deep_compression_net, read_onnx
from compressor.importers.graphs import SQUEEZENET, with_graph
from compressor.lowering.matrix import MatrixProduct
from compressor.networks.shapes import SQUEEZENET_1_0
from compressor.samples import End
from compressor.types.coded import CodedTensor, CompressedModel
from compressor.types.network import Use
from eie_sim import ArchConfig, plan_network
from eie_sim.network import MachineNode, NetworkPlan
from eie_sim.network.graph import Segment
from eie_sim.workload import Workload

SQUEEZENET_DENSITY, SQUEEZENET_BITS = 0.33, 8
"""Of Deep Compression's SqueezeNet (Iandola et al. 2016, table 2)."""

LSTM_UNITS, LSTM_DENSITY, LSTM_STEPS = 600, 0.1, 10
"""Units and density of NT-LSTM (EIE, Table III); words of a sentence."""


@dataclass(frozen=True, eq=False)
class Benched:
    """A network, and inputs of one inference.

    Attributes
    ----------
    plan : NetworkPlan
    inputs : mapping of str to ndarray
    """

    plan: NetworkPlan
    inputs: Mapping[str, NDArray[np.float32]]


def found_squeezenet() -> Path | None:
    """The authors' SqueezeNet, where the folder of `EIE_SIM_SQUEEZENET` or one beside the project has it."""
    beside = Path(__file__).parents[3] / "shared" / "reference" / "squeezenet"
    path = Path(os.environ.get("EIE_SIM_SQUEEZENET", beside)) / "compressed_SqueezeNet.net"
    return path if path.is_file() else None


def squeezenet(path: Path | None, arch: ArchConfig, seed: int) -> Benched:
    """SqueezeNet 1.0 with the authors' weights, or drawn ones where `path` is None, and a photo of that kind."""
    rng = np.random.default_rng(seed)
    image = rng.normal(0, 50, (1, 3, 227, 227)).astype(np.float32)
    if path is None:
        tensors = tuple(_drawn(name, rng) for name in SQUEEZENET_1_0)
        model = with_graph(SQUEEZENET, CompressedModel(tensors, ("none",) * len(tensors)))
    else:
        model = read_deep_compression_net(path)
        beside = path.with_name("chelsea_227.npy")
        image = np.load(beside) if beside.is_file() else image
    plan = plan_network(model, arch.replace(weight_bits=SQUEEZENET_BITS))
    return Benched(plan, {plan.inputs[0].name: image})


def _drawn(name: str, rng: np.random.Generator) -> CodedTensor:
    shape = SQUEEZENET_1_0[name]
    codebook = np.concatenate([[0], rng.normal(0, 0.1, (1 << SQUEEZENET_BITS) - 1)]).astype(np.float32)
    codes = rng.integers(1, len(codebook), shape) * (rng.random(shape) < SQUEEZENET_DENSITY)
    return CodedTensor(name, shape, "conv", codebook, codes.astype(np.uint8).reshape(-1), None)


def lstm(arch: ArchConfig, seed: int) -> Benched:
    """An LSTM of the size and density of NT-LSTM over the words of a sentence, weights and inputs drawn."""
    from onnx import TensorProto, helper, numpy_helper, save

    rng = np.random.default_rng(seed)
    shape = (1, 4 * LSTM_UNITS, LSTM_UNITS)
    tensors = [numpy_helper.from_array(rng.normal(0, 0.1, shape).astype(np.float32), name) for name in "WR"]
    node = helper.make_node("LSTM", ["words", "W", "R"], ["states"], "lstm", hidden_size=LSTM_UNITS)
    ends = [("words", [LSTM_STEPS, 1, LSTM_UNITS]), ("states", [LSTM_STEPS, 1, 1, LSTM_UNITS])]
    inputs, outputs = [[helper.make_tensor_value_info(name, TensorProto.FLOAT, sizes)] for name, sizes in ends]
    graph = helper.make_graph([node], "lstm", inputs, outputs, tensors)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "lstm.onnx"
        save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8), path)
        model = compress_model(read_onnx(path), LSTM_DENSITY, weight_bits=arch.weight_bits)
    return Benched(
        plan_network(model, arch), {"words": rng.normal(size=(LSTM_STEPS, 1, LSTM_UNITS)).astype(np.float32)}
    )


def matrices(workloads: Mapping[str, Workload], names: Sequence[str], arch: ArchConfig) -> Benched:
    """Published layers as nodes one after another, each with the inputs that were drawn for it."""
    nodes, ends, inputs = {}, [], {}
    for name in names:
        layer = workloads[name].layer
        given, result = f"{name} inputs", f"{name} outputs"
        use = Use(name, "MatMul", 1, result, (name,), (layer.n_rows * layer.n_cols,), {}, (given,), (result,), None)
        lowering = MatrixProduct(1, (layer.n_cols, layer.n_rows))
        size = (layer.n_rows * layer.n_cols,)
        nodes[name] = MachineNode(name, use, (given, ""), (result,), 0, lowering, (layer,), size)
        ends += [
            End(given, (1, layer.n_cols), np.dtype(np.float32)),
            End(result, (1, layer.n_rows), np.dtype(np.float32)),
        ]
        inputs[given] = workloads[name].acts.reshape(1, -1)
    machine = arch if arch.bias is not None else arch.replace(bias="preload")
    segments = (Segment((), b"", (), ()),)
    plan = NetworkPlan(machine, "im2col", nodes, segments, tuple(ends[::2]), tuple(ends[1::2]), {}, {}, ())
    return Benched(plan, inputs)
