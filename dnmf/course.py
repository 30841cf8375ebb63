"""How a fit went: what its history, and the best of its starts, say of a model."""

from dnmf.fitting.history import PassRecord, reads_within
from dnmf.losses import loss_named
from dnmf.options import FitOptions


class Course:
    """The part of :class:`dnmf.Model` that tells how it was found; its attributes are the model's."""

    options: FitOptions
    history: tuple[PassRecord, ...]
    best_seed: int | None

    @property
    def alive(self) -> int:
        """How many components are not zero."""
        return self.history[-1].alive

    @property
    def relative_error(self) -> float:
        """``‖A − W diag(d) H‖ / ‖A‖``; of other losses the root of the share that is not explained."""
        return self.history[-1].relative_error

    @property
    def loss(self) -> float:
        """The loss of all entries, without penalties: ``½‖A − W diag(d) H‖²``, or what was asked for."""
        return self.history[-1].loss

    @property
    def told(self) -> str:
        """How well it does, in words; empty for a model without a history."""
        last = self.history[-1:]
        return loss_named(self.options.loss).told(last[0].loss, last[0].relative_error) if last else ""

    @property
    def reads(self) -> float:
        """How often the data was read, in multiples of its size, the start included."""
        return self.history[-1].reads

    @property
    def summary(self) -> str:
        """How well it does, for how many reads, and which of several starts it is, in words; empty without a history.

        Examples
        --------
        >>> dnmf.fit(A, 10, init="random", restarts=5).summary  # doctest: +SKIP
        'relative error 0.3412, 24.0 reads, from seed 3, the best of 5 starts'
        """
        if not self.history:
            return ""
        restarts = self.options.restarts
        of_several = restarts > 1 and self.best_seed is not None
        best = f", from seed {self.best_seed}, the best of {restarts} starts" * of_several
        return f"{self.told}, {self.reads:.1f} reads{best}"

    def reads_within(self, share: float = 0.002) -> float:
        """Return after how many reads the error had come to within a `share` of its end; others settled components."""
        return reads_within(self.history, share)
