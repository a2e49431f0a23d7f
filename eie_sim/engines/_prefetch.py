"""A hint to the memory system: load a cache line that will be needed soon."""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from compressor.jit import JIT

CACHE_LINE_BYTES = 64

_READ, _KEEP_IN_ALL_LEVELS, _DATA = 0, 3, 1


def _prefetch(_typing_context: Any, array: Any, index: Any) -> tuple[Any, Callable[..., Any]]:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        address = builder.bitcast(builder.gep(data, [arguments[1]]), ir.IntType(8).as_pointer())
        word = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [address.type, word, word, word])
        hint = builder.module.declare_intrinsic("llvm.prefetch", [address.type], kind)
        builder.call(hint, [address, *(ir.Constant(word, value) for value in (_READ, _KEEP_IN_ALL_LEVELS, _DATA))])
        return context.get_dummy_value()

    return types.void(array, index), generate


def _no_prefetch(_array: Any, _index: Any) -> None:
    """Do nothing: what the hint means where kernels run as plain Python."""


prefetch: Any = intrinsic(_prefetch) if JIT else _no_prefetch
"""Hint that the cache line of ``array[index]`` will be read soon, for use inside kernels; any `index` is harmless."""
