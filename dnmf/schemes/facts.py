"""What a fit knows beside its options: found in the data and in the plan, and never asked for."""

from dataclasses import dataclass
from typing import Self

from dnmf.plan import Plan
from dnmf.sources.source import Source


@dataclass(frozen=True)
class Facts:
    """What decides, beside the options, what a fit minimizes and how it goes about that.

    Attributes
    ----------
    observed : bool
        Whether only the entries that were observed count; else all do.
    diagonal : bool
        Whether the curvature of columns, where each has its own, is folded on its diagonal only.
    lengths : tuple of int
        Of the axes that the columns are made of, where the data has more than two.
    """

    observed: bool = False
    diagonal: bool = False
    lengths: tuple[int, ...] = ()

    @classmethod
    def of(cls, source: Source, plan: Plan | None = None) -> Self:
        """Return what is known of this data, and from the plan once there is one."""
        lengths = source.unfolding.of_columns if source.unfolding else ()
        return cls(source.has_missing, plan is not None and plan.diagonal, lengths)


ALL_OBSERVED = Facts()  # of which signs, the scale and what is given do not depend
