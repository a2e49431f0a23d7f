"""The convolution that a transform stands for, on the host: what the transform and its compression change.

Winograd's transformed kernels are pruned and shared in their own domain, so that a node lowered so is another function
than the convolution of the stored kernels, which im2col computes.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compressor.lowering import StoredTensor
from compressor.lowering.product import Array, Operands, needed
from compressor.types.network import Use
from eie_sim.network.graph import Segment

_BIAS = 2
"""The operand of a Conv that holds a bias which the machine does not add."""


@dataclass(frozen=True, eq=False)
class DirectConvolution:
    """A Conv of stored kernels in ONNX Runtime, float32.

    Attributes
    ----------
    segment : Segment
    bias : ndarray of float32, shape (C_out,), or None
        That the machine adds.
    """

    segment: Segment
    bias: NDArray[np.float32] | None

    @classmethod
    def of(cls, use: Use, kernels: StoredTensor) -> "DirectConvolution":
        """That of an operator."""
        from onnx import TensorProto, helper, numpy_helper

        names = ["kernel_shape", "strides", "dilations", "group"]
        names.append("pads" if use.attributes["auto_pad"] == "NOTSET" else "auto_pad")
        node = helper.make_node("Conv", ["x", "w"], ["y"], use.node, **{name: use.attributes[name] for name in names})
        ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None] * 4) for name in ("x", "y")]
        weights = np.ascontiguousarray(kernels.codebook[kernels.codes])
        graph = helper.make_graph([node], "direct", ends[:1], ends[1:], [numpy_helper.from_array(weights, "w")])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
        return cls(Segment((use.node,), model.SerializeToString(), ("x",), ("y",)), kernels.bias)

    def error(self, operands: Operands, result: Array) -> float:
        """The largest difference of a result from the convolution's, over the largest magnitude of that one.

        Parameters
        ----------
        operands : sequence of (ndarray or None)
            Those of the operator.
        result : ndarray, shape (images, C_out, height, width)
        """
        exact = self.segment.run({"x": needed(operands, 0).astype(np.float32)})["y"].astype(np.float64)
        for bias in (self.bias, *operands[_BIAS:]):
            if bias is not None:
                exact += bias.astype(np.float64).reshape(-1, 1, 1)
        largest = float(np.abs(exact).max(initial=0))
        return float(np.abs(result - exact).max(initial=0)) / (largest or 1.0)
