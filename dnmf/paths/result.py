"""A finished regularization path: its models, and what was measured of them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path as Folder
from typing import Any

import numpy as np

from dnmf import checkpoint
from dnmf.errors import InputError
from dnmf.model import Model
from dnmf.paths.grid import Cell, PathOptions
from dnmf.paths.rows import COLUMNS, PathRow
from dnmf.record import PATH
from dnmf.studies.models import StoredModels
from dnmf.studies.study import folder_of


@dataclass(frozen=True)
class Path:
    """Models of the same data along the strengths of a penalty: what :func:`dnmf.path` returns.

    Attributes
    ----------
    rows : tuple of PathRow
        What was measured of each model, by strength and then by seed; what :mod:`dnmf.plots` draws.
    models : mapping of (strength, seed) to Model
        Of a path in a store each is loaded when it is asked for, its W only when that is read.
    options : PathOptions
        What the path was asked for.
    reads : float
        Of the data for all models together, in multiples of its size, starts included; what the measures read is not.
    passes : int
        How many passes the models shared.
    path : pathlib.Path or None
        The store it lives in.
    """

    rows: tuple[PathRow, ...]
    models: Mapping[Cell, Model]
    options: PathOptions
    reads: float
    passes: int
    path: Folder | None = None

    def __repr__(self) -> str:
        return (
            f"<dnmf.Path rank {self.options.fit.rank}, {len(self.strengths)} strengths × {len(self.seeds)} seeds, "
            f"{self.reads:.1f} reads>"
        )

    @property
    def strengths(self) -> tuple[float, ...]:
        """Rising."""
        return self.options.strengths

    @property
    def seeds(self) -> tuple[int, ...]:
        """In the order they were given."""
        return self.options.seeds

    def model(self, strength: float, seed: int | None = None) -> Model:
        """Return the model of a strength and of a seed, by default the first one.

        Raises
        ------
        InputError
            The path has no such model.
        """
        plain = isinstance(strength, (float, int, np.floating, np.integer)) and -1e300 < strength < 1e300
        near = [known for known in self.strengths if plain and math.isclose(known, strength, rel_tol=1e-9)]
        seed = self.seeds[0] if seed is None else seed
        if not near or not isinstance(seed, (int, np.integer)) or seed not in self.seeds:
            known = f"strengths {', '.join(f'{s:g}' for s in self.strengths)}; seeds {', '.join(map(str, self.seeds))}"
            raise InputError(f"this path has no model of strength {strength!r} and seed {seed!r}, only {known}")
        return self.models[Cell(near[0], seed)]

    def of_seed(self, seed: int | None = None) -> dict[float, Model]:
        """Return the models of one seed, by default the first one, by strength: what a slider moves along."""
        return {strength: self.model(strength, seed) for strength in self.strengths}

    def table(self) -> dict[str, list[Any]]:
        """Return the rows as columns by name: ``pandas.DataFrame(path.table())`` is a frame."""
        return {name: [getattr(row, name) for row in self.rows] for name in COLUMNS}

    def save(self, path: str | Folder) -> "Path":
        """Write the path to a new store, W of each model included, and return it as it is there.

        Raises
        ------
        CheckpointError
            The place is taken or cannot be written; nothing of the path is left there.
        """
        with checkpoint.fresh_store(path, "path") as store:
            for cell, model in self.models.items():
                model.save(store.path / folder_of(cell))
            store.commit(max(1, self.passes), self.record(), {})
            return Path.restore(checkpoint.read_latest(store.path), store.path)

    def record(self) -> dict[str, Any]:
        """What a finished path says of itself, as JSON values."""
        return {
            "kind": PATH, "status": "done", "path": self.options.to_json(), "reads": self.reads, "passes": self.passes,
            "rows": [row.to_json() for row in self.rows],
        }  # fmt: skip

    def arrays(self) -> dict[str, np.ndarray]:
        """Nothing is kept beside that and the models."""
        return {}

    @classmethod
    def restore(cls, generation: checkpoint.Generation, folder: Folder) -> "Path":
        """The path that a finished generation of the store at `folder` describes."""
        record = generation.record
        options = PathOptions.from_json(record["path"])
        return cls(
            tuple(PathRow.from_json(row) for row in record["rows"]),
            StoredModels(folder, options.cells, finished=PATH), options, record["reads"], record["passes"], folder,
        )  # fmt: skip
