"""What a fit can be asked for: frozen, validated once at the door, and JSON round-trip."""

import math
import re
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

import numpy as np

from dnmf.errors import InputError

INITS = ("auto", "sample", "surrogate", "random", "given")
SCALES = ("relative", "objective", "absolute")
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12,
          "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}  # fmt: skip


def parse_bytes(text: str | int | float | None) -> int | None:
    """Return a number of bytes from ``"512MiB"``, ``"2 GB"`` or a number; None stays None.

    Raises
    ------
    InputError
        The text is not a positive amount of memory.

    Examples
    --------
    >>> parse_bytes("1.5 KiB")
    1536
    """
    if text is None:
        return None
    match = re.fullmatch(r"\s*([0-9]*\.?[0-9]+(?:e\d+)?)\s*([kmgt]?i?)b?\s*", str(text).lower())
    if not match or float(match[1]) <= 0:
        raise InputError(f"{text!r} is not an amount of memory; write for example '512MiB' or '4GB'")
    return int(float(match[1]) * _UNITS[match[2]])


def format_bytes(count: float) -> str:
    """Return `count` bytes as text with a binary unit.

    Examples
    --------
    >>> format_bytes(536870912)
    '512.0 MiB'
    """
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(count) < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def _as_pair(name: str, value: Any) -> tuple[float, float]:
    pair = tuple(value) if isinstance(value, (tuple, list)) else (value, value)
    try:
        w, h = (float(x) for x in pair)
    except (TypeError, ValueError):
        raise InputError(f"penalty {name}={value!r}: give one number or a (W, H) pair") from None
    if not (math.isfinite(w) and math.isfinite(h) and w >= 0 and h >= 0):
        raise InputError(f"penalty {name}={value!r}: strengths are finite and not negative")
    return w, h


@dataclass(frozen=True)
class Penalty:
    """How strongly the factors are held down, and in which units.

    Parameters
    ----------
    l1, l2 : float or (float, float)
        Strength for both factors, or a (W, H) pair.
    scale : {"relative", "objective", "absolute"}
        ``"objective"`` minimizes ``½‖A − WH‖² + l1_W ΣW + ½ l2_W ‖W‖² + l1_H ΣH + ½ l2_H ‖H‖²`` (scikit-learn's
        form; its ``alpha_W`` is multiplied by n_features and its ``alpha_H`` by n_samples before they are
        used here). ``"absolute"`` is RcppML's rule on the diagonalized model: each half step solves
        ``(G + l2 I) x = b − l1`` with the other factor's columns summing to one. ``"relative"``, strengths in
        [0, 1] that mean the same on any data, is the default and is not available yet.

    Raises
    ------
    InputError
        A strength is negative or not finite, or the scale is unknown.

    Examples
    --------
    >>> Penalty(l1=(0.1, 0.2), scale="absolute").l1
    (0.1, 0.2)
    """

    l1: Any = 0.0
    l2: Any = 0.0
    scale: str = "relative"

    def __post_init__(self):
        object.__setattr__(self, "l1", _as_pair("l1", self.l1))
        object.__setattr__(self, "l2", _as_pair("l2", self.l2))
        if self.scale not in SCALES:
            raise InputError(f"penalty scale {self.scale!r} is unknown; use one of {', '.join(SCALES)}")
        if self.scale == "relative" and (any(self.l1) or any(self.l2)):
            raise InputError(
                "penalty scale 'relative' is not available yet; say scale='objective' (the strengths are part of "
                "the objective, as in scikit-learn) or scale='absolute' (RcppML's rule)"
            )

    @property
    def on_W(self) -> tuple[float, float]:
        """The (l1, l2) that act on W."""
        return self.l1[0], self.l2[0]

    @property
    def on_H(self) -> tuple[float, float]:
        """The (l1, l2) that act on H."""
        return self.l1[1], self.l2[1]

    def swapped(self) -> "Penalty":
        """The same penalty with the roles of W and H exchanged, for a matrix used as its transpose."""
        return Penalty(self.l1[::-1], self.l2[::-1], self.scale)


def _check(condition: bool, message: str) -> None:
    if not condition:
        raise InputError(message)


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _dtype_name(value: Any) -> str:
    """The name of a numpy dtype or scalar type; text stays as it is."""
    return value if isinstance(value, str) else getattr(value, "name", getattr(value, "__name__", repr(value)))


def _plain(value: Any) -> Any:
    """A numpy scalar as the Python number it is, so that options compare and go to JSON alike."""
    return value.item() if isinstance(value, np.generic) else value


@dataclass(frozen=True)
class FitOptions:
    """Everything that decides the result of a fit besides the data and the plan.

    Raises
    ------
    InputError
        A value is out of its range; the message names the option.
    """

    rank: int
    init: str = "auto"
    solver: str = "cd"
    loss: str = "frobenius"
    penalty: Penalty = field(default_factory=Penalty)
    dtype: str = "float32"
    seed: int = 0
    tol: float = 1e-4
    max_passes: int = 50
    extrapolate: bool = True

    def __post_init__(self):
        for each in fields(self):
            object.__setattr__(self, each.name, _plain(getattr(self, each.name)))
        object.__setattr__(self, "dtype", _dtype_name(self.dtype))
        _check(_whole(self.rank) and self.rank >= 1, f"rank={self.rank!r}: a whole number, at least 1")
        _check(self.init in INITS, f"init={self.init!r}: use one of {', '.join(INITS[:-1])}")
        _check(self.solver == "cd", f"solver={self.solver!r}: 'cd' is the one available")
        _check(self.loss == "frobenius", f"loss={self.loss!r}: 'frobenius' is the one available")
        _check(isinstance(self.penalty, Penalty), "penalty: give a dnmf.Penalty(l1=…, l2=…, scale=…)")
        _check(self.dtype in ("float32", "float64"), f"dtype={self.dtype!r}: 'float32' or 'float64'")
        _check(_whole(self.seed) and self.seed >= 0, f"seed={self.seed!r}: a whole number, not negative")
        tol = self.tol if isinstance(self.tol, (int, float)) and not isinstance(self.tol, bool) else -1.0
        _check(tol >= 0 and math.isfinite(tol), f"tol={self.tol!r}: a finite number, not negative")
        _check(_whole(self.max_passes) and self.max_passes >= 1, f"max_passes={self.max_passes!r}: at least 1")
        _check(isinstance(self.extrapolate, bool), f"extrapolate={self.extrapolate!r}: True or False")

    def to_json(self) -> dict[str, Any]:
        """The options as plain JSON values."""
        record = asdict(self)
        record["penalty"]["l1"] = list(self.penalty.l1)
        record["penalty"]["l2"] = list(self.penalty.l2)
        return record

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> "FitOptions":
        """The options that :meth:`to_json` wrote."""
        return cls(**{**record, "penalty": Penalty(**record["penalty"])})

    def with_limits(self, max_passes: int | None, tol: float | None) -> "FitOptions":
        """The same options with other limits, where given: they decide when to stop, not what a pass does."""
        limits = {"max_passes": max_passes, "tol": tol}
        return replace(self, **{name: value for name, value in limits.items() if value is not None})  # type: ignore[arg-type]

    def differences(self, other: "FitOptions") -> list[str]:
        """Return ``name: mine → theirs`` for every option in which `other` differs."""
        mine, theirs = self.to_json(), other.to_json()
        return [f"{f.name}: {mine[f.name]} → {theirs[f.name]}" for f in fields(self) if mine[f.name] != theirs[f.name]]
