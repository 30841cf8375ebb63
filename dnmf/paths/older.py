"""Paths that earlier versions left unfinished, as they would be written now."""

from dataclasses import replace
from typing import Any

import numpy as np

from dnmf.checkpoint import Generation
from dnmf.paths.grid import Cell, PathOptions

OF_A_MODEL = ("H", "plain", "best")


def as_written_now(generation: Generation) -> Generation:
    """Return a generation of a path in the present form.

    Before, an array had an axis for the models instead of their rows below each other, and starts were told by their
    seeds.
    """
    stacked = {name: values for name, values in generation.arrays.items() if values.ndim == 3}
    if not stacked:
        return generation
    record = generation.record
    options, arrays = (
        PathOptions.from_json(record["path"]),
        {name: np.concatenate(list(stacked[name])) for name in stacked},
    )
    state = {**record["state"], **_by_model(record["state"], options)}
    return replace(generation, record={**record, "state": state}, arrays={**generation.arrays, **arrays})


def _by_model(state: dict[str, Any], options: PathOptions) -> dict[str, Any]:
    rank, chain = options.fit.rank, options.warm == "chain"
    done = [Cell(**entry) for entry in state["done"]]
    origins = {cell.seed: cell for cell in done if chain or cell.strength == options.strengths[0]}  # the last of each
    names = [(entry, [*OF_A_MODEL, "spare"] if entry["spare"] else OF_A_MODEL) for entry in state["wave"]]
    return {
        "wave": [{**entry, "rows": dict.fromkeys(own, rank)} for entry, own in names],
        "starts": [{**origins[seed]._asdict(), "rows": {"starts": rank}} for seed in state["starts"]],
    }
