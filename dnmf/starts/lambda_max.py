"""The strength from which on a penalty leaves nothing, found on a sample and then in a few reads of all rows."""

from typing import NamedTuple

import numpy as np

from dnmf.fitting.loop import Engine
from dnmf.options import FitOptions
from dnmf.passes.executor import run_pass
from dnmf.passes.statistics import Statistics
from dnmf.passes.work import Work
from dnmf.schemes.threshold import Pair, pairs_for

MOST_READS = 10
SAMPLE_TURNS = 100
CLOSE_ON_SAMPLE, CLOSE = 1e-6, 1e-4  # the strength has settled when a turn raises it by less than this share


class LambdaMax(NamedTuple):
    """What leaves nothing.

    Attributes
    ----------
    units : (float, float)
        The strengths of L1 and of L2.
    bytes_read : int
        To find them.
    squares : float
        ``‖A‖²``.
    h : ndarray (1, n)
        Of the pair of vectors that dies last (of L1 where there are two), on the scale at which it does.
    """

    units: tuple[float, float]
    bytes_read: int
    squares: float
    h: np.ndarray


def find_lambda_max(rows: Engine, engine: Engine, options: FitOptions) -> LambdaMax:
    """Return the units of the strengths of ``options.penalty``, of scale ``"fraction"``.

    The pair of vectors is found on a sample, whose strongest pair looks the same though it dies at another strength,
    and then followed through reads of all rows, two as a rule, until the strength has settled: it rises from turn to
    turn, and none is too large. Terms on both factors have a unit of their own for L1 and for L2; with L1 on one factor
    and L2 on the other both share one.

    Parameters
    ----------
    rows : Engine
        Over a sample of the rows.
    engine : Engine
        Over all rows.
    options : FitOptions
        Of the fit.
    """
    start = np.ones((1, engine.source.shape[1]), options.dtype)
    pairs = pairs_for(options, engine.facts, start)
    for _ in range(SAMPLE_TURNS):
        if _settled(pairs, rows, options, CLOSE_ON_SAMPLE)[0]:
            break
    statistics = []
    for _ in range(MOST_READS):
        still, found = _settled(pairs, engine, options, CLOSE)
        statistics.append(found)
        if still:
            break
    of_L1, of_L2 = (max(pair.units[i] for pair in pairs) for i in (0, 1))
    bytes_read = sum(each.bytes_read for each in statistics)
    return LambdaMax((of_L1, of_L2), bytes_read, statistics[-1].squares, pairs[0].h)


def _settled(pairs: list[Pair], engine: Engine, options: FitOptions, close: float) -> tuple[bool, Statistics]:
    """Let the pairs follow one more pass; return whether that raised no strength by much, and what the pass folded."""
    before = [pair.strength for pair in pairs]
    statistics = _turn(pairs, engine, options)
    still = all(abs(p.strength - old) <= close * p.strength for p, old in zip(pairs, before, strict=True))
    return still, statistics


def _turn(pairs: list[Pair], engine: Engine, options: FitOptions) -> Statistics:
    """Let every pair follow one pass over the rows, and return what the pass folded."""
    work = Work(tuple(pair.visitor for pair in pairs), options.dtype, check=True)
    statistics = run_pass(
        engine.executor, engine.source, engine.plan, work, keep=engine.keep, rows_back=engine.watch("start")
    )
    for pair, sums in zip(pairs, statistics.models, strict=True):
        if sums.s.any():
            pair.follow(sums)
    return statistics
