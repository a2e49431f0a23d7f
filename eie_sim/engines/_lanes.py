"""Vector instructions: the sums of `LANES` input vectors side by side, and the counters of `LANES` PEs.

Written in LLVM's own terms, because the loops that numba compiles do not become such instructions: the compiler cannot
prove that what is read and what is written are different memory. Where kernels run as plain Python, arrays of `LANES`
numbers do the same.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from compressor.jit import JIT, Arg, inlined
from eie_sim.engines._prefetch import CACHE_LINE_BYTES

LANES = 16
"""Vectors side by side: of float32, one cache line for each row of the layer."""

_INDEX, _BIT = ir.IntType(64), ir.IntType(1)

Generator = tuple[Any, Callable[..., Any]]


@inlined
def in_cache_lines(size: Arg, number: Arg) -> Arg:
    """New memory for `size` numbers of a type, from the beginning of a cache line on: no vector is in two of them."""
    memory = np.empty(size + CACHE_LINE_BYTES, number)
    skip = -memory.ctypes.data % CACHE_LINE_BYTES // memory.itemsize
    return memory[skip : skip + size]


class _Code:
    """Writes vector code for one call of an intrinsic.

    Attributes
    ----------
    builder : llvmlite's IRBuilder
    arguments : list
        Those of the call: the data of arrays, and int64 for integers.
    width : int
        Numbers in a vector.
    """

    def __init__(self, context: Any, builder: Any, signature: Any, arguments: Any, width: int = LANES) -> None:
        self.builder = builder
        self.width = width
        self.arguments = [
            context.make_array(kind)(context, builder, value).data
            if isinstance(kind, types.Array)
            else context.cast(builder, value, kind, types.int64)
            for kind, value in zip(signature.args, arguments, strict=True)
        ]

    def element(self, data: Any, at: Any) -> Any:
        """``data[at]``."""
        return self.builder.load(self.builder.gep(data, [at]))

    def lanes(self, data: Any, row: Any) -> tuple[Any, int]:
        """Pointer to the numbers from a row of `LANES` on, and what their address is a multiple of."""
        number = data.type.pointee
        first = self.builder.gep(data, [self.builder.mul(row, _INDEX(LANES))])
        number_bytes = number.width // 8 if isinstance(number, ir.IntType) else 4
        return self.builder.bitcast(first, ir.VectorType(number, self.width).as_pointer()), number_bytes

    def load(self, place: tuple[Any, int]) -> Any:
        """The numbers at a place of `lanes`."""
        return self.builder.load(place[0], align=place[1])

    def store(self, numbers: Any, place: tuple[Any, int]) -> None:
        """Put numbers at a place of `lanes`."""
        self.builder.store(numbers, place[0], align=place[1])

    def splat(self, value: Any) -> Any:
        """A vector of `value` in every lane."""
        nothing = ir.Constant(ir.VectorType(value.type, self.width), ir.Undefined)
        first = self.builder.insert_element(nothing, value, ir.IntType(32)(0))
        return self.builder.shuffle_vector(first, nothing, ir.Constant(ir.VectorType(ir.IntType(32), self.width), None))

    def kept(self, value: Any) -> Any:
        """Pointer to a value that a loop changes: LLVM makes a register of memory that nobody else sees."""
        with self.builder.goto_entry_block():
            memory = self.builder.alloca(value.type)
        self.builder.store(value, memory)
        return memory

    def column(self, column: Any, width: Any, lane: Any) -> Any:
        """The row of `lanes` where those of a column stand."""
        return self.builder.add(self.builder.mul(column, width), lane)

    def larger(self, a: Any, b: Any) -> Any:
        """The larger of two unsigned numbers, or of each two of vectors."""
        return self.builder.select(self.builder.icmp_unsigned(">", a, b), a, b)

    def largest(self, numbers: Any) -> Any:
        """The largest number of a vector."""
        number = numbers.type.element
        name = f"llvm.vector.reduce.umax.v{self.width}i{number.width}"
        found = self.builder.module.globals.get(name)
        function = found or ir.Function(self.builder.module, ir.FunctionType(number, [numbers.type]), name)
        return self.builder.call(function, [numbers])

    def row_and_code(self, words: Any, at: Any, code_bits: Any) -> tuple[Any, Any]:
        """Stored row and code of an entry of `PreparedLayer.real_entries`."""
        word = self.builder.zext(self.element(words, at), _INDEX)
        mask = self.builder.sub(self.builder.shl(_INDEX(1), code_bits), _INDEX(1))
        return self.builder.lshr(word, code_bits), self.builder.and_(word, mask)


def _add_products(
    _typing_context: Any,
    sums: Any,
    words: Any,
    begin: Any,
    end: Any,
    code_bits: Any,
    codebook: Any,
    acts: Any,
    column: Any,
) -> Generator:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        code = _Code(context, builder, signature, arguments)
        sums, words, begin, end, code_bits, codebook, acts, column = code.arguments
        inputs = code.load(code.lanes(acts, column))
        with cgutils.for_range_slice(builder, begin, end, _INDEX(1)) as (at, _):
            row, weight = code.row_and_code(words, at, code_bits)
            # Two instructions, each of which rounds: without fast-math LLVM may not make one of them.
            product = builder.fmul(code.splat(code.element(codebook, weight)), inputs)
            place = code.lanes(sums, row)
            code.store(builder.fadd(code.load(place), product), place)
        return context.get_dummy_value()

    return types.void(sums, words, begin, end, code_bits, codebook, acts, column), generate


def _add_products_in_python(
    sums: Any, words: Any, begin: int, end: int, code_bits: int, codebook: Any, acts: Any, column: int
) -> None:
    for word in words[begin:end]:
        sums[int(word) >> code_bits] += codebook[int(word) & ((1 << code_bits) - 1)] * acts[column]


def _add_saturating(
    _typing_context: Any,
    sums: Any,
    words: Any,
    begin: Any,
    end: Any,
    code_bits: Any,
    products: Any,
    top: Any,
    saturations: Any,
    n_pe: Any,
) -> Generator:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        code = _Code(context, builder, signature, arguments)
        sums, words, begin, end, code_bits, products, top, saturations, n_pe = code.arguments
        number = sums.type.pointee
        largest = builder.trunc(top, number) if number.width < top.type.width else top
        most, least = code.splat(largest), code.splat(builder.not_(largest))
        with cgutils.for_range_slice(builder, begin, end, _INDEX(1)) as (at, _):
            row, weight = code.row_and_code(words, at, code_bits)
            place = code.lanes(sums, row)
            total = builder.add(code.load(place), code.load(code.lanes(products, weight)))
            held = builder.select(builder.icmp_signed("<", total, most), total, most)
            held = builder.select(builder.icmp_signed(">", held, least), held, least)
            code.store(held, place)
            cut = builder.icmp_signed("!=", held, total)
            any_cut = builder.icmp_unsigned("!=", builder.bitcast(cut, ir.IntType(LANES)), ir.IntType(LANES)(0))
            with builder.if_then(any_cut, likely=False):
                of_pe = code.lanes(saturations, builder.urem(row, n_pe))
                counted = code.load(of_pe)
                code.store(builder.add(counted, builder.zext(cut, counted.type)), of_pe)
        return context.get_dummy_value()

    return types.void(sums, words, begin, end, code_bits, products, top, saturations, n_pe), generate


def _add_saturating_in_python(
    sums: Any, words: Any, begin: int, end: int, code_bits: int, products: Any, top: int, saturations: Any, n_pe: int
) -> None:
    for word in words[begin:end]:
        row = int(word) >> code_bits
        total = sums[row] + products[int(word) & ((1 << code_bits) - 1)]
        sums[row] = np.clip(total, ~top, top)
        saturations[row % n_pe] += sums[row] != total


def _multiply_narrow(
    _typing_context: Any,
    products: Any,
    weights: Any,
    acts: Any,
    column: Any,
    n_weights: Any,
    shift: Any,
    below_half: Any,
    odd: Any,
) -> Generator:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        code = _Code(context, builder, signature, arguments)
        products, weights, acts, column, n_weights, shift, below_half, odd = code.arguments
        number = products.type.pointee
        inputs = code.load(code.lanes(acts, column))
        places, rest, parity = (code.splat(builder.trunc(value, number)) for value in (shift, below_half, odd))
        with cgutils.for_range_slice(builder, _INDEX(0), n_weights, _INDEX(1)) as (at, _):
            product = builder.mul(code.splat(code.element(weights, at)), inputs)
            # One less than a half, and one more where the result would be odd: what is left rounds half to even.
            up = builder.and_(builder.ashr(product, places), parity)
            rounded = builder.ashr(builder.add(builder.add(product, rest), up), places)
            code.store(rounded, code.lanes(products, at))
        return context.get_dummy_value()

    return types.void(products, weights, acts, column, n_weights, shift, below_half, odd), generate


def _multiply_narrow_in_python(
    products: Any, weights: Any, acts: Any, column: int, n_weights: int, shift: int, below_half: int, odd: int
) -> None:
    for weight in range(n_weights):
        product = weights[weight] * acts[column]
        products[weight] = (product + below_half + ((product >> shift) & odd)) >> shift


def _serve_of(numbers: int) -> Callable[..., Generator]:
    """The generator of a `serve` of so many PEs."""

    def _serve(
        _typing_context: Any,
        columns: Any,
        first: Any,
        stop: Any,
        before: Any,
        width: Any,
        lane: Any,
        wakes: Any,
        address: Any,
        first_row: Any,
        last_row: Any,
        state: Any,
        place: Any,
        apart: Any,
        latest: Any,
    ) -> Generator:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            code = _Code(context, builder, signature, arguments, numbers)
            (
                columns,
                first,
                stop,
                before,
                width,
                lane,
                wakes,
                address,
                first_row,
                last_row,
                state,
                place,
                apart,
                latest,
            ) = code.arguments
            of_free, of_bypasses = code.lanes(state, place), code.lanes(state, builder.add(place, apart))
            free, bypasses, row = (
                code.kept(code.load(found))
                for found in (of_free, of_bypasses, code.lanes(last_row, code.column(before, width, lane)))
            )
            ones = code.splat(state.type.pointee(1))
            with cgutils.for_range_slice(builder, first, stop, _INDEX(1)) as (j, _):
                at = code.column(builder.sext(code.element(columns, j), _INDEX), width, lane)
                end, begin = code.load(code.lanes(address, builder.add(at, width))), code.load(code.lanes(address, at))
                number = builder.sub(j, first)
                waits = builder.load(free)
                wake = code.splat(code.element(wakes, number))
                # Two issues in a row to one accumulator: a bypass. The marks of first_row and last_row match nothing.
                same = builder.icmp_unsigned("==", code.load(code.lanes(first_row, at)), builder.load(row))
                bypass = builder.and_(same, builder.icmp_unsigned(">=", waits, wake))
                builder.store(builder.add(builder.load(bypasses), builder.zext(bypass, ones.type)), bypasses)
                builder.store(code.load(code.lanes(last_row, at)), row)
                issues = code.larger(builder.sub(end, begin), ones)
                served = builder.add(code.larger(waits, wake), issues)
                builder.store(served, free)
                of_all = builder.gep(latest, [number])
                builder.store(code.larger(builder.load(of_all), code.largest(served)), of_all)
            code.store(builder.load(free), of_free)
            code.store(builder.load(bypasses), of_bypasses)
            return context.get_dummy_value()

        arrays = (wakes, address, first_row, last_row, state, place, apart, latest)
        return types.void(columns, first, stop, before, width, lane, *arrays), generate

    return _serve


def _serve_in_python(numbers: int) -> Callable[..., None]:
    def _serve(
        columns: Any,
        first: int,
        stop: int,
        before: int,
        width: int,
        lane: int,
        wakes: Any,
        address: Any,
        first_row: Any,
        last_row: Any,
        state: Any,
        place: int,
        apart: int,
        latest: Any,
    ) -> None:
        def lanes(array: Any, row: int) -> Any:
            return array[LANES * row : LANES * row + numbers]

        free, bypasses = lanes(state, place), lanes(state, place + apart)
        row = lanes(last_row, before * width + lane)
        for number, column in enumerate(columns[first:stop]):
            at = int(column) * width + lane
            bypasses += (lanes(first_row, at) == row) & (free >= wakes[number])
            row = lanes(last_row, at)
            issues = np.maximum(lanes(address, at + width) - lanes(address, at), 1)
            free[:] = np.maximum(free, wakes[number]) + issues
            latest[number] = max(latest[number], free.max())

    return _serve


def _tally_of(numbers: int) -> Callable[..., Generator]:
    """The generator of a `tally` of so many PEs."""

    def _tally(
        _typing_context: Any,
        columns: Any,
        first: Any,
        stop: Any,
        width: Any,
        lane: Any,
        in_row: Any,
        row_address: Any,
        address: Any,
        state: Any,
        place: Any,
        apart: Any,
    ) -> Generator:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            code = _Code(context, builder, signature, arguments, numbers)
            columns, first, stop, width, lane, in_row, row_address, address, state, place, apart = code.arguments
            word = state.type.pointee
            ones = code.splat(word(1))
            rest = code.splat(builder.trunc(in_row, word))
            nothing = ir.Constant(ones.type, None)

            kept = [code.lanes(state, builder.add(place, builder.mul(apart, _INDEX(number)))) for number in range(4)]
            memory = [code.kept(code.load(one)) for one in kept]
            with cgutils.for_range_slice(builder, first, stop, _INDEX(1)) as (j, _):
                walks, entries, reads, buffered = (builder.load(one) for one in memory)
                at = code.column(builder.sext(code.element(columns, j), _INDEX), width, lane)
                after = builder.add(at, width)
                issued = builder.sub(code.load(code.lanes(address, after)), code.load(code.lanes(address, at)))
                walking = builder.icmp_unsigned("!=", issued, nothing)
                walked = builder.zext(walking, ones.type)
                # Rows are told by the address at which they start. Those from that of the first entry up to `end` are
                # read, but for what is below `buffered`: rows only rise.
                end = builder.sub(code.load(code.lanes(row_address, after)), ones)
                end = builder.select(walking, builder.add(builder.or_(end, rest), ones), nothing)
                begin = builder.and_(code.load(code.lanes(row_address, at)), builder.not_(rest))
                begin = code.larger(buffered, begin)
                read = builder.sub(code.larger(end, begin), begin)
                new = (builder.add(walks, walked), builder.add(entries, issued), builder.add(reads, read))
                for value, one in zip((*new, code.larger(buffered, end)), memory, strict=True):
                    builder.store(value, one)
            for one, found in zip(kept, memory, strict=True):
                code.store(builder.load(found), one)
            return context.get_dummy_value()

        arrays = (row_address, address, state, place, apart)
        return types.void(columns, first, stop, width, lane, in_row, *arrays), generate

    return _tally


def _tally_in_python(numbers: int) -> Callable[..., None]:
    def _tally(
        columns: Any,
        first: int,
        stop: int,
        width: int,
        lane: int,
        in_row: int,
        row_address: Any,
        address: Any,
        state: Any,
        place: int,
        apart: int,
    ) -> None:
        def lanes(array: Any, row: int) -> Any:
            return array[LANES * row : LANES * row + numbers]

        walks, entries, reads, buffered = (lanes(state, place + number * apart) for number in range(4))
        for column in columns[first:stop]:
            at = int(column) * width + lane
            issued = lanes(address, at + width) - lanes(address, at)
            walking = issued != 0
            end = np.where(walking, ((lanes(row_address, at + width) - walking) | in_row) + 1, 0)
            begin = np.maximum(buffered, lanes(row_address, at) & ~state.dtype.type(in_row))
            walks += walking
            entries += issued
            reads += (np.maximum(end, begin) - begin).astype(state.dtype)
            buffered[:] = np.maximum(buffered, end)

    return _tally


def _sum_columns_of(numbers: int) -> Callable[..., Generator]:
    """The generator of a `sum_columns` of so many PEs."""

    def _sum_columns(
        _typing_context: Any,
        columns: Any,
        first: Any,
        stop: Any,
        width: Any,
        lane: Any,
        of_column: Any,
        state: Any,
        place: Any,
    ) -> Generator:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            code = _Code(context, builder, signature, arguments, numbers)
            columns, first, stop, width, lane, of_column, state, place = code.arguments
            kept = code.lanes(state, place)
            total = code.load(kept)
            memory = code.kept(total)
            with cgutils.for_range_slice(builder, first, stop, _INDEX(1)) as (j, _):
                at = code.column(builder.sext(code.element(columns, j), _INDEX), width, lane)
                found = code.load(code.lanes(of_column, at))
                wider = found.type.element.width > total.type.element.width
                found = builder.trunc(found, total.type) if wider else builder.zext(found, total.type)
                builder.store(builder.add(builder.load(memory), found), memory)
            code.store(builder.load(memory), kept)
            return context.get_dummy_value()

        return types.void(columns, first, stop, width, lane, of_column, state, place), generate

    return _sum_columns


def _sum_columns_in_python(numbers: int) -> Callable[..., None]:
    def _sum_columns(
        columns: Any, first: int, stop: int, width: int, lane: int, of_column: Any, state: Any, place: int
    ) -> None:
        for column in columns[first:stop]:
            at = LANES * (int(column) * width + lane)
            state[LANES * place : LANES * place + numbers] += of_column[at : at + numbers].astype(state.dtype)

    return _sum_columns


def _compiled(generator: Callable[..., Generator], in_python: Callable[..., None]) -> Any:
    return intrinsic(generator) if JIT else in_python


add_products: Any = _compiled(_add_products, _add_products_in_python)
"""Add a column's products to the sums: ``add_products(sums, words, begin, end, code_bits, codebook, acts, column)``.

`sums` and `acts` are float32, (rows, LANES) and (columns, LANES).
"""

add_saturating: Any = _compiled(_add_saturating, _add_saturating_in_python)
"""Add a column's products to saturating sums:
``add_saturating(sums, words, begin, end, code_bits, products, top, saturations, n_pe)``.

`products` are those of every code, (codes, LANES), integers of the type of `sums`, which holds the sum of any two;
`top` is the largest number of an accumulator; `saturations`, int32 (n_pe, LANES), counts.
"""

multiply_narrow: Any = _compiled(_multiply_narrow, _multiply_narrow_in_python)
"""Products of every weight and a column's inputs, all int32, shifted right and rounded:
``multiply_narrow(products, weights, acts, column, n_weights, shift, below_half, odd)``.

`below_half` is one less than half of ``1 << shift`` and `odd` 1, to round half to even; both 0 drop the low bits.
"""

serve: Any = _compiled(_serve_of(LANES), _serve_in_python(LANES))
"""Serve the broadcasts ``first .. stop - 1`` of `columns` in `LANES` PEs:
``serve(columns, first, stop, before, width, lane, wakes, address, first_row, last_row, state, place, apart, latest)``.

`before` is the column of the broadcast before, ``wakes[i]`` the first edge at which a waiting PE can take broadcast
``first + i``. Places are counted as for `tally`: `place` is that of the free edges in `state`, the bypasses are `apart`
from them. Where it is later, ``latest[i]`` becomes the edge at which the last PE is free again.
"""

serve_pair: Any = _compiled(_serve_of(2 * LANES), _serve_in_python(2 * LANES))
"""As `serve`, for twice as many PEs."""

serve_block: Any = _compiled(_serve_of(4 * LANES), _serve_in_python(4 * LANES))
"""As `serve`, for four times as many PEs."""

tally: Any = _compiled(_tally_of(LANES), _tally_in_python(LANES))
"""Count what does not depend on timing, for `LANES` PEs and the broadcasts ``first .. stop - 1`` of `columns`:
``tally(columns, first, stop, width, lane, in_row, row_address, address, state, place, apart)``.

Places are counted in `LANES` numbers: `width` is the length of a column and `lane` the first PE in `address` and
`row_address`; `place` is that of the walks in `state`; after them, `apart` from one another, are the entries, what is
in the rows read, and the address after the row in the row buffer.
"""

tally_pair: Any = _compiled(_tally_of(2 * LANES), _tally_in_python(2 * LANES))
"""As `tally`, for twice as many PEs."""

sum_columns: Any = _compiled(_sum_columns_of(LANES), _sum_columns_in_python(LANES))
"""Add to `LANES` numbers of `state` those of the broadcasts ``first .. stop - 1`` of `columns`, places as for `tally`:
``sum_columns(columns, first, stop, width, lane, of_column, state, place)``.
"""

sum_columns_pair: Any = _compiled(_sum_columns_of(2 * LANES), _sum_columns_in_python(2 * LANES))
"""As `sum_columns`, for twice as many PEs."""
