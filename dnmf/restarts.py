"""A fit from several starts: all are fitted to their end in the same reads, and the best one makes W.

Which it will be does not show before: docs/decisions. So all of them are committed after every pass.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dnmf import checkpoint
from dnmf.constraints import Guides
from dnmf.fitting.events import PassDone, Started, emit
from dnmf.fitting.fit import Fit
from dnmf.fitting.loop import run_until_last
from dnmf.fitting.state import Initial, State
from dnmf.options import FitOptions
from dnmf.passes.statistics import Statistics
from dnmf.record import RIVALS, RunRecord
from dnmf.run import Run, saying_how_to_go_on
from dnmf.schemes.of_options import in_units
from dnmf.starts.begin import begin, fit_from
from dnmf.starts.choose import start_of
from dnmf.workplace import Workplace

log = logging.getLogger("dnmf")


@dataclass(frozen=True)
class Rival:
    """One of the starts on its way.

    Attributes
    ----------
    number : int
        Its seed is so much above that of the fit.
    fit : Fit
        How far it is.
    """

    number: int
    fit: Fit

    @property
    def ended(self) -> bool:
        """Whether its next pass is the last one."""
        return bool(self.fit.state.reason)

    @property
    def rests(self) -> bool:
        """Whether it has ended, or has not begun."""
        return self.ended or not self.fit.state.passes

    @property
    def objective(self) -> float:
        """What it has come to: that of the H its next pass would be made with if it were the last one."""
        state = self.fit.state
        return state.objective if state.spare is None else state.spare_objective

    def at(self, **changes: Any) -> "Rival":
        """The same with some of its state changed."""
        return replace(self, fit=self.fit.at(replace(self.fit.state, **changes)))


class RestartedRun(Run):
    """A fit that begins ``options.restarts`` times, and goes on from the best of what all came to."""

    def start(self, W: Any, H: Any, guides: Guides) -> Fit:
        """Return the best fit before its last pass, all passes committed."""
        del W, H  # nothing is given where there are restarts
        self._number, rivals = self._first_number, self._begun(guides)
        self._commit_all(rivals)
        engine = self.place.engine
        reads = rivals[0].fit.state.bytes_read / engine.source_bytes
        how = start_of(self.place.seen_inside(self.options), engine.plan)
        emit(self.place.callbacks, Started(how, reads, restarts=len(rivals)))
        return self._best_of(rivals)

    def restore(
        self, store: checkpoint.Store, generation: checkpoint.Generation, record: RunRecord, changed: bool
    ) -> Fit:
        """Return the best fit before its last pass, from where all of them were committed."""
        lead = super().restore(store, generation, record, changed)
        guides, known = Guides.restore(generation.arrays), generation.record.get(RIVALS)
        if known is None:
            return lead
        self._number = generation.number + 1
        others = [
            self._restored(State.restore(scalars, _named(generation.arrays, number)), guides, record.options, changed)
            for number, scalars in zip(known["numbers"][1:], known["states"], strict=True)
        ]
        rivals = [Rival(number, fit) for number, fit in zip(known["numbers"], [lead, *others], strict=True)]
        return self._best_of(sorted(rivals, key=lambda rival: rival.number))

    def _begun(self, guides: Guides) -> list[Rival]:
        """Return all of them before their first pass, with the bytes that were read for all."""
        engine, asked = self.place.engine, self.place.seen_inside(self.options)
        starts: list[Initial] = []
        for number in range(self.options.restarts):
            options, known = replace(asked, seed=asked.seed + number), starts[0] if starts else None
            if known is not None:
                options = in_units(options, known.units)
            begun = begin(engine, options, None, None, guides)
            if known is not None:
                begun = begun._replace(units=known.units, strongest=known.strongest)
            starts.append(begun)
        bytes_read, squares = sum(begun.bytes_read for begun in starts), max(begun.squares for begun in starts)
        starts = [begun._replace(bytes_read=bytes_read, squares=squares) for begun in starts]
        fits = [fit_from(engine, begun, asked, guides) for begun in starts]
        return [Rival(number, fit).at(seed=self._seed(number)) for number, fit in enumerate(fits)]

    def _seed(self, number: int) -> int:
        return self.options.seed + number

    def _best_of(self, rivals: list[Rival]) -> Fit:
        """Return the best one once all have ended; as many share a pass as memory has room for."""
        with saying_how_to_go_on(self.store, self.place):
            while wave := [rival for rival in rivals if not rival.ended][: self.place.models_per_pass]:
                rivals = self._ended(rivals, wave)
        (best,) = kept(rivals)
        log.info("seed %d is the best of %d starts", self._seed(best.number), self.options.restarts)
        self._first_number = self._number - best.fit.state.passes
        self.commit(best.fit)
        return best.fit

    def _ended(self, rivals: list[Rival], wave: list[Rival]) -> list[Rival]:
        """Return the rivals that are left when those of a wave have ended."""
        now = {rival.number: rival for rival in kept(rivals)}
        wave = [now[rival.number] for rival in wave]

        def note(fits: list[Fit]) -> list[Fit]:
            """Those that have moved; all of them are where they are now."""
            moved = []
            for rival, fit in zip(wave, fits, strict=True):
                if fit.state.passes > now[rival.number].fit.state.passes:
                    moved.append(fit)
                now[rival.number] = Rival(rival.number, fit)
            return moved

        def after_pass(fits: list[Fit], statistics: Statistics) -> None:
            del statistics
            moved = note(fits)
            self._commit_all(list(now.values()))
            leading = min(moved, key=lambda fit: fit.state.objective)
            emit(self.place.callbacks, PassDone(leading.state.history[-1], self.store is not None, starts=len(moved)))

        note(run_until_last(self.place.engine, [rival.fit for rival in wave], after_pass))  # one may end without a pass
        return list(now.values())

    def _commit_all(self, rivals: list[Rival]) -> None:
        """Put all states on disk, where there is a store: the best one where that of a single fit would be."""
        if self.store is None:
            return
        lead = min(rivals, key=lambda rival: rival.objective)
        others = [rival for rival in rivals if rival is not lead]
        record = {
            **self._record(lead.fit.state).to_json(),
            RIVALS: {
                "numbers": [rival.number for rival in (lead, *others)],
                "states": [rival.fit.state.scalars() for rival in others],
            },
        }
        moving, still = dict(lead.fit.state.arrays()), {**lead.fit.scheme.lasting(), **self.place.lasting}
        for rival in others:
            arrays = {_name(name, rival.number): values for name, values in rival.fit.state.arrays().items()}
            (still if rival.rests else moving).update(arrays)
        self.store.commit(self._number, record, moving, still)
        self._number += 1


def run_of(place: Workplace, options: FitOptions) -> Run:
    """Return the run of a fit, from as many starts as it was asked for."""
    return RestartedRun(place, options) if options.restarts > 1 else Run(place, options)


def kept(rivals: list[Rival]) -> list[Rival]:
    """Return those that have not ended and the best of those that have, with what was read so far on their account."""
    states = [rival.fit.state for rival in rivals]
    bytes_read, sampled = max(state.bytes_read for state in states), any(state.sampled for state in states)
    best = min((rival for rival in rivals if rival.ended), key=lambda rival: rival.objective, default=None)
    left = [rival for rival in rivals if rival is best or not rival.ended]
    return [rival.at(bytes_read=bytes_read, sampled=_sampled(rival, sampled)) for rival in left]


def _sampled(rival: Rival, before: bool) -> bool:
    """Whether the sample for steps between reads has been counted: of one that waits, where another has had it."""
    state = rival.fit.state
    return state.sampled or (before and not state.passes)


def _name(array: str, number: int) -> str:
    return f"rival_{number}_{array}"


def _named(arrays: Mapping[str, np.ndarray], number: int) -> dict[str, np.ndarray]:
    prefix = _name("", number)
    return {name.removeprefix(prefix): values for name, values in arrays.items() if name.startswith(prefix)}
