"""The last pass: what it does where the objective rose after all."""

from dataclasses import replace

import numpy as np
import pytest
from engines import engine_on

from dnmf.fitting.finish import finish
from dnmf.fitting.fit import Fit
from dnmf.fitting.loop import run_until_last
from dnmf.fitting.state import Initial
from dnmf.fitting.step import first_state
from dnmf.options import FitOptions
from dnmf.schemes.facts import ALL_OBSERVED
from dnmf.schemes.of_options import scheme_of

pytestmark = pytest.mark.numeric

OPTIONS = FitOptions(5, dtype="float64", max_passes=6)


def test_a_last_update_that_rose_is_taken_back_and_stays_in_the_history(planted, tmp_path):
    engine, rng = engine_on(planted), np.random.default_rng(0)
    first = Fit(first_state(Initial(rng.random((5, 80))), OPTIONS), OPTIONS, scheme_of(OPTIONS, ALL_OBSERVED))
    (fit,) = run_until_last(engine, [first], lambda *_: None)
    worse = replace(fit, state=replace(fit.state, plain=rng.random((5, 80))))
    for stores in ([], [tmp_path]):
        (end,), bytes_read = finish(engine, [worse], stores)
        assert end.factor.tobytes() == fit.state.best.tobytes()
        assert [record.accepted for record in end.state.history[-2:]] == [False, True]
        assert end.state.passes == len(end.state.history) == fit.state.passes + 2
        assert end.state.bytes_read == fit.state.bytes_read + bytes_read == fit.state.bytes_read + 2 * planted.nbytes
        W, H = end.factors.W[:] * end.factors.d, end.factors.H
        loss = 0.5 * ((planted - W @ H) ** 2).sum()
        assert end.state.objective == pytest.approx(fit.state.objective, rel=1e-10)  # of the residual, and of the sums
        assert end.state.history[-1].loss == pytest.approx(loss, rel=1e-9)
