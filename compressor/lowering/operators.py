"""Which lowering an operator of a network has."""

from collections.abc import Sequence

from compressor.lowering.convolution import Im2col, conv_window, transposed_window
from compressor.lowering.matrix import MatrixProduct
from compressor.lowering.product import Lowering
from compressor.lowering.recurrent import Recurrent
from compressor.lowering.winograd import Winograd
from compressor.types.network import RECURRENT, Use

LOWERINGS = ("im2col", "winograd")
"""Ways to lower a convolution."""


def lowering_of(use: Use, shape: Sequence[int], convolutions: str = "im2col") -> Lowering:
    """The lowering of an operator.

    Parameters
    ----------
    use : Use
    shape : sequence of int
        Of the weights as the operator takes them: its operand `use.operand`, transposed where that is its layout.
    convolutions : str
        One of `LOWERINGS`; ``"winograd"`` lowers the convolutions that it fits, and others by im2col.

    Raises
    ------
    ValueError
        If there is no such lowering.
    """
    if convolutions not in LOWERINGS:
        raise ValueError(f"lowering: {convolutions!r}, but it must be one of {', '.join(LOWERINGS)}")
    attributes, operator = use.attributes, use.operator
    if operator in RECURRENT:
        return Recurrent(operator, attributes, shape[-1])
    if operator == "Gemm":
        return MatrixProduct.of_gemm(attributes, use.operand, tuple(shape))
    if operator == "MatMul":
        return MatrixProduct(use.operand, tuple(shape))
    if operator == "ConvTranspose":
        return Im2col(transposed_window(attributes), attributes["group"])
    window = conv_window(attributes)
    if convolutions == "winograd" and Winograd.fits(window, attributes["group"]):
        return Winograd(window)
    return Im2col(window, attributes["group"])
