"""What can go wrong, by name. A message says what was found, where, the limit, and what to try."""

from dnmf.advice import WayOn


class DnmfError(Exception):
    """Base of every error dnmf raises on purpose; the command line prints it as one line.

    Attributes
    ----------
    way_on : WayOn or None
        How a run goes on that ended with it, which is in the message as a call; None where that is not known.
    """

    way_on: WayOn | None = None


class InputError(DnmfError, ValueError):
    """The data or an option cannot be used: a NaN, a negative value, a wrong shape, a missing chunk.

    It is a :class:`ValueError` too, which is what scikit-learn's conventions expect of bad input.
    """


class InputTypeError(InputError, TypeError):
    """The data is of a kind that cannot be used; a :class:`TypeError` too, as scikit-learn has it."""


class NothingObservedError(InputError):
    """Of data with missing entries or weights there is not one entry that was observed and counts."""


class UnknownLossError(InputError):
    """A loss is not known by its name where it is needed, or is not the one that a run was begun with."""


class ChangedError(InputError):
    """Stored data was changed while it was read; the message names the first few files or objects."""


class BudgetError(DnmfError):
    """The work does not fit in the memory that was allowed; raised before anything starts."""


class LossError(DnmfError):
    """The loss of a pass is no finite number: the message names the pass and the loss; there is no model of it."""


class ClusterError(DnmfError):
    """The workers or the scheduler were lost, or stand still, and trying again did not help."""


class CheckpointError(DnmfError):
    """A checkpoint cannot be written, found or continued as asked."""


class UnfinishedError(CheckpointError):
    """There is no result yet in a checkpoint, whose run can be gone on with.

    Parameters
    ----------
    found : str
        What there is.
    way : WayOn
        How it goes on, which the message ends in.
    """

    def __init__(self, found: str, way: WayOn):
        super().__init__(found, way)  # both, so that it can be pickled
        self.way_on = way

    def __str__(self) -> str:
        found, way = self.args
        return f"{found}; go on with: {way.call}"


class NewerError(CheckpointError):
    """A checkpoint says what this dnmf does not know, as a newer one wrote it; the message names both and the field."""


class CorruptError(CheckpointError):
    """No generation of a checkpoint is whole; the message names the damaged files."""


class Interrupted(DnmfError):
    """A signal stopped the fit after its pass was committed; the store can be resumed.

    Parameters
    ----------
    signum : int
        The signal that was received.
    message : str
        Says how to go on.
    """

    def __init__(self, signum: int, message: str):
        super().__init__(signum, message)  # both, so that it can be pickled
        self.signum = signum

    def __str__(self) -> str:
        return str(self.args[1])


class UnsolvedWarning(UserWarning):
    """Some rows of W or columns of H are not the exact solutions that were promised, or leave what no solution does."""
