"""The start that scikit-learn calls random: ``√(mean(A) / k) |N(0, 1)|``, drawn as it draws it."""

import numpy as np

from dnmf.constraints import NO_GUIDES, Guides
from dnmf.fitting.loop import Engine
from dnmf.fitting.state import Initial
from dnmf.options import FitOptions
from dnmf.passes.blocks import count_rows
from dnmf.schemes.of_options import scheme_of
from dnmf.sources.rows import Panel
from dnmf.starts.race import seen_values
from dnmf.starts.start import few_rows, start_from_H, with_held_columns

WORD = 2**32  # seeds of numpy's older generators are made of such words


def start_half_normal(engine: Engine, options: FitOptions, guides: Guides = NO_GUIDES) -> Initial:
    """Return H (k, n) of absolute values of normal numbers, the same that scikit-learn draws from the seed.

    Their scale says nothing where that of H is free, or chosen for a penalty. Elsewhere it is that of scikit-learn, for
    the mean of a few rows.
    """
    H, bytes_read = drawn(options.seed, (options.rank, engine.source.shape[1])), 0
    scheme, rows = scheme_of(options, engine.facts, guides), None
    if not scheme.free_scale:
        rows = few_rows(engine, options)
        source = rows.engine.source
        H *= scale_of(source.read(0, source.shape[0]), H.shape)
        bytes_read = 0 if scheme.needs_rows else rows.bytes_read  # else they are counted where they are settled on
    begun = start_from_H(engine, H, options, guides, rows)
    return with_held_columns(begun._replace(bytes_read=begun.bytes_read + bytes_read), engine, options, guides)


def drawn(seed: int, shape: tuple[int, int]) -> np.ndarray:
    """Return absolute values of normal numbers, from numpy's older generator.

    Examples
    --------
    >>> drawn(0, (1, 2)).round(4).tolist()
    [[1.7641, 0.4002]]
    """
    words = [seed % WORD, *_words_above(seed // WORD)]
    legacy = np.random.RandomState(words if len(words) > 1 else words[0])
    return np.abs(legacy.standard_normal(shape))


def _words_above(seed: int) -> list[int]:
    return [seed % WORD, *_words_above(seed // WORD)] if seed else []


def scale_of(panel: Panel, shape: tuple[int, int]) -> float:
    """Return ``√(mean / k)`` of rows for an H of this shape (k, n); 1 where they are zero."""
    rows = seen_values(panel)
    values = rows if isinstance(rows, np.ndarray) else rows.data
    mean = abs(float(values.sum(dtype=np.float64))) / (count_rows(rows) * shape[1])
    return float(np.sqrt(mean / shape[0])) or 1.0
