"""What vector registers do beside adding and multiplying: quotients, logarithms, sums across lanes, transposes.

Like the operations of :mod:`dnmf.kernels.lanes` they exist inside compiled code only. Sums across lanes have one order:
halves are added to each other until one number is left.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import types

from dnmf.kernels.lanes import (
    REGISTER_BITS,
    Lanes,
    by_register,
    data_of,
    from_registers,
    intrinsic,
    registers_of,
    repeated,
)
from dnmf.kernels.padding import LANES

INDEX = ir.IntType(32)


def strip_of(dtype: Any) -> tuple[int, ...]:
    """Return the strip whose vector is one register: 16 numbers in float32, 8 in float64."""
    return tuple(range(0, REGISTER_BITS // 8 // np.dtype(dtype).itemsize, LANES))


@intrinsic
def divided(typing: Any, left: Any, right: Any) -> Any:
    """Return the quotient of two vectors."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return by_register(builder, left, arguments, builder.fdiv)

    return left(left, right), generate


@intrinsic
def times(typing: Any, left: Any, right: Any) -> Any:
    """Return the product of two vectors."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return by_register(builder, left, arguments, builder.fmul)

    return left(left, right), generate


@intrinsic
def smaller(typing: Any, left: Any, right: Any) -> Any:
    """Return, number by number, `left` where it is smaller, else `right` (also where one is NaN)."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        def select(x: Any, y: Any) -> Any:
            return builder.select(builder.fcmp_ordered("<", x, y), x, y)

        return by_register(builder, left, arguments, select)

    return left(left, right), generate


@intrinsic
def everywhere(typing: Any, value: Any, strip: Any) -> Any:
    """Return a vector that has one number in every lane."""
    lanes = Lanes(value, LANES * len(strip), False)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        parts = [repeated(builder, arguments[0], register) for register in lanes.registers()]
        return from_registers(builder, lanes, parts)

    return lanes(value, strip), generate


@intrinsic
def sum_of(typing: Any, vector: Any) -> Any:
    """Return the sum of the numbers of a vector: halves are added until one is left."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        part = _one_register(builder, vector, arguments[0], 1)
        return builder.extract_element(part, ir.Constant(INDEX, 0))

    return vector.dtype(vector), generate


@intrinsic
def sums_of_four(typing: Any, first: Any, second: Any, third: Any, fourth: Any) -> Any:
    """Return a vector of four numbers: the sums of four vectors."""
    lanes = Lanes(first.dtype, 4, False)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        a, b, c, d = (_one_register(builder, first, vector, 4) for vector in arguments)
        ab = builder.fadd(_shuffled(builder, a, b, (0, 4, 1, 5)), _shuffled(builder, a, b, (2, 6, 3, 7)))
        cd = builder.fadd(_shuffled(builder, c, d, (0, 4, 1, 5)), _shuffled(builder, c, d, (2, 6, 3, 7)))
        low, high = _shuffled(builder, ab, cd, (0, 1, 4, 5)), _shuffled(builder, ab, cd, (2, 3, 6, 7))
        return from_registers(builder, lanes, [builder.fadd(low, high)])

    return lanes(first, second, third, fourth), generate


@intrinsic
def store_turned(typing: Any, array: Any, at: Any, step: Any, rows: Any) -> Any:
    """Write LANES vectors of LANES numbers as columns: number i of vector t to ``array.flat[at + i * step + t]``."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vectors = [builder.extract_value(arguments[3], i) for i in range(LANES)]
        data, lanes = data_of(context, builder, array, arguments[0]), rows[0]
        place = builder.gep(data, [arguments[1]])
        for column in _turned(builder, [registers_of(builder, lanes, vector)[0] for vector in vectors]):
            builder.store(column, builder.bitcast(place, column.type.as_pointer())).align = array.dtype.bitwidth // 8
            place = builder.gep(place, [arguments[2]])
        return context.get_dummy_value()

    return types.void(array, types.int64, types.int64, rows), generate


@intrinsic
def logarithm(typing: Any, vector: Any) -> Any:
    """Return the natural logarithms of positive, normal numbers, right to 4 units of the last place or so.

    With ``x = 2^e m`` and m between √½ and √2 it is ``e log 2 + 2 artanh s``, s = (m − 1) / (m + 1). Of 0 it is some
    finite number.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return from_registers(builder, vector, [_log(builder, x) for x in registers_of(builder, vector, arguments[0])])

    return vector(vector), generate


@intrinsic
def plus_wide(typing: Any, total: Any, vector: Any) -> Any:
    """Return the sum of a vector of float64 and one of floats of any kind, as long."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        before = registers_of(builder, total, arguments[0])
        added: list[Any] = []
        for part in registers_of(builder, vector, arguments[1]):
            wide = part if vector.dtype == types.float64 else _widened(builder, part)
            size = min(wide.type.count, before[0].type.count)
            orders = (tuple(range(first, first + size)) for first in range(0, wide.type.count, size))
            added.extend(_shuffled(builder, wide, wide, order) for order in orders)
        return from_registers(builder, total, [builder.fadd(x, y) for x, y in zip(before, added, strict=True)])

    return total(total, vector), generate


def _widened(builder: Any, part: Any) -> Any:
    return builder.fpext(part, ir.VectorType(ir.DoubleType(), part.type.count))


def _shuffled(builder: Any, left: Any, right: Any, order: tuple[int, ...]) -> Any:
    return builder.shuffle_vector(left, right, ir.Constant(ir.VectorType(INDEX, len(order)), list(order)))


def _one_register(builder: Any, lanes: Lanes, vector: Any, size: int) -> Any:
    """A vector of `size` numbers: what is left when halves are added to each other."""
    parts = registers_of(builder, lanes, vector)
    total = parts[0]
    for part in parts[1:]:
        total = builder.fadd(total, part)
    while total.type.count > size:
        half = total.type.count // 2
        low, high = tuple(range(half)), tuple(range(half, 2 * half))
        total = builder.fadd(_shuffled(builder, total, total, low), _shuffled(builder, total, total, high))
    return total


def _turned(builder: Any, rows: list[Any]) -> list[Any]:
    """The transpose of a square of numbers: blocks off the diagonal change places, in halves, quarters, eighths."""
    rows, size, distance = list(rows), len(rows), len(rows) // 2
    while distance:
        for i in range(size):
            if i & distance:
                continue
            x, y = rows[i], rows[i + distance]
            low = tuple(size + lane - distance if lane & distance else lane for lane in range(size))
            high = tuple(size + lane if lane & distance else lane + distance for lane in range(size))
            rows[i], rows[i + distance] = _shuffled(builder, x, y, low), _shuffled(builder, x, y, high)
        distance //= 2
    return rows


def _log(builder: Any, x: Any) -> Any:
    single = x.type.element == ir.FloatType()
    bits, fraction, terms = (32, 23, 6) if single else (64, 52, 11)
    root_half = 0x3F3504F3 if single else 0x3FE6A09E667F3BCD
    whole = ir.VectorType(ir.IntType(bits), x.type.count)

    def integer(value: int) -> Any:
        return ir.Constant(whole, [value] * x.type.count)

    def real(value: float) -> Any:
        return ir.Constant(x.type, [value] * x.type.count)

    shifted = builder.sub(builder.bitcast(x, whole), integer(root_half))
    exponent = builder.ashr(shifted, integer(fraction))
    m = builder.bitcast(builder.sub(builder.bitcast(x, whole), builder.shl(exponent, integer(fraction))), x.type)
    s = builder.fdiv(builder.fsub(m, real(1.0)), builder.fadd(m, real(1.0)))
    square = builder.fmul(s, s)
    series = real(1 / (2 * terms - 1))
    for n in range(terms - 1, 0, -1):
        product = builder.fmul(series, square, flags=("contract",))
        series = builder.fadd(product, real(1 / (2 * n - 1)), flags=("contract",))
    series = builder.fmul(builder.fmul(s, real(2.0)), series, flags=("contract",))
    power = builder.fmul(builder.sitofp(exponent, x.type), real(float(np.log(2))), flags=("contract",))
    return builder.fadd(power, series, flags=("contract",))
