"""A loss of someone's own, looked at once on a few entries: what is wrong with it is said when it is registered."""

from typing import Any, NamedTuple

import numpy as np

from dnmf.arguments import is_finite
from dnmf.errors import InputError
from dnmf.losses.loss import Loss

PREDICTIONS = (0.07, 0.3, 0.9, 1.7, 4.3, 11.0)  # none of them is an entry, where a loss may have a corner
STEP = 1e-5  # of a prediction, for a difference of values
SLOPE_TOLERANCE = 1e-3
ROUNDING = 1e-9
ELEMENTWISE = 1e-5
WEIGHTS = ("weights: r", "weights: c")


def refuse_wrong(loss: Loss) -> None:
    """Refuse a loss that does not keep what :class:`dnmf.losses.Loss` says of its methods.

    Raises
    ------
    InputError
        One sentence: which method, at which entry and prediction, and what was expected.
    """
    _check_facts(loss)
    entries = _entries_for(loss)
    for dtype in ("float32", "float64"):
        some = entries.as_dtype(dtype)
        _check_value(some)
        _check_weights(some)
    _check_slope(entries.taken(entries.y > 0))
    if loss.zero_is_free:
        y = np.array(PREDICTIONS)
        _check_free_zeros(_Entries(loss, np.zeros_like(y), y))


class _Entries(NamedTuple):
    """Entries `a` (n,) and predictions `y` (n,) at which a loss is looked at."""

    loss: Loss
    a: np.ndarray
    y: np.ndarray

    def as_dtype(self, dtype: str) -> "_Entries":
        return self._replace(a=self.a.astype(dtype), y=self.y.astype(dtype))

    def taken(self, which: Any) -> "_Entries":
        return self._replace(a=self.a[which], y=self.y[which])

    def called(self, method: str, *more: Any) -> Any:
        """What a method says of them, and of `more`; they are ours to keep."""
        given = self.a.copy(), self.y.copy()
        try:
            with np.errstate(all="ignore"):
                found = getattr(self.loss, method)(*given, *more)
        except Exception as error:
            what = f"{method} raised {type(error).__name__}: {error}; a and y are flat arrays of one size"
            raise _error(self.loss, what) from error
        changed = not (np.array_equal(given[0], self.a) and np.array_equal(given[1], self.y))
        _refuse(self.loss, changed, f"{method} writes into its arguments; return new arrays")
        return found

    def weights(self) -> tuple[Any, Any]:
        found = self.called("weights")
        is_pair = isinstance(found, tuple | list) and len(found) == 2
        _refuse(self.loss, not is_pair, "weights has to return two arrays, (r, c)")
        return found[0], found[1]

    def refuse_unless_array(self, name: str, found: Any, dtype: str, advice: str) -> None:
        fits = isinstance(found, np.ndarray) and found.shape == self.a.shape
        looks = f"an array of shape {np.shape(found)}" if isinstance(found, np.ndarray) else f"a {type(found).__name__}"
        _refuse(self.loss, not fits, f"{name} is {looks} for {len(self.a)} entries; return one number for each")
        wrong = f"{name} is {found.dtype} for entries in {self.a.dtype}; expected {dtype}: {advice}"
        _refuse(self.loss, str(found.dtype) != dtype, wrong)

    def refuse_where(self, wrong: np.ndarray, name: str, found: np.ndarray, expected: str) -> None:
        if not wrong.any():
            return
        first = int(np.argmax(wrong))
        unless = ". Predictions may be 0 unless the loss says positive = True" if self.y[first] == 0 else ""
        at = f"at a={self.a[first]:g}, y={self.y[first]:g}"
        raise _error(self.loss, f"{name} is {found[first]:.6g} {at}; expected {expected}{unless}")

    def refuse_unless_elementwise(self, name: str, one: Any, among: np.ndarray) -> None:
        same = np.shape(one) == (1,) and np.allclose(one, among[:1], rtol=ELEMENTWISE)
        _refuse(self.loss, not same, f"{name} of one entry depends on the other entries; it has to be elementwise")


def _check_facts(loss: Loss) -> None:
    allowed = {"linear": (-np.inf, np.inf), "most_shrink": (np.nextafter(0, 1), 1.0), "power": (0.0, np.inf)}
    words = {"linear": "a finite number", "most_shrink": "above 0, at most 1", "power": "a number that is not negative"}
    for name, (least, most) in allowed.items():
        value = getattr(loss, name)
        _refuse(loss, not (is_finite(value) and least <= value <= most), f"{name} = {value!r}: {words[name]}")


def _entries_for(loss: Loss) -> _Entries:
    """Every example with every prediction, 0 among them where that may be."""
    try:
        examples = np.asarray(loss.examples, np.float64).ravel()
    except (TypeError, ValueError):
        examples = np.zeros(0)
    if loss.above_zero:
        examples = examples[examples > 0]
    unusable = not len(examples) or not np.isfinite(examples).all()
    _refuse(loss, unusable, f"examples = {loss.examples!r}: give values such as the data has")
    a, y = np.meshgrid(examples, PREDICTIONS if loss.positive else (*PREDICTIONS, 0.0))
    return _Entries(loss, a.ravel(), y.ravel())


def _check_value(entries: _Entries) -> None:
    values = entries.called("value")
    entries.refuse_unless_array("value", values, "float64", "begin with a.astype(np.float64)")
    entries.refuse_where(~np.isfinite(values), "value", values, "a finite number")
    whole = values + entries.loss.linear * entries.y.astype(np.float64)
    named = "value + linear · y" if entries.loss.linear else "value"
    entries.refuse_where(
        whole < -ROUNDING * (1 + np.abs(values)), named, whole,
        "0 or more: add what does not depend on y. Where only other data is meant, say which with examples",
    )  # fmt: skip
    entries.refuse_unless_elementwise("value", entries.taken(slice(1)).called("value"), values)
    for more, expected in (
        ((), values.sum()),
        ((None,), values.sum()),
        ((np.full_like(entries.y, 2),), 2 * values.sum()),
    ):
        total = entries.called("total", *more)
        right = np.shape(total) == () and np.isclose(total, expected, rtol=ELEMENTWISE)
        beside = "" if not more or more[0] is None else ", each times its weight"
        _refuse(entries.loss, not right, f"total is {total!r}; expected the sum of value{beside}, {expected:.6g}")
    none = entries.taken(slice(0)).called("value")
    _refuse(entries.loss, np.shape(none) != (0,), "value of no entries has to be an array of none")


def _check_weights(entries: _Entries) -> None:
    pair = entries.weights()
    for name, part in zip(WEIGHTS, pair, strict=True):
        entries.refuse_unless_array(name, part, str(entries.y.dtype), "the dtype of y; end with .astype(y.dtype)")
        entries.refuse_where(~np.isfinite(part), name, part, "a finite number")
    c = pair[1]
    entries.refuse_where(c < 0, WEIGHTS[1], c, "0 or more: the expected curvature, or a bound of it")
    _refuse(entries.loss, not c.any(), "weights: c is 0 everywhere, so that a step has no length; give a bound of it")
    for name, part, one in zip(WEIGHTS, pair, entries.taken(slice(1)).weights(), strict=True):
        entries.refuse_unless_elementwise(name, one, part)


def _check_slope(entries: _Entries) -> None:
    """The slope, against a difference of values."""
    y = entries.y
    above, below = (entries._replace(y=y * (1 + step)).called("value") for step in (STEP, -STEP))
    slope, r = (above - below) / (2 * STEP * y), entries.weights()[0]
    off = np.abs(slope + r) > SLOPE_TOLERANCE * np.maximum(np.abs(slope), np.abs(r)) + 1e-6 * np.abs(r).max()
    if off.any():
        first = int(np.argmax(off))
        expected = f"−∂value/∂y = {-slope[first]:.6g}, by a difference of values"
        entries.refuse_where(off, WEIGHTS[0], r, expected)


def _check_free_zeros(entries: _Entries) -> None:
    """An entry that is zero is left out of all sums."""
    for name, part in zip(("value", *WEIGHTS), (entries.called("value"), *entries.weights()), strict=True):
        entries.refuse_where(part != 0, name, part, "0, because zero_is_free is True")


def _refuse(loss: Loss, wrong: bool, what: str) -> None:
    if wrong:
        raise _error(loss, what)


def _error(loss: Loss, what: str) -> InputError:
    return InputError(f"losses.register, {loss.name!r}: {what}")
