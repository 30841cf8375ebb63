"""What cannot be asked of data as it is stored, or beside what is given: said before anything is read."""

from dataclasses import replace

from dnmf.constraints import Constraints
from dnmf.errors import InputError
from dnmf.losses import loss_named
from dnmf.options import FitOptions
from dnmf.sources.source import Source


def refuse_entries(options: FitOptions, source: Source) -> None:
    """Refuse what cannot be asked where not all entries were observed, or only there.

    Raises
    ------
    InputError
        There is such a thing.
    """
    if source.has_missing or options.implicit:
        replace(options, entries="observed" if source.has_missing else "all")  # which looks
        refuse_implicit(options, source)
        return
    if options.penalty.counts:
        raise InputError("penalty scale 'counts' is for data of which not all was observed; say missing= or mask= too")
    if all(options.limits.held):
        raise InputError(
            "constraints: fixed_W and fixed_H are both for the first components where all was observed, give one of "
            "the two; Penalty(target=1) and target_H, with rows of NaN for the components of fixed_W, hold profiles too"
        )


def refuse_implicit(options: FitOptions, source: Source) -> None:
    """Refuse missing entries and weights of implicit feedback, which has a confidence in everything.

    Raises
    ------
    InputError
        There are some.
    """
    if source.has_missing and options.implicit:
        raise InputError(
            f"{source.address}: implicit= takes all that is not there for zeros; leave missing=, masks and weights out"
        )


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


def refuse_of_sparse(options: FitOptions, address: str) -> None:
    """Refuse a loss for which zeros that are not stored would have to be looked at one by one.

    Raises
    ------
    InputError
        There is such a loss.
    """
    loss = loss_named(options.loss)
    if not (loss.shared_curvature or loss.zero_is_free):
        raise InputError(
            f"{address}: is sparse, and loss={loss.name!r} would have to look at every zero in it; give a dense "
            "matrix, or a loss to which zeros cost nothing, such as 'kullback-leibler'"
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


def of_entries(options: FitOptions, source: Source) -> FitOptions:
    """Return the options of a fit for rows of which not all may be observed.

    Raises
    ------
    InputError
        Rows are penalized by what was observed of them, and of sparse data nobody said what that is; or the loss would
        have to look at every zero of it.
    """
    refuse_implicit(options, source)
    by_counts = options.penalty.counts
    if source.sparse and not source.has_missing:
        refuse_of_sparse(options, source.address)
    if by_counts and source.sparse and not source.has_missing:
        raise InputError(
            f"{source.address}: this model has a ridge for each entry that was observed (penalty scale 'counts'); say "
            "missing='unstored' where what is not stored was not observed, or which entries were with mask="
        )
    return replace(options, entries="observed" if source.has_missing or by_counts else "all")
