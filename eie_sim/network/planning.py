"""Making a network ready for a machine: its graph is cut, its tensors become matrices and are packed."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compressor.importers.onnx import decoded_onnx, given_inputs, in_onnx_order
from compressor.importers.onnx_branches import numbers_in
from compressor.lowering import (
    Cut,
    StoredTensor,
    compressed_kernels,
    lowering_of,
    side_by_side,
    widened,
)
from compressor.lowering.winograd import Winograd
from compressor.packing import pack_codes
from compressor.types.coded import CodedTensor, CompressedModel, nearest_codes
from compressor.types.network import RECURRENT, Use
from compressor.types.packed import PackedLayer
from compressor.types.packed_format import weight_bits_of
from compressor.types.packed_model import PackedModel
from eie_sim.arch import ArchConfig
from eie_sim.engines.base import DEFAULT_ARCH
from eie_sim.network.direct import DirectConvolution
from eie_sim.network.graph import NetworkGraph, Operator
from eie_sim.network.plan import MachineNode, NetworkPlan, node_names
from eie_sim.network.run import calibrate


def plan_network(
    model: CompressedModel | PackedModel,
    arch: ArchConfig | None = None,
    *,
    lowering: str = "im2col",
    fix: Mapping[str, Any] | None = None,
    calibration: Any = None,
    winograd_density: float = 1.0,
    winograd_codebooks: int = 16,
) -> NetworkPlan:
    """Make a network ready for a machine: matrices cut from its tensors and packed, the rest of its graph for the host.

    Parameters
    ----------
    model : CompressedModel or PackedModel
        With the graph of its network.
    arch : ArchConfig or None
        The machine; where it does not say where a bias comes from, accumulators are preloaded. None: the preset
        ``eie-64pe-45nm`` with the bits of the network's widest codes. Narrower codes are widened without loss.
    lowering : str
        How convolutions become products: ``"im2col"``, or ``"winograd"`` where that fits.
    fix : mapping of str to object, or None
        Values of inputs of the graph that are the same at every run, such as ``{"sr": 16000}``.
    calibration : mapping of str to array_like, array_like, path or None
        Inputs, as `eie_sim.network.run_network` takes them, from which the fraction bits of each node are chosen in
        fixed point. None: those that the machine says, else the first inputs that are run are taken.
    winograd_density : float
        What is kept of the transformed kernels, which are compressed in their own domain.
    winograd_codebooks : int
        Codebooks of the transformed kernels of a convolution: 16, one for each element, or 1.

    Returns
    -------
    NetworkPlan

    Raises
    ------
    ValueError
        If `model` has no graph or lacks a tensor of it, an input is unknown, or a tensor has more bits than the
        machine.

    Warns
    -----
    CapacityWarning
        When a matrix does not fit the SRAMs of the machine; where the machine has a DRAM, when it cannot be cut so that
        it does.
    """
    coded, orders = _coded(model)
    assert coded.network is not None
    tensors = {tensor.name: tensor for tensor in coded.tensors}
    biased = {name for name, tensor in tensors.items() if tensor.bias is not None}
    fixed = {name: numbers_in(text) for name, text in given_inputs(coded.provenance)[0].items()}
    wanted = dict(fix or {})
    for name in fixed.keys() & wanted.keys():
        if not np.array_equal(fixed[name], wanted.pop(name)):
            raise ValueError(f"fix: {name!r}, but the model was read with {name}={fixed[name]}")
    graph = NetworkGraph(decoded_onnx(coded), coded.network, biased, wanted)
    lowerings = [lowering_of(operator.use, operator.shape, lowering) for operator in graph.operators]
    stored = [_stored(operator, tensors, orders) for operator in graph.operators]
    kernels = partial(compressed_kernels, density=winograd_density, n_codebooks=winograd_codebooks)
    direct = [
        DirectConvolution.of(operator.use, *one) if isinstance(way, Winograd) else None
        for operator, way, one in zip(graph.operators, lowerings, stored, strict=True)
    ]
    stored = [kernels(*one) if isinstance(way, Winograd) else one for way, one in zip(lowerings, stored, strict=True)]
    widest = max(weight_bits_of(tensor.codebook) for of_one in stored for tensor in of_one)
    machine = DEFAULT_ARCH.replace(weight_bits=widest) if arch is None else arch
    machine = machine if machine.bias is not None else machine.replace(bias="preload")
    nodes: dict[str, MachineNode] = {}
    packed: dict[tuple[object, ...], list[PackedLayer]] = {}
    names = node_names([operator.use for operator in graph.operators])
    parts = zip(names, graph.operators, lowerings, stored, direct, strict=True)
    for name, operator, way, of_one, compared in parts:
        use = operator.use
        cuts = way.matrices([tensor.codes for tensor in of_one])
        # A matrix that several operators need is packed once; strides and the like are no part of it.
        biases = None if operator.biases is None else operator.biases.tobytes()
        key = (use.tensors, use.operator, use.attributes.get("group"), type(way), biases)
        if key not in packed:
            packed[key] = _packed(cuts, way.biases([tensor.bias for tensor in of_one]), of_one, machine)
        nodes[name] = MachineNode(
            name, use, operator.inputs, operator.outputs, operator.level, way, tuple(packed[key]),
            tuple(cut.n_weights for cut in cuts), compared,
        )  # fmt: skip
    plan = NetworkPlan(
        machine, lowering, nodes, tuple(graph.segments), graph.inputs, graph.outputs, graph.constants,
        graph.last_levels, coded.network.kept, fixed | wanted,
    )  # fmt: skip
    _ = plan.residency  # which says what does not fit
    if calibration is not None:
        calibrate(plan, calibration)
    elif machine.number_bits is not None and machine.act_frac_bits is not None:
        plan.frac_bits = dict.fromkeys(nodes, machine.act_frac_bits)
    return plan


def _coded(model: CompressedModel | PackedModel) -> tuple[CompressedModel, dict[str, NDArray[np.uint32] | None]]:
    """A model as coded tensors, and the orders in which machines store the rows of those that were packed."""
    if not isinstance(model, (CompressedModel, PackedModel)):
        raise ValueError(f"model: a {type(model).__name__}, but it must be a CompressedModel or a PackedModel")
    if model.network is None:
        raise ValueError(
            "model: has no graph, so that nothing says how its layers are connected; compress the ONNX file"
        )
    if isinstance(model, CompressedModel):
        return model, {}
    operators = {name: use.operator for use in model.network.uses for name in use.tensors}
    for use in model.network.uses:
        if use.operator in RECURRENT and _is_apart(use):
            raise ValueError(f"model: a packed file does not keep the order of the gates of {use.node!r}; use its .dcz")
    tensors = []
    for layer in model.layers:
        operator = operators.get(layer.name, "")
        kind = operator.lower() if operator in RECURRENT else "linear"
        bias = layer.preloaded_bias()
        shape = (layer.n_rows, layer.n_cols)
        tensors.append(CodedTensor(layer.name, shape, kind, layer.codebook, layer.decode().reshape(-1), bias))
    coded = CompressedModel(tuple(tensors), model.activations, model.provenance, model.others, model.network)
    return coded, {layer.name: layer.row_permutation for layer in model.layers}


def _is_apart(use: Use) -> bool:
    """Whether W and R of a recurrent operator are tensors of their own."""
    return len(use.tensors) != (2 if use.attributes["direction"] == "bidirectional" else 1)


def _stored(
    operator: Operator,
    tensors: Mapping[str, CodedTensor],
    orders: Mapping[str, NDArray[np.uint32] | None],
) -> list[StoredTensor]:
    """The tensors of an operator as its lowering takes them, gates in ONNX's order."""
    use = operator.use
    found = []
    for name in use.tensors:
        tensor = tensors[name]
        codes = in_onnx_order(tensor, tensor.codes.reshape(tensor.shape))
        bias = None if tensor.bias is None else in_onnx_order(tensor, tensor.bias)
        found.append(StoredTensor(name, codes, tensor.codebook, bias, orders.get(name)))
    if use.operator in RECURRENT:
        if _is_apart(use):
            found = [side_by_side(w, r, use.node) for w, r in zip(found[::2], found[1::2], strict=True)]
        if operator.biases is not None:
            halves = operator.biases.reshape(len(found), 2, -1)
            found = [
                tensor if tensor.bias is not None else replace(tensor, bias=both)
                for tensor, both in zip(found, halves, strict=True)
            ]
    return found


def _packed(
    cuts: Sequence[Cut],
    biases: Sequence[NDArray[np.float32] | None],
    tensors: Sequence[StoredTensor],
    arch: ArchConfig,
) -> list[PackedLayer]:
    """The matrices of an operator, packed for a machine."""
    matrices = []
    for number, (cut, bias) in enumerate(zip(cuts, biases, strict=True)):
        tensor = tensors[cut.tensor]
        bits = weight_bits_of(tensor.codebook)
        if bits > arch.weight_bits:
            raise ValueError(
                f"weight_bits: {tensor.name!r} has codes of {bits} bits, but the machine takes {arch.weight_bits}; "
                f"arch.replace(weight_bits={bits}) takes them"
            )
        codebook = widened(tensor.codebook, arch.weight_bits)
        coded = None if bias is None or arch.preloads_bias else nearest_codes(bias, codebook)
        name = tensor.name if len(cuts) == 1 else f"{tensor.name}[{number}]"
        # The order of rows is that of a whole tensor.
        order = tensor.row_permutation if cut.entries.shape == tensor.codes.shape else None
        matrices.append(pack_codes(cut.entries, codebook, arch.n_pe, arch.index_bits, coded, name, order, bias))
    return matrices
