"""Vector registers by name: several neighbouring numbers that are loaded, multiplied, added and stored as one.

Left to itself the compiler vectorizes a loop over k numbers for a large k and does the rest one at a time; k is
small here. These operations say what is meant, and stay in registers. They exist inside compiled code only.

How many numbers a vector has is a matter of types, and so of compilation: it is `LANES` for each entry of `strip`,
the tuple of columns a kernel works on. Four kinds of strips (8, 16, 24, 32 numbers) serve every rank.
"""

from collections.abc import Iterator
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic as numba_intrinsic
from numba.extending import models, register_model

from dnmf.kernels.padding import LANES

MOST_STRIP = 4  # times LANES: two accumulators of it leave registers for everything else
REGISTER_BITS = 512  # machines with narrower registers split these without loss


def strips(width: int) -> list[tuple[int, ...]]:
    """Return how `width` columns (a multiple of LANES) are worked through: where the parts of each strip begin.

    Examples
    --------
    >>> strips(40)
    [(0, 8, 16, 24), (32,)]
    """
    firsts = range(0, width, LANES)
    return [tuple(firsts[i : i + MOST_STRIP]) for i in range(0, len(firsts), MOST_STRIP)]


class Lanes(types.Type):
    """The type of a vector of `width` floats.

    Parameters
    ----------
    dtype, width
        Of the numbers, and how many.
    halves : bool
        Whether a vector that does not fit one register is held in registers of half the size. Rows of a factor
        that are read or written in any order are then never split between two cache lines, which costs more.
    """

    def __init__(self, dtype: types.Float, width: int, halves: bool):
        self.dtype, self.width = dtype, width
        self.halves = halves and width * dtype.bitwidth > REGISTER_BITS
        super().__init__(f"lanes({dtype}, {width}, {self.halves})")

    def registers(self) -> list[ir.VectorType]:
        """What the vector is made of: whole registers and a rest."""
        number = ir.FloatType() if self.dtype == types.float32 else ir.DoubleType()
        most = REGISTER_BITS // self.dtype.bitwidth // (2 if self.halves else 1)
        sizes = [most] * (self.width // most) + ([self.width % most] if self.width % most else [])
        return [ir.VectorType(number, size) for size in sizes]


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, lanes: Lanes):
        super().__init__(manager, lanes, ir.LiteralStructType(lanes.registers()))


def intrinsic(function: Any) -> Any:
    """Return `function` as an operation of compiled code, whose types are numba's and not Python's."""
    return numba_intrinsic(function)


def _zeros(like: Any, strip: Any, halves: bool) -> Any:
    lanes = Lanes(like.dtype, LANES * len(strip), halves)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return ir.Constant(context.get_value_type(lanes), None)

    return lanes(like, strip), generate


def _load(array: Any, strip: Any, halves: bool) -> Any:
    lanes = Lanes(array.dtype, LANES * len(strip), halves)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        loaded = []
        for place in _places(lanes, builder, data_of(context, builder, array, arguments[0]), arguments[1]):
            loaded.append(builder.load(place))
            loaded[-1].align = array.dtype.bitwidth // 8
        return from_registers(builder, lanes, loaded)

    return lanes(array, types.int64, strip), generate


@intrinsic
def zeros(typing: Any, like: Any, strip: Any) -> Any:
    """Return a vector of zeros for a strip, in the dtype of the array `like`."""
    return _zeros(like, strip, False)


@intrinsic
def zeros_in_halves(typing: Any, like: Any, strip: Any) -> Any:
    """Return what :func:`zeros` does, in smaller registers: see :class:`Lanes`."""
    return _zeros(like, strip, True)


@intrinsic
def load(typing: Any, array: Any, at: Any, strip: Any) -> Any:
    """Return the numbers ``array.flat[at:at + width]``."""
    return _load(array, strip, False)


@intrinsic
def load_in_halves(typing: Any, array: Any, at: Any, strip: Any) -> Any:
    """Return what :func:`load` does, in smaller registers: see :class:`Lanes`."""
    return _load(array, strip, True)


@intrinsic
def number(typing: Any, like: Any, array: Any, at: Any) -> Any:
    """Return ``array.flat[at]`` in the dtype of the array `like`; there is no negative `at`."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = builder.gep(data_of(context, builder, array, arguments[1]), [arguments[2]])
        return context.cast(builder, builder.load(place), array.dtype, like.dtype)

    return like.dtype(like, array, types.int64), generate


@intrinsic
def load_as(typing: Any, like: Any, array: Any, at: Any, strip: Any) -> Any:
    """Return the numbers ``array.flat[at:at + width]``, integers or floats, in the dtype of the array `like`."""
    lanes = Lanes(like.dtype, LANES * len(strip), False)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        stored, loaded, offset = context.get_data_type(array.dtype), [], 0
        for register in lanes.registers():
            first = builder.gep(data_of(context, builder, array, arguments[1]), [arguments[2]])
            first = builder.gep(first, [ir.Constant(arguments[2].type, offset)])
            part = builder.load(builder.bitcast(first, ir.VectorType(stored, register.count).as_pointer()))
            part.align = array.dtype.bitwidth // 8
            loaded.append(_as_floats(builder, part, array.dtype, register, lanes.dtype))
            offset += register.count
        return from_registers(builder, lanes, loaded)

    return lanes(like, array, types.int64, strip), generate


def _as_floats(builder: Any, part: Any, stored: Any, register: Any, wanted: Any) -> Any:
    if stored in types.integer_domain:
        return (builder.sitofp if stored.signed else builder.uitofp)(part, register)
    if stored.bitwidth == wanted.bitwidth:
        return part
    return (builder.fpext if stored.bitwidth < wanted.bitwidth else builder.fptrunc)(part, register)


@intrinsic
def store(typing: Any, array: Any, at: Any, vector: Any) -> Any:
    """Write a vector to ``array.flat[at:at + width]``."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        places = _places(vector, builder, data_of(context, builder, array, arguments[0]), arguments[1])
        for place, part in zip(places, registers_of(builder, vector, arguments[2]), strict=True):
            builder.store(part, place).align = array.dtype.bitwidth // 8
        return context.get_dummy_value()

    return types.void(array, types.int64, vector), generate


@intrinsic
def store_column(typing: Any, array: Any, at: Any, vector: Any) -> Any:
    """Write a vector down a column of a matrix, from ``array.flat[at]`` on.

    The same loop over numbers would be compiled to scatter instructions, which cost several stores each.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        parts = registers_of(builder, vector, arguments[2])
        for part, lane, place in _down(context, builder, vector, array, arguments[0], arguments[1]):
            builder.store(builder.extract_element(parts[part], lane), place)
        return context.get_dummy_value()

    return types.void(array, types.int64, vector), generate


@intrinsic
def load_column(typing: Any, array: Any, at: Any, strip: Any) -> Any:
    """Return the numbers of a column of a matrix, from ``array.flat[at]`` on; see :func:`store_column`."""
    lanes = Lanes(array.dtype, LANES * len(strip), False)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        parts = [ir.Constant(register, ir.Undefined) for register in lanes.registers()]
        for part, lane, place in _down(context, builder, lanes, array, arguments[0], arguments[1]):
            parts[part] = builder.insert_element(parts[part], builder.load(place), lane)
        return from_registers(builder, lanes, parts)

    return lanes(array, types.int64, strip), generate


@intrinsic
def not_above(typing: Any, vector: Any, limit: Any) -> Any:
    """Return an int64 with a bit for each number that is not above the one of `limit` (a NaN is not)."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        bits, offset, whole = ir.Constant(ir.IntType(64), 0), 0, ir.IntType(64)
        for x, y in zip(*(registers_of(builder, vector, argument) for argument in arguments), strict=True):
            found = builder.bitcast(builder.fcmp_unordered("<=", x, y), ir.IntType(x.type.count))
            bits = builder.or_(bits, builder.shl(builder.zext(found, whole), ir.Constant(whole, offset)))
            offset += x.type.count
        return bits

    return types.int64(vector, limit), generate


@intrinsic
def lowest_bit(typing: Any, bits: Any) -> Any:
    """Return the place of the lowest bit of an int64 that is not 0."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.int64), generate


@intrinsic
def plus_times(typing: Any, total: Any, factor: Any, vector: Any) -> Any:
    """Return ``total + factor * vector``, rounded once where the processor can."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        sums = []
        for before, part in zip(*(registers_of(builder, total, arguments[i]) for i in (0, 2)), strict=True):
            product = builder.fmul(repeated(builder, arguments[1], part.type), part, flags=("contract",))
            sums.append(builder.fadd(before, product, flags=("contract",)))
        return from_registers(builder, total, sums)

    return total(total, vector.dtype, vector), generate


@intrinsic
def plus_product(typing: Any, total: Any, left: Any, right: Any) -> Any:
    """Return ``total + left * right``, number by number."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        sums = []
        for before, x, y in zip(*(registers_of(builder, total, argument) for argument in arguments), strict=True):
            sums.append(builder.fadd(before, builder.fmul(x, y, flags=("contract",)), flags=("contract",)))
        return from_registers(builder, total, sums)

    return total(total, left, right), generate


@intrinsic
def plus(typing: Any, left: Any, right: Any) -> Any:
    """Return the sum of two vectors."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return by_register(builder, left, arguments, builder.fadd)

    return left(left, right), generate


@intrinsic
def minus(typing: Any, left: Any, right: Any) -> Any:
    """Return the difference of two vectors."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return by_register(builder, left, arguments, builder.fsub)

    return left(left, right), generate


@intrinsic
def larger(typing: Any, left: Any, right: Any) -> Any:
    """Return, number by number, `left` where it is larger, else `right` (also where one is NaN)."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        def select(x: Any, y: Any) -> Any:
            return builder.select(builder.fcmp_ordered(">", x, y), x, y)

        return by_register(builder, left, arguments, select)

    return left(left, right), generate


@intrinsic
def at_most(typing: Any, vector: Any, limit: Any) -> Any:
    """Return, number by number, the smaller one of a vector and a single number."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        capped = []
        for part in registers_of(builder, vector, arguments[0]):
            most = repeated(builder, arguments[1], part.type)
            capped.append(builder.select(builder.fcmp_ordered("<", part, most), part, most))
        return from_registers(builder, vector, capped)

    return vector(vector, vector.dtype), generate


def data_of(context: Any, builder: Any, array: types.Array, value: Any) -> Any:
    """Return where the numbers of an array begin."""
    return cgutils.create_struct_proxy(array)(context, builder, value=value).data


def _places(lanes: Lanes, builder: Any, data: Any, at: Any) -> list[Any]:
    """Pointers to where the registers of a vector at `at` lie."""
    places, offset = [], 0
    for register in lanes.registers():
        first = builder.gep(data, [builder.add(at, ir.Constant(at.type, offset))])
        places.append(builder.bitcast(first, register.as_pointer()))
        offset += register.count
    return places


def _down(context: Any, builder: Any, lanes: Lanes, array: types.Array, value: Any, at: Any) -> Iterator[Any]:
    """For each number of a vector down a column: its register, its lane there and its place in memory."""
    matrix = cgutils.create_struct_proxy(array)(context, builder, value=value)
    place, step = builder.gep(matrix.data, [at]), builder.extract_value(matrix.shape, 1)
    for part, register in enumerate(lanes.registers()):
        for lane in range(register.count):
            yield part, ir.Constant(ir.IntType(32), lane), place
            place = builder.gep(place, [step])


def registers_of(builder: Any, lanes: Lanes, vector: Any) -> list[Any]:
    """Return the registers of a vector."""
    return [builder.extract_value(vector, i) for i in range(len(lanes.registers()))]


def by_register(builder: Any, lanes: Lanes, vectors: Any, operation: Any) -> Any:
    """Return the vector of what an operation makes of the registers of two others."""
    pairs = zip(*(registers_of(builder, lanes, vector) for vector in vectors), strict=True)
    return from_registers(builder, lanes, [operation(*pair) for pair in pairs])


def from_registers(builder: Any, lanes: Lanes, parts: list[Any]) -> Any:
    """Return a vector of these registers."""
    vector = ir.Constant(ir.LiteralStructType(lanes.registers()), ir.Undefined)
    for i, part in enumerate(parts):
        vector = builder.insert_value(vector, part, i)
    return vector


def repeated(builder: Any, value: Any, register: ir.VectorType) -> Any:
    """Return a register with `value` in every lane."""
    nothing, index = ir.Constant(register, ir.Undefined), ir.IntType(32)
    one = builder.insert_element(nothing, value, ir.Constant(index, 0))
    return builder.shuffle_vector(one, nothing, ir.Constant(ir.VectorType(index, register.count), None))
