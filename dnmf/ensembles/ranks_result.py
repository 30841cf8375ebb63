"""What was found of several ranks: a table, a suggestion with its reason, and the models."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from dnmf import checkpoint
from dnmf.constraints import Constraints
from dnmf.ensembles.consensus_of_ranks import asked_of, consensus_of, data_of, ended_in
from dnmf.ensembles.consensus_options import checked_best, checked_density
from dnmf.ensembles.consensus_result import Consensus
from dnmf.ensembles.ranks_options import ALL, Cell, RanksOptions
from dnmf.ensembles.ranks_rows import COLUMNS, RankRow
from dnmf.errors import InputError
from dnmf.fitting.events import Callback
from dnmf.model import Model
from dnmf.options import CP, parse_bytes
from dnmf.record import RANKS
from dnmf.resources import Resources, checked_callbacks
from dnmf.studies.ended import Ended
from dnmf.studies.models import StoredModels

HEADINGS = ("rank", "held-out error", "±", "found again", "stability", "error", "passes", "CPU s")


@dataclass(frozen=True)
class Ranks:
    """Models of the same data at several ranks: what :func:`dnmf.ranks` returns.

    Attributes
    ----------
    rows : tuple of RankRow
        What was found of each rank, rising.
    suggested : int or None
        The rank to take; None where none is clearly the one.
    reason : str
        Why, in words.
    models : mapping of (rank, seed, 0) to Model
        The best of each rank; in a store each is loaded when it is asked for, its W only when that is read.
    options : RanksOptions
        What was asked for.
    reads : float
        Of the data for all models together, in multiples of its size, starts included.
    passes : int
        How many passes the models shared.
    path : pathlib.Path or None
        The store they live in.
    ended : mapping or None
        What all models came to, where that is in no store.
    """

    rows: tuple[RankRow, ...]
    suggested: int | None
    reason: str
    models: Mapping[Cell, Model]
    options: RanksOptions
    reads: float
    passes: int
    path: Path | None = None
    ended: Mapping[Cell, Ended] | None = field(default=None, repr=False, compare=False)

    def __repr__(self) -> str:
        found = "no clear rank" if self.suggested is None else f"suggested {self.suggested}"
        return f"<dnmf.Ranks {_listed(self.ranks)}: {found}, {self.reads:.1f} reads>"

    def __str__(self) -> str:
        lines = [HEADINGS, *map(_cells, self.rows)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        table = ["  ".join(text.rjust(width) for text, width in zip(line, widths, strict=True)) for line in lines]
        return "\n".join([*table, self.verdict])

    @property
    def verdict(self) -> str:
        """The suggestion and its reason in a sentence."""
        return self.reason if self.suggested is None else f"rank {self.suggested}: {self.reason}"

    @property
    def ranks(self) -> tuple[int, ...]:
        """Those that were tried, rising."""
        return self.options.ranks

    @property
    def table(self) -> dict[str, list[Any]]:
        """The rows as columns by name: ``pandas.DataFrame(found.table)`` is a frame."""
        return {name: [getattr(row, name) for row in self.rows] for name in COLUMNS}

    def model(self, rank: int | None = None) -> Model:
        """Return the best model of a rank, by default of the one that is suggested.

        Raises
        ------
        InputError
            The rank was not tried, or none is given and none is suggested.
        """
        if rank is None and self.suggested is None:
            raise InputError(f"no rank is suggested ({self.reason}); say which: {_listed(self.ranks)}")
        rank = self.suggested if rank is None else rank
        for cell in self.models:
            if isinstance(rank, (int, np.integer)) and cell.rank == rank:
                return self.models[cell]
        raise InputError(f"rank {rank!r} was not tried, only {_listed(self.ranks)}")

    def consensus(  # noqa: PLR0913  a door that names what can be said
        self, rank: int | None = None, source: Any = None, *, best: float = 0.5, density: float = 0.5,
        constraints: Constraints | None = None, client: Any = None, memory_limit: str | int | None = None,
        keep: str = "auto", callbacks: Sequence[Callback] = (),
    ) -> Consensus:  # fmt: skip
        """Return what the models of a rank agree on, in two reads: they are here already, none is fitted again.

        Parameters
        ----------
        rank : int, optional
            By default the one that is suggested.
        source : optional
            The data, where it is not found under the path it was read from.
        best, density
            As in :func:`dnmf.consensus`.
        constraints : Constraints, optional
            The same as for the models, where they had some.
        client, memory_limit, keep, callbacks
            As in :func:`dnmf.fit`.

        Raises
        ------
        InputError
            The rank was not tried, the data is not given where it must be or is another one, or too few components are
            alike.

        Examples
        --------
        >>> import numpy as np, dnmf
        >>> rng = np.random.default_rng(0)
        >>> A = rng.random((300, 4)) ** 4 @ rng.random((4, 60)) ** 4 * rng.gamma(20, 1 / 20, (300, 60))
        >>> dnmf.ranks(A, range(3, 6), seeds=6, folds=0).consensus(4, A).share_kept
        1.0
        """
        options = self.model(rank).options
        if options.structure == CP:
            raise InputError("consensus: medians of products are no products; models of CP have none yet")
        asked = asked_of(self.options, options.rank, checked_density(density), checked_best(best))
        ended = ended_in(self.path, self.options) if self.ended is None and self.path is not None else self.ended
        assert ended is not None, "it is kept where there is no store"
        of_rank = {cell: ended[cell] for cell in self.options.of_all(options.rank)}
        resources = Resources(client, parse_bytes(memory_limit), keep, checked_callbacks(callbacks))
        of_fit = self.model(rank)
        data = data_of(self.path, source, of_fit.unfolding)
        return consensus_of(asked, of_rank, data, resources, constraints, of_fit=of_fit)

    def plot(self, **how: Any) -> Any:
        """Draw held-out error and stability along the rank; see :func:`dnmf.plots.ranks`."""
        from dnmf import plots

        return plots.ranks(self, **how)

    def record(self) -> dict[str, Any]:
        """What is said of it on disk, as JSON values."""
        return {
            "kind": RANKS, "status": "done", RANKS: self.options.to_json(), "reads": self.reads, "passes": self.passes,
            "rows": [row.to_json() for row in self.rows], "suggested": self.suggested, "reason": self.reason,
        }  # fmt: skip

    def arrays(self) -> dict[str, np.ndarray]:
        """Nothing is kept beside that and the models but what they came to, which is there already."""
        return {}

    @classmethod
    def restore(cls, generation: checkpoint.Generation, folder: Path) -> "Ranks":
        """What the finished generation of the store at `folder` describes."""
        record = generation.record
        options = RanksOptions.from_json(record[RANKS])
        rows = tuple(RankRow.from_json(row) for row in record["rows"])
        written = [Cell(row.rank, row.seed, ALL) for row in rows]
        models = StoredModels(folder, written, finished=RANKS)
        return cls(rows, record["suggested"], record["reason"], models, options, record["reads"], record["passes"],
                   folder)  # fmt: skip


def _listed(ranks: tuple[int, ...]) -> str:
    whole = len(ranks) > 2 and ranks == tuple(range(ranks[0], ranks[-1] + 1))
    return f"{ranks[0]} to {ranks[-1]}" if whole else ", ".join(map(str, ranks))


def _cells(row: RankRow) -> tuple[str, ...]:
    found = "" if row.found < 0 else str(row.found)
    return (
        str(row.rank), _number(row.held_out, 4), _number(row.held_out_se, 4), found, _number(row.stability, 2),
        _number(row.error, 4), str(row.passes), _number(row.cpu_s, 1),
    )  # fmt: skip


def _number(value: float, digits: int) -> str:
    return "" if np.isnan(value) else f"{value:.{digits}f}"
