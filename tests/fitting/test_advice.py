"""What a refusal advises can be done: no advice leads to another refusal."""

import numpy as np
import pytest
import scipy.sparse

import dnmf
from dnmf import Constraints, InputError, Penalty

rng = np.random.default_rng(4)
COUNTS = rng.poisson(2.0, (60, 12)).astype(np.float32)
NEGATIVE = COUNTS - (COUNTS == 3) * 4
HOLES = np.where(rng.random(COUNTS.shape) < 0.1, np.nan, COUNTS)
SPARSE, SPARSE_NEGATIVE = scipy.sparse.csr_array(COUNTS), scipy.sparse.csr_array(NEGATIVE)
KL, IS, SURE = {"loss": "kullback-leibler"}, {"loss": "itakura-saito"}, {"implicit": 1.0}
FREE = {"constraints": Constraints(free="W")}
PULLED = {"constraints": Constraints(target_H=np.ones((2, 12))), "penalty": Penalty(target=0.5)}
PULLED_IN_OBJECTIVE = {**PULLED, "penalty": Penalty(target=0.5, scale="objective")}
MISSING, UNSTORED = {"missing": "nan"}, {"missing": "unstored"}

# What is refused, what the message says, and what is done then.
ADVICE = {
    "counts below zero, others": (NEGATIVE, KL, "mask= of the others", {**KL, "mask": NEGATIVE >= 0}),
    "counts below zero, least squares": (NEGATIVE, KL, r"loss='frobenius' with Constraints\(free='W'\)", FREE),
    "sparse counts below zero": (SPARSE_NEGATIVE, KL, "mask= of the others", {**KL, "mask": NEGATIVE >= 0}),
    "scales below zero": (NEGATIVE, IS, "mask= of the others", {**IS, "mask": NEGATIVE > 0}),
    "sparse scales, unstored": (SPARSE, IS, "say missing='unstored'", {**IS, **UNSTORED}),
    "sparse scales, mask": (SPARSE, IS, "mask=", {**IS, "mask": COUNTS > 0}),
    "sparse scales, counts": (SPARSE, IS, "'kullback-leibler'", KL),
    "zeros, mask": (COUNTS, IS, "mask= of those that were observed", {**IS, "mask": COUNTS > 0}),
    "zeros, counts": (COUNTS, IS, "use loss='kullback-leibler'", KL),
    "sparse zeros": (SPARSE, {**IS, "mask": COUNTS >= 0}, "leave entries.* missing='unstored'", {**IS, **UNSTORED}),
    "preferences below zero": (NEGATIVE, SURE, r"leave implicit= out.*free='W'", FREE),
    "free preferences below zero": (NEGATIVE, {**SURE, **FREE}, "leave implicit= out", FREE),
    "sparse preferences below zero": (SPARSE_NEGATIVE, SURE, "leave implicit= out", FREE),
    "missing, pulled": (HOLES, {**MISSING, **PULLED}, "share none; leave them out", MISSING),
    "missing, pulled there": (HOLES, {**MISSING, **PULLED_IN_OBJECTIVE}, "share none; leave them out", MISSING),
    "missing, relative": (
        HOLES, {**MISSING, "penalty": Penalty(l2=0.1)}, "say scale='objective', or 'counts'",
        {**MISSING, "penalty": Penalty(l2=0.1, scale="counts")},
    ),
    "counts, pulled": (COUNTS, {**KL, **PULLED}, "share none; leave them out", KL),
    "counts, relative": (
        COUNTS, {**KL, "penalty": Penalty(l1=0.1)}, "say scale='objective'",
        {**KL, "penalty": Penalty(l1=0.1, scale="objective")},
    ),
    "counts, free": (COUNTS, {**KL, **FREE}, "leave free out", KL),
}  # fmt: skip


def fitted(data, said):
    beside = {name: value for name, value in said.items() if name in ("mask", "missing")}
    options = {name: value for name, value in said.items() if name not in beside}
    return dnmf.fit(dnmf.open_source(data, **beside), 2, max_passes=2, init="random", **options)


@pytest.mark.parametrize("case", ADVICE)
@pytest.mark.broad(2)
def test_what_is_advised_can_be_done(case):
    data, refused, message, instead = ADVICE[case]
    with pytest.raises(InputError, match=message):
        fitted(data, refused)
    assert np.isfinite(fitted(data, instead).H).all()


@pytest.mark.parametrize("bad", [np.nan, -1.0])
def test_preferences_that_are_none_are_zeros(bad):
    with pytest.raises(InputError, match="give 0") as refused:
        fitted(np.where(COUNTS == 3, bad, COUNTS), SURE)
    assert "missing=" not in str(refused.value)


@pytest.mark.parametrize("implicit", [True, "a", np.inf, np.nan, -1.0])
def test_a_confidence_is_a_finite_number(implicit):
    with pytest.raises(InputError, match="a finite number, at least 0"):
        dnmf.fit(COUNTS, 2, implicit=implicit)


@pytest.mark.slow
def test_factors_of_preferences_may_be_free():
    how = {"implicit": 1.0, "dtype": "float64", "max_passes": 20}
    free, usual = dnmf.fit(COUNTS, 4, **FREE, **how), dnmf.fit(COUNTS, 4, **how)
    assert (free.read_W() < 0).any()
    assert free.history[-1].loss <= usual.history[-1].loss


def test_rows_of_preferences_with_a_ridge_by_counts_are_those_of_the_fit():
    how = {"penalty": Penalty(l2=0.05, scale="counts"), "dtype": "float64", "tol": 1e-12, "max_passes": 5}
    model = dnmf.fit(SPARSE, 2, **SURE, **how)
    for data in (SPARSE, COUNTS):
        np.testing.assert_allclose(model.transform(data).compute(), model.read_W(), rtol=1e-6)
        assert dnmf.measures.relative_error(model, data) == pytest.approx(model.history[-1].relative_error)
