"""What cannot be asked of data as it is stored, or beside what is given: said before anything is read."""

import math

from dnmf.constraints import Constraints
from dnmf.errors import InputError
from dnmf.losses import loss_named, refuse_other_parameters
from dnmf.options import CP, FitOptions, check_observed, check_observed_start
from dnmf.schemes.facts import Facts
from dnmf.schemes.of_options import has_own_gram
from dnmf.sources.source import Source


def refuse_entries(options: FitOptions, source: Source) -> None:
    """Refuse what cannot be asked of data as it is stored, where not all entries were observed, or only there.

    Raises
    ------
    InputError
        There is such a thing.
    """
    _refuse_strengths(options, source)
    _refuse_of_sparse(options, source)
    _refuse_implicit(options, source)
    if source.has_missing:
        _refuse_observed(options)
        check_observed_start(options)
    if source.has_missing or options.implicit:
        return
    if options.penalty.counts:
        raise InputError("penalty scale 'counts' is for data of which not all was observed; say missing= or mask= too")
    if all(options.limits.held):
        raise InputError(
            "constraints: fixed_W and fixed_H are both for the first components where all was observed, give one of "
            "the two; Penalty(target=1) and target_H, with rows of NaN for the components of fixed_W, hold profiles too"
        )


def refuse_rank(options: FitOptions, source: Source) -> None:
    """Refuse more components than data of this shape can have; only the estimator, as scikit-learn's, only warns.

    A matrix has as many as rows or columns, an array as a CP as the entries of its smallest slab.

    Raises
    ------
    InputError
        There are more.
    """
    if options.structure == CP and source.unfolding is not None:
        _refuse_rank_of_products(options, source, list(source.unfolding.lengths_of(source.shape[0]).values()))
    elif options.rank > min(source.shape):
        raise InputError(f"{source.address}: rank={options.rank} is more than min(rows, columns) = {min(source.shape)}")


def _refuse_rank_of_products(options: FitOptions, source: Source, lengths: list[int]) -> None:
    most = math.prod(lengths) // max(lengths)
    if options.rank > most:
        raise InputError(
            f"{source.address}: rank={options.rank} is more than any array of "
            f"{' × '.join(f'{n:,}' for n in lengths)} needs: all its lengths but the largest multiplied, {most:,}"
        )
    if options.init == "surrogate" and options.rank > min(source.shape):
        raise InputError(
            f"{source.address}: init='surrogate' is of no more than min(rows, columns) = {min(source.shape)} "
            "components of the unfolded array; use 'sample'"
        )


def refuse_idle(options: FitOptions, source: Source) -> None:
    """Refuse trials of dropped components where no component is ever dropped.

    Raises
    ------
    InputError
        They are asked for.
    """
    prunes = options.penalty.in_objective and not has_own_gram(options, Facts.of(source))
    if options.prune == "refit" and not prunes:
        raise InputError(
            "prune='refit': components are tried out under a penalty in the objective of least squares alone; say "
            "scale='objective', or leave prune out"
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


def _refuse_strengths(options: FitOptions, source: Source) -> None:
    """Refuse strengths for other factors than an array has, or for some of those of a CP alone."""
    penalty, factors = options.penalty, 1 if source.unfolding is None else 1 + len(source.unfolding.columns)
    for name, strengths in (("l1", penalty.l1), ("l2", penalty.l2)):
        if len(strengths) > 2 and len(strengths) != factors:
            raise InputError(
                f"{source.address}: penalty {name}={strengths} is for {len(strengths)} factors, and there are "
                f"{factors}, that of the long axis and one for each other; give so many, a pair, or one number for all"
            )
    if options.structure == CP and penalty.active and not all(map(any, penalty.on_each(factors))):
        raise InputError(
            "penalty: on some axes alone it means nothing: weight moves to where it costs nothing; penalize the "
            "factors of all (an l2 of any size will do)"
        )


def _refuse_implicit(options: FitOptions, source: Source) -> None:
    """Refuse missing entries and weights of implicit feedback, which has a confidence in everything."""
    if source.has_missing and options.implicit:
        raise InputError(
            f"{source.address}: implicit= takes all that is not there for zeros; leave missing=, masks and weights out"
        )


def _refuse_observed(options: FitOptions) -> None:
    """Refuse what has no meaning where only what was observed counts; other losses have been looked at."""
    if loss_named(options.loss).shared_curvature:
        check_observed(options)


def _refuse_of_sparse(options: FitOptions, source: Source) -> None:
    """Refuse a loss for which zeros that are not stored would have to be looked at one by one."""
    if not source.sparse or source.has_missing:
        return
    loss = loss_named(options.loss)
    if not (loss.shared_curvature or loss.zero_is_free):
        dense = "" if loss.above_zero else ", give a dense matrix"
        raise InputError(
            f"{source.address}: is sparse, and loss={loss.name!r} would have to look at every zero in it; say "
            f"missing='unstored' (--missing unstored), or mask=, where these were not observed{dense}, or use a loss "
            "to which zeros cost nothing, such as 'kullback-leibler'"
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


def facts_of_other_rows(options: FitOptions, source: Source) -> Facts:
    """Return what is known of rows that a finished model is to be applied to, of which not all may be observed.

    Raises
    ------
    InputError
        Rows are penalized by what was observed of them, and of sparse data nobody said what that is; the loss would
        have to look at every zero of it; or the penalty has no meaning where something is missing.
    UnknownLossError
        The loss is one of the caller's own, and has become another one since.
    """
    refuse_other_parameters(options.loss, options.loss_parameters)
    by_counts = options.penalty.counts and not options.implicit
    _refuse_strengths(options, source)
    _refuse_of_sparse(options, source)
    _refuse_implicit(options, source)
    if by_counts and source.sparse and not source.has_missing:
        raise InputError(
            f"{source.address}: this model has a ridge for each entry that was observed (penalty scale 'counts'); say "
            "missing='unstored' where what is not stored was not observed, or which entries were with mask="
        )
    if source.has_missing:
        _refuse_observed(options)
    return Facts(observed=source.has_missing or by_counts, diagonal=True)  # nobody asks for curvatures of columns
