"""One sample for the starts of many models: read once, each of them sees of it what it sees of the data."""

import numpy as np

from dnmf.constraints import Guides
from dnmf.fitting.loop import Engine, seeing
from dnmf.fitting.state import Initial
from dnmf.options import FitOptions
from dnmf.passes.held_out import Fold
from dnmf.schemes.held_out import HeldOut
from dnmf.sources.memory import MemorySource
from dnmf.starts.begin import begin
from dnmf.starts.draw import Drawn, draw_rows
from dnmf.starts.sample import Numbered
from dnmf.starts.start import race_on_drawn, settle_start

ONE_START = 1  # of a model among many: they are many starts already


class SeenSample:
    """A sample as a model sees it of which something is held out; the last one that was asked for is kept.

    Parameters
    ----------
    sample : Numbered
        The rows.
    held_out : HeldOut
        What is not seen of them.
    """

    def __init__(self, sample: Numbered, held_out: HeldOut):
        self.n_rows, self._sample, self._held_out = sample.n_rows, sample, held_out
        self._last: tuple[int, MemorySource] | None = None

    def first(self, rows: int) -> MemorySource:
        """Return what is seen of the first `rows` of the sample."""
        if self._last is None or self._last[0] != rows:
            source, numbers = self._sample.first(rows), self._sample.numbers(rows)
            self._last = rows, _seen(source, self._held_out, numbers)
        return self._last[1]

    def numbers(self, rows: int) -> np.ndarray:
        """Return the row numbers of the first `rows` of the sample."""
        return self._sample.numbers(rows)


def _seen(source: MemorySource, held_out: HeldOut, numbers: np.ndarray) -> MemorySource:
    seen, columns = held_out.seen_of(source.read(0, source.shape[0]), numbers)
    return MemorySource.of_rows(seen, columns, source.address, like=source)


class SharedStarts:
    """Starts of many models.

    Parameters
    ----------
    engine : Engine
        Over the source.
    options : FitOptions
        Of the largest model, with the seed that the sample is drawn from.
    """

    def __init__(self, engine: Engine, options: FitOptions):
        self._engine, self._options = engine, options
        self._drawn: Drawn | None = None
        self._seen: tuple[Fold, Drawn] | None = None

    def begin(self, options: FitOptions, guides: Guides, held_out: HeldOut | None) -> Initial:
        """Return the start of a model, with the bytes that were read for it and for no other.

        One that is to begin on a sample begins on that which all share, from one start drawn from its own seed.
        """
        if options.init != "sample":
            begun = begin(self._engine, options, None, None, guides)
            return begun if held_out is None else begun._replace(H=held_out.columns_of(begun.H), squares=-1.0)
        fresh = self._drawn is None
        drawn = self._of(held_out)
        engine = seeing(self._engine, held_out)
        raced = race_on_drawn(engine, drawn, options, guides, most=ONE_START)
        begun = settle_start(raced.H, raced.engine, engine, options, guides)
        squares = raced.squares if held_out is None else -1.0
        return begun._replace(bytes_read=(drawn.bytes_read if fresh else 0) + begun.bytes_read, squares=squares)

    def _of(self, held_out: HeldOut | None) -> Drawn:
        if self._drawn is None:
            self._drawn = draw_rows(self._engine, self._options)
        if held_out is None:
            return self._drawn
        if self._seen is None or self._seen[0] != held_out.fold:
            alike, numbers = self._drawn.alike, self._drawn.numbers_alike
            if alike is not None and numbers is not None:
                alike = _seen(alike, held_out, numbers)
            self._seen = (
                held_out.fold,
                self._drawn._replace(sample=SeenSample(self._drawn.sample, held_out), alike=alike),
            )
        return self._seen[1]
