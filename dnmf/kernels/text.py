"""Entries of a Matrix Market file, parsed from bytes to the nearest double.

The conversion of decimal text is the one of D. Lemire, "Number parsing at a gigabyte per second" (Software:
Practice and Experience 51, 2021, doi:10.1002/spe.2984): one or two 64 × 64 → 128 bit products with a table
of powers of five. What it cannot decide (more than 19 digits, subnormal and overflowing values) is left to
the caller, marked as hard.
"""

import numpy as np
from numpy.typing import NDArray

from dnmf.kernels.jit import compiled

DONE, MALFORMED, FULL = 0, 1, 2
PATTERN, INTEGER, REAL = 0, 1, 2

NEWLINE, CARRIAGE_RETURN, TAB, SPACE, PERCENT, PLUS, MINUS, POINT = 10, 13, 9, 32, 37, 43, 45, 46
ZERO, NINE, LOWER_E, UPPER_E = 48, 57, 101, 69
LOWEST_POWER, HIGHEST_POWER = -342, 308
EXACT_POWER = 22  # 10^22 is the largest power of ten that is a double
MOST_DIGITS = 19  # the longest decimal that always fits in 64 bits
MOST_EXPONENT = 100_000  # an exponent is not read further than this
WORD = np.uint64


def _powers_of_five() -> NDArray[np.uint64]:
    """Return the leading 128 bits of 5^q for q from -342 to 308, as (high, low) words."""
    words = []
    for power in range(LOWEST_POWER, HIGHEST_POWER + 1):
        magnitude = 5 ** abs(power)
        if power < 0:
            bits = (magnitude - 1).bit_length()
            leading = (1 << (bits + 127 if power >= -27 else 2 * bits + 128)) // magnitude + 1
            leading >>= max(leading.bit_length() - 128, 0)
        else:
            length = magnitude.bit_length()
            leading = magnitude << (128 - length) if length <= 128 else magnitude >> (length - 128)
        words.append((leading >> 64, leading & (2**64 - 1)))
    return np.array(words, dtype=np.uint64)


POWERS_OF_FIVE = _powers_of_five()
POWERS_OF_TEN = 10.0 ** np.arange(EXACT_POWER + 1)


@compiled
def _product(a, b):
    """Return the high and low words of a × b."""
    half, mask = WORD(32), WORD(0xFFFFFFFF)
    a_high, a_low, b_high, b_low = a >> half, a & mask, b >> half, b & mask
    middle = a_high * b_low + ((a_low * b_low) >> half)
    other = a_low * b_high + (middle & mask)
    return a_high * b_high + (middle >> half) + (other >> half), a * b


@compiled
def _leading_zeros(word):
    zeros = 0
    for step in (32, 16, 8, 4, 2, 1):
        if word >> WORD(64 - step) == WORD(0):
            zeros += step
            word = word << WORD(step)
    return zeros


@compiled
def _nearest_double(digits, power):
    """Return the bits of the double nearest to digits × 10^power (digits > 0), and whether they are sure."""
    if power < LOWEST_POWER or power > HIGHEST_POWER:
        return WORD(0), False
    if digits <= WORD(1 << 53) and -EXACT_POWER <= power <= EXACT_POWER:
        exact = np.float64(digits)
        value = exact * POWERS_OF_TEN[power] if power >= 0 else exact / POWERS_OF_TEN[-power]
        return np.float64(value).view(np.uint64), True
    zeros = _leading_zeros(digits)
    digits = digits << WORD(zeros)
    row = power - LOWEST_POWER
    high, low = _product(digits, POWERS_OF_FIVE[row, 0])
    if high & WORD(0x1FF) == WORD(0x1FF):  # the product is too close to a tie: take the low word of the power too
        further, _ = _product(digits, POWERS_OF_FIVE[row, 1])
        low = low + further
        if further > low:
            high = high + WORD(1)
    upper = high >> WORD(63)
    shift = upper + WORD(9)
    mantissa = high >> shift
    exponent = ((217706 * power) >> 16) + 63 + np.int64(upper) - zeros + 1023
    if exponent <= 0 or exponent >= 0x7FE:
        return WORD(0), False
    is_tie = low <= WORD(1) and -4 <= power <= 23 and mantissa & WORD(3) == WORD(1)
    if is_tie and mantissa << shift == high:
        mantissa = mantissa & ~WORD(1)  # half way: to even
    mantissa = (mantissa + (mantissa & WORD(1))) >> WORD(1)
    if mantissa >= WORD(1 << 53):
        mantissa = WORD(1 << 52)
        exponent += 1
    return (mantissa & WORD((1 << 52) - 1)) | (WORD(exponent) << WORD(52)), True


@compiled
def _is_blank(character):
    return character in (SPACE, TAB, CARRIAGE_RETURN)


@compiled
def _skip_blanks(text, at):
    while _is_blank(text[at]):
        at += 1
    return at


@compiled
def _skip_line(text, at):
    while text[at] != NEWLINE:
        at += 1
    return at + 1


@compiled
def _parse_index(text, at, limit):
    """Return a zero-based index, -1 where the text is no integer in 1…limit, and the place after it."""
    start, index = at, 0
    while ZERO <= text[at] <= NINE and index <= limit:
        index = index * 10 + (text[at] - ZERO)
        at += 1
    if at == start or not 1 <= index <= limit or not (_is_blank(text[at]) or text[at] == NEWLINE):
        return -1, at
    return index - 1, at


@compiled
def _parse_digits(text, at, digits, count):
    """Append digits to `digits`; returns it, the place after, significant digits so far, digits left out."""
    left_out = 0
    while ZERO <= text[at] <= NINE:
        if count < MOST_DIGITS:
            digits = digits * WORD(10) + WORD(text[at] - ZERO)
            count += 1 if digits > WORD(0) else 0
        else:
            left_out += 1
        at += 1
    return digits, at, count, left_out


@compiled
def _parse_exponent(text, at):
    """Return the exponent after an ``e`` and the place after it (the ``e`` where no digit follows)."""
    after = at + 1
    negative = text[after] == MINUS
    if text[after] in (PLUS, MINUS):
        after += 1
    start, exponent = after, 0
    while ZERO <= text[after] <= NINE:
        exponent = min(exponent * 10 + (text[after] - ZERO), MOST_EXPONENT)
        after += 1
    if after == start:
        return 0, at
    return (-exponent if negative else exponent), after


@compiled
def _parse_number(text, at, real):
    """Return digits, power of ten, the place after; whether negative, cut short, well formed."""
    negative = text[at] == MINUS
    if text[at] in (PLUS, MINUS):
        at += 1
    start = at
    digits, at, count, left_out = _parse_digits(text, at, WORD(0), 0)
    width, power, cut = at - start, left_out, left_out > 0
    if real and text[at] == POINT:
        start = at + 1
        digits, at, count, left_out = _parse_digits(text, start, digits, count)
        width += at - start
        power -= at - start - left_out
        cut = cut or left_out > 0
    if real and width > 0 and text[at] in (LOWER_E, UPPER_E):
        exponent, at = _parse_exponent(text, at)
        power += exponent
    well_formed = width > 0 and (_is_blank(text[at]) or text[at] == NEWLINE)
    return digits, power, at, negative and digits > WORD(0), cut, well_formed


@compiled
def parse_entries(
    text: NDArray[np.uint8],
    shape: tuple[int, int],
    indexed: bool,
    field: int,
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    words: NDArray[np.uint64],
    hard: NDArray[np.int64],
) -> tuple[int, int, int, int, int]:
    """Fill `rows`, `columns` and `words` from lines ``row column value`` and return how far it went.

    Blank lines and lines that begin with ``%`` are passed over; columns are separated by spaces or tabs,
    lines end in LF or CRLF. Values are non-negative; a negative or malformed one ends the parse at its
    line.

    Parameters
    ----------
    text : ndarray of uint8
        Whole lines; the last byte is a newline.
    shape : (int, int)
        The largest row and column index allowed (indices in the text begin at 1).
    indexed : bool
        False where the lines hold a value only (the array format).
    field : int
        PATTERN (no value, not parsed: `words` is filled with 1), INTEGER or REAL.
    rows, columns : ndarray of int64
        Filled with zero-based indices; untouched where not `indexed`.
    words : ndarray of uint64
        Filled with integers, or with the bits of doubles where `field` is REAL. Its length is the capacity.
    hard : ndarray of int64, (capacity, 2)
        Filled with (entry, place in `text`) of the values left to the caller.

    Returns
    -------
    entries, hard_values, lines, place, status : int
        What was filled, the lines that were passed, the place of the first line not passed, and DONE,
        MALFORMED (that line) or FULL (no room for it).
    """
    # One function, for speed: with places and values parsed in functions of their own a line took up to half longer.
    at, entries, hard_values, lines = 0, 0, 0, 0
    while at < text.size:
        line = at
        at = _skip_blanks(text, at)
        if text[at] == NEWLINE or text[at] == PERCENT:
            at = _skip_line(text, at)
            lines += 1
            continue
        if entries == words.size or hard_values == hard.shape[0]:
            return entries, hard_values, lines, line, FULL
        if indexed:
            row, at = _parse_index(text, at, shape[0])
            at = _skip_blanks(text, at)
            column, at = _parse_index(text, at, shape[1])
            if row < 0 or column < 0:
                return entries, hard_values, lines, line, MALFORMED
            rows[entries], columns[entries] = row, column
        if field == PATTERN:
            words[entries] = WORD(1)
        else:
            start = _skip_blanks(text, at)
            digits, power, at, negative, cut, well_formed = _parse_number(text, start, field == REAL)
            if negative or not well_formed:
                return entries, hard_values, lines, line, MALFORMED
            decided = not cut
            if field == REAL and decided and digits > WORD(0):
                digits, decided = _nearest_double(digits, power)
            elif field == INTEGER and digits > WORD(0x7FFFFFFFFFFFFFFF):
                decided = False
            words[entries] = digits
            if not decided:
                hard[hard_values, 0], hard[hard_values, 1] = entries, start
                hard_values += 1
        at = _skip_blanks(text, at)
        if text[at] != NEWLINE:
            return entries, hard_values, lines, line, MALFORMED
        at += 1
        lines += 1
        entries += 1
    return entries, hard_values, lines, at, DONE
