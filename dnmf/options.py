"""What a fit can be asked for: frozen, validated once at the door, and JSON round-trip."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

import numpy as np

from dnmf.amounts import format_bytes, parse_bytes  # noqa: F401  part of what options are made of
from dnmf.arguments import as_dtype, is_finite, is_whole, shown
from dnmf.constraints import NO_LIMITS, Limits
from dnmf.errors import InputError, UnknownLossError
from dnmf.losses import is_known, loss_named, refuse_other_parameters
from dnmf.newer import refuse_newer
from dnmf.penalty import Penalty
from dnmf.strengths import SIDES

PRUNES = ("rule", "refit", "off")
SVD_INITS = ("nndsvd", "nndsvda", "nndsvdar")
INITS = ("auto", "sample", "surrogate", "random", "normal", *SVD_INITS, "given")
OF_ALL_ENTRIES = ("surrogate", *SVD_INITS)  # starts that are made of all of A as it is
MATRIX, CP = "matrix", "cp"
STRUCTURES = (MATRIX, CP)  # of H: any, or rows that are products of one vector for each axis of an array
LIMITS = ("max_passes", "tol", "max_seconds")  # that decide when a fit ends, and not what a pass does
NOW_FACTS = ("curvature", "entries")  # of data and plan: they were options, and in stores some still are


def _check(condition: bool, message: str) -> None:
    if not condition:
        raise InputError(message)


def _dtype_name(value: Any) -> str:
    """The name of whatever numpy takes for a dtype but None; anything else as it looks."""
    found = None if value is None else as_dtype(value)
    return str(value) if found is None else found.name


def _plain(value: Any) -> Any:
    """A numpy scalar as the Python number it is, so that options compare and go to JSON alike."""
    return value.item() if isinstance(value, np.generic) else value


def describe_solver(options: Mapping[str, Any]) -> str:
    """Return how H and the rows of W are found, in words, from options as :meth:`FitOptions.to_json` has them.

    Examples
    --------
    >>> describe_solver({"solver": "hals", "sweeps": 2, "exact_rows": False})
    'hals, 2 sweeps, rows too'
    """
    sweeps, exact_rows = options.get("sweeps", 1), options.get("exact_rows", True)
    return options["solver"] + f", {sweeps} sweeps" * (sweeps > 1) + ", rows too" * (not exact_rows)


def start_asked_for(init: Any, **given: Any) -> Any:
    """Return the `init` of options, ``"given"`` where one of the `given` factors is there to start from.

    Raises
    ------
    InputError
        Another start is asked for beside it, or a given one where nothing is given.
    """
    there = [name for name, factor in given.items() if factor is not None]
    if not there:
        asked = isinstance(init, str) and init == "given"
        _check(not asked, f"init='given': give the {' or '.join(given)} to start from")
        return init
    by_default = isinstance(init, str) and init == "auto"
    _check(by_default, f"init={shown(init)}: it starts from the {there[-1]} that is given; leave one of the two out")
    return "given"


def more_than(limit: str, options: Mapping[str, Any], passes: int) -> dict[str, Any]:
    """Return with which limit a fit can go on that one has ended after so many `passes`.

    That is twice the passes, or as many seconds anew; empty where it was no limit that ended it. `options` are as
    :meth:`FitOptions.to_json` has them.

    Examples
    --------
    >>> asked = {"max_passes": 40, "max_seconds": 60.0}
    >>> more_than("max_passes", asked, 40), more_than("max_seconds", asked, 8), more_than("tol: …", asked, 8)
    ({'max_passes': 80}, {'max_seconds': 60.0}, {})
    """
    more = {"max_passes": 2 * max(passes, options["max_passes"]), "max_seconds": options.get("max_seconds")}
    return {limit: more[limit]} if more.get(limit) else {}


def _check_together(options: "FitOptions") -> None:
    """Refuse constraints that the penalty contradicts."""
    penalty, limits = options.penalty, options.limits
    if not loss_named(options.loss).shared_curvature:
        _check_with_loss(options)
        _check(not options.implicit, f"implicit= is least squares of what is there; leave loss={options.loss!r} out")
    elif options.implicit:
        check_observed(options)
        check_observed_start(options)
    if options.structure == CP:
        _check_products(options)
    else:
        _check(penalty.factors == 2, f"penalty: it has strengths for {penalty.factors} factors, a matrix has W and H")
    if limits.bounded and penalty.scale not in ("objective", "counts"):
        raise InputError(
            "constraints upper: a bound on the factors of A ≈ WH needs their scale to be part of the problem; say "
            "penalty=Penalty(scale='objective'), with strengths or without"
        )
    if limits.free:
        at = SIDES.index(limits.free)
        _check(penalty.l1[at] == 0, f"penalty l1: {limits.free} is free to be negative, where L1 has no meaning here")
        _check(penalty.scale != "fraction", "penalty scale 'fraction' needs both factors to be non-negative")
        _check(options.init not in OF_ALL_ENTRIES, f"init={options.init!r} needs both factors to be non-negative")


def _check_products(options: "FitOptions") -> None:
    """Refuse what rows of H that stay products do not take yet."""
    penalty = options.penalty
    others = {"angular": any(penalty.angular), "smooth": penalty.smooth, "target": penalty.target}
    for name, there in others.items():
        _check(not there, f"penalty {name}: that of a CP is L1 and L2; leave it out")
    _check(
        not penalty.active or penalty.scale in ("objective", "fraction"),
        f"penalty scale {penalty.scale!r}: strengths of a CP are those of an objective; say scale='objective', or "
        "scale='fraction'",
    )
    _check(options.limits == NO_LIMITS, "constraints: CP takes none yet; leave them out")


def check_observed(options: "FitOptions") -> None:
    """Refuse what has no meaning yet in least squares where each row and column has its own Gram matrix.

    Raises
    ------
    InputError
        There is such a thing; the message says what to ask for instead.
    """
    penalty = options.penalty
    _check(
        not (penalty.smooth or penalty.target),
        "penalty smooth and target act on the Gram matrix that columns share, and where not all was observed they "
        "share none; leave them out",
    )
    _check(
        not penalty.active or penalty.scale in ("objective", "counts"),
        f"penalty scale {penalty.scale!r} is measured by all entries; where not all was observed say "
        "scale='objective', or 'counts' for strengths for each entry",
    )


def check_observed_start(options: "FitOptions") -> None:
    """Refuse a start that is made of all entries where not all were observed, or not all count alike.

    Raises
    ------
    InputError
        The fit is to begin with one.
    """
    _check(options.init not in OF_ALL_ENTRIES, f"init={options.init!r} takes all for observed; use 'sample'")


def _check_restarts(options: "FitOptions") -> None:
    """Refuse several starts where they would be one, or where nothing tells which is best."""
    restarts = f"restarts={options.restarts}"
    alike = {"given": "a start that is given", "nndsvd": "init='nndsvd'", "nndsvda": "init='nndsvda'"}
    _check(
        options.init not in alike,
        f"{restarts}: {alike.get(options.init)} is the same every time; leave one of the two out",
    )
    _check(
        max(options.limits.held) < options.rank,
        f"{restarts}: all components are given, and the fit is the same every time; leave restarts out",
    )
    _check(
        not options.penalty.is_rule,
        f"{restarts}: a penalty of scale {options.penalty.scale!r} is a rule, without an objective by which starts "
        "could be compared; say scale='objective', or leave restarts out",
    )
    _check(options.max_passes > 1, f"{restarts}: max_passes=1 leaves no pass to compare starts by; use 2 or more")


def _check_with_loss(options: "FitOptions") -> None:
    """Refuse what has no meaning yet beside a loss with a curvature of its own."""
    penalty, limits, loss = options.penalty, options.limits, f"loss={options.loss!r}"
    _check(
        not (penalty.smooth or penalty.target),
        f"penalty smooth and target act on the Gram matrix that columns share, and beside {loss} they share none; "
        "leave them out",
    )
    _check(
        not penalty.active or penalty.scale == "objective",
        f"penalty scale {penalty.scale!r} is measured by least squares; beside {loss} say scale='objective'",
    )
    _check(
        not limits.free,
        f"constraints free={limits.free!r}: {loss} needs predictions that are not negative; leave free out",
    )
    _check(options.init != "surrogate", f"init='surrogate' is a stand-in for least squares; beside {loss} use 'sample'")


@dataclass(frozen=True)
class FitOptions:
    """Everything that decides the result of a fit besides the data and the plan.

    `solver` is how H is found, in how many `sweeps` where it is not exact; without `exact_rows` rows of W are as many
    sweeps too. `implicit` is the confidence in what is there, 0 where entries are values. `loss_parameters` are those
    of a loss of the caller's own (:func:`dnmf.losses.parameters_of`), as it is known now. `structure` is that of H:
    ``"matrix"``, or ``"cp"`` of products of one vector for each axis that makes the columns.

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
    max_passes: int = 100
    extrapolate: bool = True
    prune: str = "rule"
    limits: Limits = NO_LIMITS
    implicit: float = 0.0
    restarts: int = 1
    loss_parameters: dict[str, str] | None = field(default=None, hash=False)
    sweeps: int = 1
    exact_rows: bool = True
    max_seconds: float | None = None
    structure: str = MATRIX

    def __post_init__(self):
        for each in fields(self):
            object.__setattr__(self, each.name, _plain(getattr(self, each.name)))
        object.__setattr__(self, "dtype", _dtype_name(self.dtype))
        _check(is_whole(self.rank) and self.rank >= 1, f"rank={shown(self.rank)}: a whole number, at least 1")
        for name in ("init", "solver", "loss", "prune"):
            _check(isinstance(getattr(self, name), str), f"{name}={shown(getattr(self, name))}: give its name as text")
        _check(self.init in INITS, f"init={self.init!r}: use one of {', '.join(INITS[:-1])}")
        object.__setattr__(self, "loss_parameters", refuse_other_parameters(self.loss, self.loss_parameters))
        _check(isinstance(self.penalty, Penalty), "penalty: give a dnmf.Penalty(l1=…, l2=…, scale=…)")
        _check(self.dtype in ("float32", "float64"), f"dtype={self.dtype!r}: 'float32' or 'float64'")
        _check(is_whole(self.seed) and self.seed >= 0, f"seed={shown(self.seed)}: a whole number, not negative")
        _check(is_finite(self.tol) and self.tol >= 0, f"tol={shown(self.tol)}: a finite number, not negative")
        if self.max_seconds == math.inf:
            object.__setattr__(self, "max_seconds", None)
        for name in ("max_passes", "restarts", "sweeps"):
            count = getattr(self, name)
            _check(is_whole(count) and count >= 1, f"{name}={shown(count)}: a whole number, at least 1")
        _check(
            self.max_seconds is None or (is_finite(self.max_seconds) and self.max_seconds > 0),
            f"max_seconds={shown(self.max_seconds)}: a number above 0; inf, or None, for no such limit",
        )
        _check(self.structure in STRUCTURES, f"structure={shown(self.structure)}: use one of {', '.join(STRUCTURES)}")
        _check(self.prune in PRUNES, f"prune={self.prune!r}: use one of {', '.join(PRUNES)}")
        sure = is_finite(self.implicit) and self.implicit >= 0
        _check(sure, f"implicit={shown(self.implicit)}: a finite number, at least 0")
        _check(isinstance(self.exact_rows, bool), f"exact_rows={shown(self.exact_rows)}: True or False")
        _check_together(self)
        if self.restarts > 1:
            _check_restarts(self)
        _check(isinstance(self.extrapolate, bool), f"extrapolate={shown(self.extrapolate)}: True or False")

    @property
    def prunes(self) -> bool:
        """Whether components may be dropped."""
        return self.prune != "off"

    def to_json(self) -> dict[str, Any]:
        """The options as plain JSON values."""
        return {**asdict(self), "penalty": self.penalty.to_json(), "limits": self.limits.to_json()}

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> "FitOptions":
        """The options that :meth:`to_json` wrote, also before data and plan had facts of their own.

        Raises
        ------
        UnknownLossError
            Their loss is one of the caller's own, and not known here, or not as it was.
        NewerError
            There are more of them than this dnmf knows.
        """
        if not is_known(record.get("loss", cls.loss)):
            raise UnknownLossError(
                f"loss={record['loss']!r} is not known here; import what registers it first (dnmf.losses.register; on "
                "the command line: dnmf --import MODULE …)"
            )
        known = {name: value for name, value in record.items() if name not in NOW_FACTS}
        refuse_newer(cls, known)
        parts = {"penalty": Penalty.from_json(record["penalty"]), "limits": Limits.from_json(record["limits"])}
        return cls(**{**known, **parts})

    @property
    def exactly(self) -> "FitOptions":
        """The same, solved exactly."""
        return replace(self, solver="cd", sweeps=1, exact_rows=True)

    def swapped(self) -> "FitOptions":
        """The same with the roles of W and H exchanged, for a matrix used as its transpose."""
        return replace(self, penalty=self.penalty.swapped(), limits=self.limits.swapped())

    def with_limits(
        self, max_passes: int | None = None, tol: float | None = None, max_seconds: float | None = None
    ) -> "FitOptions":
        """The same options with other limits, where given: they decide when to stop, not what a pass does."""
        limits = {"max_passes": max_passes, "tol": tol, "max_seconds": max_seconds}
        return replace(self, **{name: value for name, value in limits.items() if value is not None})  # type: ignore[arg-type]

    def differences(self, other: "FitOptions") -> list[str]:
        """Return ``name: mine → theirs`` for every option in which `other` differs."""
        mine, theirs = self.to_json(), other.to_json()
        lines = []
        for name in (each.name for each in fields(self)):
            if isinstance(mine[name], dict):
                pairs = ((each, value, theirs[name].get(each)) for each, value in mine[name].items())
                lines += [f"{name} {each}: {value} → {other}" for each, value, other in pairs if value != other]
            elif mine[name] != theirs[name]:
                lines.append(f"{name}: {mine[name]} → {theirs[name]}")
        return lines
