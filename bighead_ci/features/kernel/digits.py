"""Exact sums: signed digits in base 2**32 on a grid of absolute exponents, rounded to float64 once.

Digit i of a number with exponent e stands for digit * 2**(e + 32 * i). A digit is an int64 of which 32 bits are used,
so 2**30 values can be added, and subtracted again, before anything is carried.
"""

from __future__ import annotations

import numpy as np

from bighead_ci.features.kernel.arrays import BEYOND, I64, MEAN, OVERFLOW, SUM, U64, VALUE
from bighead_ci.features.kernel.compiled import compiled

MOST_DIGITS, MOST_SQUARE_DIGITS = 72, 144
"""More than any sum of float64, or of their squares, needs, with two to spare for carries."""
_MASK = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
_ONE = np.uint64(1)


@compiled
def split(raw: int, floats: bool) -> tuple[np.uint64, int, bool]:
    """A finite value, given by its bits, as magnitude * 2**exponent and whether it is negative."""
    if not floats:
        # -(-2**63) wraps to itself, which read as unsigned is right.
        return np.uint64(-raw if raw < 0 else raw), 0, raw < 0
    biased = (raw >> 52) & 0x7FF
    fraction = raw & 0xFFFFFFFFFFFFF
    if biased == 0:
        return np.uint64(fraction), -1074, raw < 0
    return np.uint64(fraction | (1 << 52)), biased - 1075, raw < 0


@compiled
def trailing_zeros(value: np.uint64) -> int:
    """Zero bits below the lowest one; the value is not 0."""
    zeros = 0
    for step in (32, 16, 8, 4, 2, 1):
        if value & ((_ONE << np.uint64(step)) - _ONE) == 0:
            value = value >> np.uint64(step)
            zeros += step
    return zeros


@compiled
def bit_length(value: np.uint64) -> int:
    """Bits up to the highest one; 0 for 0."""
    length = 0
    for step in (32, 16, 8, 4, 2, 1):
        if value >> np.uint64(step) != 0:
            value = value >> np.uint64(step)
            length += step
    return length + int(np.int64(value))


@compiled
def add(digits: I64, base: int, magnitude: np.uint64, exponent: int, sign: int) -> None:
    """Add sign * magnitude * 2**exponent to a number whose first digit is `base` on the grid; touches three digits."""
    place = (exponent >> 5) - base
    shift = np.uint64(exponent & 31)
    low, high = (magnitude & _MASK) << shift, (magnitude >> _HALF) << shift
    middle = (low >> _HALF) + (high & _MASK)
    digits[place] += sign * np.int64(low & _MASK)
    digits[place + 1] += sign * np.int64(middle & _MASK)
    digits[place + 2] += sign * np.int64((high >> _HALF) + (middle >> _HALF))


@compiled
def add_square(digits: I64, base: int, magnitude: np.uint64, exponent: int, sign: int) -> None:
    """Add sign * (magnitude * 2**exponent)**2; touches five digits."""
    top, bottom = magnitude >> _HALF, magnitude & _MASK
    cross = top * bottom
    middle = ((bottom * bottom) >> _HALF) + (cross & _MASK) * np.uint64(2)
    low = ((bottom * bottom) & _MASK) | ((middle & _MASK) << _HALF)
    high = top * top + (cross >> _HALF) * np.uint64(2) + (middle >> _HALF)
    add(digits, base, low, 2 * exponent, sign)
    add(digits, base, high, 2 * exponent + 64, sign)


@compiled
def carry(digits: I64, out: U64) -> bool:
    """Carry signed digits into unsigned ones of 32 bits (two more than came in); true when the number is negative."""
    mask = 0xFFFFFFFF
    size = digits.size
    over = 0
    for digit in range(size):
        # Split before adding: a lone digit may fill all 64 bits, and the carry must not overflow it.
        low = (digits[digit] & mask) + (over & mask)
        over = (digits[digit] >> 32) + (over >> 32) + (low >> 32)
        out[digit] = np.uint64(low & mask)
    out[size] = np.uint64(over & mask)
    out[size + 1] = np.uint64((over >> 32) & mask)
    if over < 0:
        borrow = _ONE
        for digit in range(size + 2):
            flipped = (out[digit] ^ _MASK) + borrow
            out[digit] = flipped & _MASK
            borrow = flipped >> _HALF
    return over < 0


@compiled
def rounded(digits: U64, exponent: int, sticky: bool) -> float:
    """The float64 nearest to unsigned digits (a bit more if `sticky`), ties to even; infinity beyond its range."""
    top = digits.size - 1
    while top >= 0 and digits[top] == 0:
        top -= 1
    if top < 0:
        return 0.0
    bits = bit_length(digits[top])
    # The highest 64 bits, and whether anything lies below them.
    window = digits[top] << np.uint64(64 - bits)
    if top > 0:
        window |= (digits[top - 1] << _HALF) >> np.uint64(bits)
    if top > 1:
        window |= digits[top - 2] >> np.uint64(bits)
        sticky = sticky or (digits[top - 2] & ((_ONE << np.uint64(bits)) - _ONE)) != 0
    lower = top - 3
    while lower >= 0 and not sticky:
        sticky = digits[lower] != 0
        lower -= 1
    scale = exponent + 32 * top + bits - 64
    # 53 bits are kept, or as many as lie above the smallest subnormal.
    keep = min(53, scale + 64 + 1074)
    if keep < 0:
        return 0.0
    if keep == 0:
        return 5e-324 if sticky or window > (_ONE << np.uint64(63)) else 0.0
    dropped = np.uint64(64 - keep)
    kept, rest = window >> dropped, window & ((_ONE << dropped) - _ONE)
    half = _ONE << (dropped - _ONE)
    if rest > half or (rest == half and (sticky or kept & _ONE)):
        kept += _ONE
    return float(np.ldexp(np.float64(kept), np.int32(scale + 64 - keep)))


@compiled
def _divided(digits: U64, count: int, guard: int, out: U64) -> bool:
    """Divide by a count below 2**32 after `guard` zero digits are put below; true where something remains."""
    divisor, remainder = np.uint64(count), np.uint64(0)
    for digit in range(digits.size + guard - 1, -1, -1):
        lower = digits[digit - guard] if digit >= guard else np.uint64(0)
        dividend = (remainder << _HALF) | lower
        out[digit] = dividend // divisor
        remainder = dividend % divisor
    return bool(remainder != 0)


@compiled
def sum_of(digits: I64, exponent: int) -> float:
    """The number, correctly rounded."""
    carried = np.empty(digits.size + 2, np.uint64)
    negative = carry(digits, carried)
    value = rounded(carried, exponent, False)
    return -value if negative and value != 0.0 else value


@compiled
def mean_of(digits: I64, exponent: int, count: int) -> float:
    """The number divided by a count, correctly rounded."""
    guard = 3
    # Three digits below leave a quotient of at least 64 bits: 53, a rounding bit, and the rest is sticky.
    carried = np.empty(digits.size + 2, np.uint64)
    quotient = np.empty(carried.size + guard, np.uint64)
    negative = carry(digits, carried)
    sticky = _divided(carried, count, guard, quotient)
    value = rounded(quotient, exponent - 32 * guard, sticky)
    return -value if negative and value != 0.0 else value


@compiled
def variance_of(sums: I64, exponent: int, squares: I64, square_exponent: int, count: int) -> float:
    """Population variance, (count * sum of squares - sum**2) / count**2, correctly rounded.

    Twice `exponent` and `square_exponent` lie a multiple of 32 apart.
    """
    guard = 4
    total = np.empty(sums.size + 2, np.uint64)
    carry(sums, total)
    second = np.empty(squares.size + 2, np.uint64)
    carry(squares, second)
    lowest = min(2 * exponent, square_exponent)
    first_at, second_at = (2 * exponent - lowest) >> 5, (square_exponent - lowest) >> 5
    size = max(first_at + 2 * total.size, second_at + second.size + 1) + 1
    numerator = np.zeros(size, np.int64)
    for digit in range(second.size):
        part = second[digit] * np.uint64(count)
        numerator[second_at + digit] += np.int64(part & _MASK)
        numerator[second_at + digit + 1] += np.int64(part >> _HALF)
    for one in range(total.size):
        for other in range(total.size):
            part = total[one] * total[other]
            numerator[first_at + one + other] -= np.int64(part & _MASK)
            numerator[first_at + one + other + 1] -= np.int64(part >> _HALF)
    carried = np.empty(size + 2, np.uint64)
    carry(numerator, carried)
    # Divided by the count twice: four digits below leave at least 64 bits, whatever the count.
    once = np.empty(carried.size + guard, np.uint64)
    sticky = _divided(carried, count, guard, once)
    twice = np.empty(once.size, np.uint64)
    sticky = _divided(once, count, 0, twice) or sticky
    return rounded(twice, lowest - 32 * guard, sticky)


@compiled
def as_int64(digits: I64, exponent: int) -> tuple[bool, int]:
    """Whether an integer (its exponent is a multiple of 32, and not negative) fits int64, and which it is."""
    carried = np.empty(digits.size + 2, np.uint64)
    negative = carry(digits, carried)
    total = np.uint64(0)
    for digit in range(carried.size):
        if carried[digit] != 0:
            place = (exponent >> 5) + digit
            if place > 1:
                return False, 0
            total |= carried[digit] << np.uint64(32 * place)
    if total > (_ONE << np.uint64(63)) - (np.uint64(0) if negative else _ONE):
        return False, 0
    return True, int(-np.int64(total) if negative else np.int64(total))


@compiled
def finished(
    operation: int, floats: bool, count: int, sums: I64, exponent: int, squares: I64, square_exponent: int
) -> tuple[int, int, float]:
    """Sum, mean or variance of at least one value: what became of it, and the integer or the float64."""
    if operation == SUM and not floats:
        fits, total = as_int64(sums, exponent)
        return VALUE if fits else OVERFLOW, total, 0.0
    if operation == SUM:
        value = sum_of(sums, exponent)
    elif operation == MEAN:
        value = mean_of(sums, exponent, count)
    else:
        value = variance_of(sums, exponent, squares, square_exponent, count)
    return VALUE if np.isfinite(value) else BEYOND, 0, value
