"""What a pass is asked to do with every row, for all models that it serves."""

from dataclasses import dataclass, replace

from dnmf.passes.ahead import Ahead
from dnmf.passes.rows_out import Columns
from dnmf.passes.visitors.visitor import Visitor

SQUARES = {"float32": (1e-32, 1e34), "float64": (1e-150, 1e150)}  # ‖A‖² whose products neither vanish nor overflow


@dataclass(frozen=True)
class Demands:
    """What the values of the data have to be, and in words what helps where they are not.

    Attributes
    ----------
    signed : bool
        Whether they may be negative.
    above_zero : bool
        Whether they have to be above zero everywhere.
    not_negative : str
        What is needed instead of negative ones.
    not_nan : str
        What is needed instead of a NaN, where that is not to say what is missing.
    """

    signed: bool = False
    above_zero: bool = False
    not_negative: str = "values that are not negative, unless a factor may be: Constraints(free='W'), --free W"
    not_nan: str = ""


NOT_NEGATIVE = Demands()


@dataclass(frozen=True)
class Work:
    """One pass: who visits the rows and what else is done on the way. Sent to each worker once.

    Attributes
    ----------
    visitors : tuple of Visitor
        One for each model.
    dtype : str
        Of the computation.
    check : bool
        Whether the values are checked (finite, not negative, each entry once) and squared: on the first pass.
    residual : bool
        Whether the residual of dense rows is computed too: on the last pass, whose objective is reported.
    columns : Columns, optional
        Which columns of W are written out, and what they are divided by; the sums are those of W before.
    demands : Demands
        What is checked of the values.
    sample : bool
        Whether the rows are some of the data only, of which nothing may have been observed.
    ahead : Ahead, optional
        What may be made of the columns where their sums are added up; no visit needs it.
    """

    visitors: tuple[Visitor, ...]
    dtype: str
    check: bool = False
    residual: bool = False
    columns: Columns | None = None
    demands: Demands = NOT_NEGATIVE
    sample: bool = False
    ahead: Ahead | None = None

    def aligned(self) -> "Work":
        """The same with factors that lie as the kernels read them best: for the worker they came to."""
        return replace(self, visitors=tuple(visitor.aligned() for visitor in self.visitors))
