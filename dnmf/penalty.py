"""How strongly the factors are held down, and in which units: what the caller says."""

from dataclasses import asdict, dataclass, replace
from typing import Any

from dnmf.arithmetic import undisturbed
from dnmf.callers import warn_caller
from dnmf.errors import InputError
from dnmf.newer import refuse_newer
from dnmf.strengths import SIDES, as_strength, as_strengths, in_words, spread

SCALES = ("relative", "objective", "fraction", "absolute", "counts")
PAIRS = ("l1", "l2", "angular")  # strengths with a value for each factor
ON_H = ("smooth", "target")


class PenaltyWarning(UserWarning):
    """A penalty does not do what it seems to ask for."""


@dataclass(frozen=True)
class Penalty:
    """How strongly the factors are held down, and in which units.

    Parameters
    ----------
    l1, l2 : float or tuple of float
        Strength for both factors, or a (W, H) pair. L1 makes factors sparse, L2 makes them dense and alike. Of a CP for
        the factors of all axes, a pair for that of the long axis and for each of the others, or one for the long axis
        and one for each other, in their order.
    scale : {"relative", "objective", "fraction", "absolute", "counts"}
        ``"relative"``: strengths in [0, 1] that mean the same on any data. Each half step solves
        ``(G + λ I) x = b − l1 max(b)`` with ``λ = l2 / (1 − l2) · mean(diag G)`` (at l2 = 1 ``G`` becomes
        a multiple of ``I``), the other factor summing to one; d is fitted by least squares. At l1 = 1 every factor is
        zero, at l2 = 1 all components are parallel to the first singular vector. ``"objective"`` minimizes
        ``½‖A − WH‖² + l1_W ΣW + ½ l2_W ‖W‖² + l1_H ΣH + ½ l2_H ‖H‖²``; ``"fraction"`` does so with strengths as a
        fraction of those that leave nothing, which takes a few reads to find. ``"absolute"`` is RcppML's rule on the
        diagonalized model: each half step solves ``(G + l2 I) x = b − l1`` with the other factor summing to one.
        ``"counts"``, for data of which not all was observed, is ``"objective"`` with the L2 of each row of W and column
        of H times what was observed of it (ALS-WR: Zhou et al. 2008, doi:10.1007/978-3-540-68880-8_32).
    angular : float or (float, float)
        Strength against components that share rows (of W) or columns (of H): ``½ angular Σ_i (Σ_q x_iq)²``, the Gram
        matrix plus ``angular`` everywhere; relative to ``mean(diag G)`` as `l2`, and at 1 every row belongs to one
        component (Kim & Park 2007, doi:10.1093/bioinformatics/btm134).
    smooth : float
        Strength with which H follows the graph of :class:`dnmf.Constraints`.
    target : float
        Strength with which H is pulled to the target of :class:`dnmf.Constraints`; at 1, relative, it is the target.
    beside_given : float
        By what the strengths of scale ``"counts"`` are multiplied for the free half of components whose other half is
        given: biases are best held down less than the rest.
    diagonal : bool
        Whether the scale of the components is shared out after each half step: factors are brought to sum one, or,
        for an objective, balanced so that its penalty is least. False shows what goes wrong without.

    Raises
    ------
    InputError
        A strength is negative, not finite or, on the relative scale, above 1; a fraction is asked for of a penalty
        on one factor; or the scale is unknown.

    Examples
    --------
    >>> Penalty(l1=(0.1, 0.2)).on_H
    (0.2, 0.0)
    """

    l1: Any = 0.0
    l2: Any = 0.0
    scale: str = "relative"
    diagonal: bool = True
    angular: Any = 0.0
    smooth: float = 0.0
    target: float = 0.0
    beside_given: float = 1.0

    @undisturbed
    def __post_init__(self):
        if not isinstance(self.scale, str) or self.scale not in SCALES:
            raise InputError(f"penalty scale {self.scale!r} is unknown; use one of {', '.join(SCALES)}")
        if not isinstance(self.diagonal, bool):
            raise InputError(f"penalty diagonal={self.diagonal!r}: True or False")
        for name in PAIRS:
            object.__setattr__(self, name, as_strengths(name, getattr(self, name), more=name in ("l1", "l2")))
            self._check_range(name, max(getattr(self, name)))
        for name in ON_H:
            object.__setattr__(self, name, as_strength(name, getattr(self, name)))
            self._check_range(name, getattr(self, name))
        if self.scale == "relative" and self.smooth == 1:
            raise InputError(
                "penalty smooth=1: relative smoothing stays below 1, where nothing of the data would be left"
            )
        if self.factors > len(SIDES) and self.scale not in ("objective", "fraction"):
            raise InputError(
                f"penalty scale {self.scale!r}: strengths for each factor of a CP are of scale 'objective' or "
                "'fraction'; for a matrix give one number or a (W, H) pair"
            )
        if self.scale == "fraction" and self.active:
            self.shapes()
        self._check_counts()

    def _check_counts(self) -> None:
        object.__setattr__(self, "beside_given", as_strength("beside_given", self.beside_given))
        if self.beside_given != 1 and not self.counts:
            raise InputError("penalty beside_given= is for scale 'counts'")
        if self.counts and (any(self.angular) or self.smooth or self.target):
            raise InputError("penalty scale 'counts' is for L2, beside L1; leave angular, smooth and target out")

    def _check_range(self, name: str, strength: float) -> None:
        if self.scale == "relative" and strength > 1:
            raise InputError(
                f"penalty {name}={getattr(self, name)!r}: strengths of scale 'relative' lie between 0 and 1; for those "
                "of an objective (as in scikit-learn) say scale='objective', for RcppML's scale='absolute'"
            )

    @classmethod
    def from_sklearn(cls, alpha_W: float, alpha_H: float | str = "same", l1_ratio: float = 0.0, *,
                     shape: tuple[int, int]) -> "Penalty":  # fmt: skip
        """The penalty of ``sklearn.decomposition.NMF(alpha_W=…, alpha_H=…, l1_ratio=…)``.

        scikit-learn multiplies ``alpha_W`` by n_features and ``alpha_H`` by n_samples.

        Parameters
        ----------
        alpha_W, alpha_H, l1_ratio
            As there.
        shape : (int, int)
            (n_samples, n_features) of the data.

        Examples
        --------
        >>> Penalty.from_sklearn(0.01, l1_ratio=0.5, shape=(1000, 20)).l1
        (0.1, 5.0)
        """
        on_W = float(alpha_W) * shape[1]
        on_H = float(alpha_W if isinstance(alpha_H, str) else alpha_H) * shape[0]
        if on_W == 0 and on_H == 0:
            return cls()
        l1, l2 = float(l1_ratio), 1.0 - float(l1_ratio)
        return cls(l1=(l1 * on_W, l1 * on_H), l2=(l2 * on_W, l2 * on_H), scale="objective")

    @classmethod
    def from_tensorly(cls, sparsity: Any = 0.0, ridge: Any = 0.0) -> "Penalty":
        """The penalty of TensorLy's ``sparsity_coefficients`` and ``ridge_coefficients``, one number or a (W, H) pair.

        Its HALS minimizes ``½‖A − WH‖² + sparsity · ΣX + ridge · ‖X‖²``: the ridge is half of `l2`.

        Examples
        --------
        >>> Penalty.from_tensorly(0.1, ridge=(0.5, 1.0)).l2
        (1.0, 2.0)
        """
        return cls(l1=sparsity, l2=tuple(2 * x for x in as_strengths("ridge", ridge, more=True)), scale="objective")

    @classmethod
    def from_rcppml(cls, L1: Any = 0.0, L2: Any = 0.0, diag: bool = True) -> "Penalty":
        """The penalty of ``RcppML::nmf(L1 = …, L2 = …, diag = …)`` (October 2021), one number or a (W, H) pair."""
        return cls(l1=L1, l2=L2, scale="absolute", diagonal=bool(diag))

    @property
    def on_W(self) -> tuple[float, float]:
        """The (l1, l2) that act on W."""
        return self.l1[0], self.l2[0]

    @property
    def on_H(self) -> tuple[float, float]:
        """The (l1, l2) that act on H."""
        return self.l1[1], self.l2[1]

    @property
    def factors(self) -> int:
        """For how many factors there are strengths, two where they are a pair."""
        return max(len(self.l1), len(self.l2))

    def on_each(self, factors: int) -> list[tuple[float, float]]:
        """Return the (l1, l2) that act on each of so many factors, that of the long axis first.

        Examples
        --------
        >>> Penalty(l1=(0.0, 1.0, 2.0), l2=0.5, scale="objective").on_each(3)
        [(0.0, 0.5), (1.0, 0.5), (2.0, 0.5)]
        """
        return list(zip(*(spread(strengths, factors) for strengths in (self.l1, self.l2)), strict=True))

    @property
    def active(self) -> bool:
        """Whether any strength is above zero."""
        return any(any(getattr(self, name)) for name in PAIRS) or any(getattr(self, name) for name in ON_H)

    def acts_on(self, side: str) -> bool:
        """Whether any strength that acts on this factor, or one of those that H is made of, is above zero."""
        if side == "W":
            return any(getattr(self, name)[0] for name in PAIRS)
        return any(any(getattr(self, name)[1:]) for name in PAIRS) or bool(self.smooth or self.target)

    @property
    def in_objective(self) -> bool:
        """Whether it is a part of the objective, and with it the scale between W and H."""
        return self.scale in ("objective", "fraction", "counts")

    @property
    def counts(self) -> bool:
        """Whether L2 of a row of W, or a column of H, is multiplied by what was observed of it."""
        return self.scale == "counts"

    @property
    def is_rule(self) -> bool:
        """Whether it is a rule for an iteration: there is no objective that falls, and nothing to extrapolate."""
        return self.scale == "absolute" or (self.scale == "relative" and (self.active or not self.diagonal))

    @property
    def measured_by_data(self) -> bool:
        """Whether strengths are shares of what a half step finds, on the relative scale."""
        return self.scale == "relative" and self.active

    @property
    def needs_peak(self) -> bool:
        """Whether the terms on W depend on the largest right-hand side of a pass."""
        return self.scale == "relative" and 0 < self.l1[0] < 1

    @property
    def one_sided(self) -> str:
        """The factor that alone is penalized in an objective, which is degenerate; empty where all is well."""
        if not self.in_objective or self.target or self.acts_on("W") == self.acts_on("H"):
            return ""
        return "W" if self.acts_on("W") else "H"

    def warn_if_one_sided(self) -> None:
        """Warn of a penalty that an objective moves out of the way of."""
        if not self.one_sided:
            return
        one, other = ("W", "H") if self.one_sided == "W" else ("H", "W")
        warn_caller(
            f"a penalty on {one} alone means nothing in an objective: {one} shrinks, {other} grows, and the penalty "
            f"goes to zero. Penalize {other} too (an l2 of any size will do), or use dnmf.Penalty(scale='relative')",
            PenaltyWarning,
        )

    def check_guides(self, has_graph: bool, has_target: bool) -> None:
        """Refuse a strength without what it pulls to, and the reverse.

        Raises
        ------
        InputError
            There is one without the other.
        """
        pairs = ("smooth", self.smooth, "graph", has_graph), ("target", self.target, "target_H", has_target)
        for name, strength, guide, there in pairs:
            if bool(strength) != there:
                if strength:
                    raise InputError(f"penalty {name}={strength:g}: there is nothing it pulls to; give {guide} too")
                raise InputError(f"constraints {guide}: without a strength it does nothing; give a penalty {name} too")

    def __str__(self) -> str:
        """The strengths in words."""
        parts = []
        for name in PAIRS:
            parts += in_words({"l1": "L1", "l2": "L2"}.get(name, name), getattr(self, name))
        parts += [f"{name} {getattr(self, name):g} on H" for name in ON_H if getattr(self, name)]
        if not parts:
            return "none" if self.diagonal else "none, scale left alone"
        words = [self.scale]
        words += [f"{self.beside_given:g} of it beside given ones"] * (self.beside_given != 1)
        words += ["scale left alone"] * (not self.diagonal)
        return f"{', '.join(parts)} ({', '.join(words)})"

    def swapped(self) -> "Penalty":
        """The same penalty with the roles of W and H exchanged, for a matrix used as its transpose."""
        return replace(self, **{name: getattr(self, name)[::-1] for name in PAIRS})

    def times(self, strength: float | tuple[float, ...]) -> "Penalty":
        """The same penalty of an objective with its strengths (of L1, of L2 and all others) multiplied."""
        of_l1, of_l2 = strength if isinstance(strength, tuple) else (strength, strength)
        l1, l2, angular = (
            tuple(factor * x for x in pair)
            for factor, pair in ((of_l1, self.l1), (of_l2, self.l2), (of_l2, self.angular))
        )
        scale = self.scale if self.counts else "objective"
        smooth, target = of_l2 * self.smooth, of_l2 * self.target
        return replace(self, l1=l1, l2=l2, angular=angular, smooth=smooth, target=target, scale=scale)

    def in_units(self, units: tuple[float, ...]) -> "Penalty":
        """The same penalty with its strengths as they are, where they are fractions of these `units`."""
        return self.times(units) if self.scale == "fraction" else self

    def at(self, strength: float) -> "Penalty":
        """The same penalty in the same units with its strengths multiplied; at 0 there is none.

        Raises
        ------
        InputError
            A product is no strength of this scale.

        Examples
        --------
        >>> Penalty(l1=1.0).at(0.25).l1, Penalty(l1=1.0).at(0) == Penalty()
        ((0.25, 0.25), True)
        """
        strength = as_strength("strength", strength)
        found: dict[str, Any] = {name: tuple(strength * x for x in getattr(self, name)) for name in PAIRS}
        found |= {name: strength * getattr(self, name) for name in ON_H}
        return replace(self, **found)

    def shapes(self) -> list["Penalty"]:
        """The penalties of strength one whose strongest are the units of a fraction.

        Raises
        ------
        InputError
            There is none: a penalty on one factor alone can be made weaker by moving weight to the other.
        """
        if any(self.angular) or self.smooth or self.target:
            raise InputError("penalty scale 'fraction' is for L1 and L2; say scale='objective' for the others")
        of_l1, of_l2 = (tuple(float(x > 0) for x in of) for of in zip(*self.on_each(self.factors), strict=True))
        if all(one != two for one, two in zip(of_l1, of_l2, strict=True)):
            return [Penalty(of_l1, of_l2, "objective")]
        if not all(of_l1 + of_l2):
            raise InputError(
                f"penalty l1={self.l1}, l2={self.l2}: a fraction needs L1 on all factors, L2 on all, or on each one of "
                "the two"
            )
        return [Penalty(l1=of_l1, scale="objective"), Penalty(l2=of_l2, scale="objective")]

    def to_json(self) -> dict[str, Any]:
        """The penalty as plain JSON values."""
        return {**asdict(self), **{name: list(getattr(self, name)) for name in PAIRS}}

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> "Penalty":
        """The penalty that :meth:`to_json` wrote; NewerError where it says more than this dnmf knows."""
        refuse_newer(cls, record)
        return cls(**record)
