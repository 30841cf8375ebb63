"""What cannot be asked of data as it is stored, or beside what is given: said before anything is read."""

from dnmf.constraints import Constraints
from dnmf.errors import InputError
from dnmf.options import FitOptions


def refuse_of_transposed(options: FitOptions, address: str) -> None:
    """Refuse what means something else for a matrix that is factorized as its transpose.

    Raises
    ------
    InputError
        There is such a thing.
    """
    if options.penalty.scale == "absolute":
        raise InputError(
            f"{address}: a CSC matrix is factorized as its transpose, for which scale='absolute' means "
            "another penalty; convert the matrix to CSR with dnmf convert, or use scale='objective'"
        )


def refuse_beside_given(options: FitOptions, constraints: Constraints, address: str, *, transposed: bool) -> None:
    """Refuse a penalty without what it pulls to, or one that cannot act on what is given, and the reverse.

    Raises
    ------
    InputError
        There is one without the other, or one that cannot act.
    """
    options.penalty.check_guides(constraints.graph is not None, constraints.target_H is not None)
    of_W, of_H = options.penalty.angular
    if constraints.fixed_W is not None and of_W:
        raise InputError("constraints: an angular penalty on W cannot act on a given W; leave it to H")
    if transposed and constraints.fixed_H is not None and of_H:
        raise InputError(
            f"{address}: an angular penalty on H acts on a given H where the matrix is stored by rows; "
            "convert it to CSR with dnmf convert"
        )
