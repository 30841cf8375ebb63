"""The tasks of a graph, made one by one: each a call of a function on values and on what other tasks return.

Delayed calls would say the same. But each looks through all of its arguments for others of its kind, which took three
quarters of the time until the first of thousands of visits began.
"""

import uuid
from collections.abc import Callable
from typing import Any

from dask import highlevelgraph
from dask._task_spec import DataNode, List, Task, TaskRef, convert_legacy_graph

Ref = TaskRef


class Tasks:
    """A graph that grows.

    Parameters
    ----------
    of : str
        What the mark begins with: whoever makes several graphs knows the tasks of all of them.

    Attributes
    ----------
    mark : str
        What the names of its tasks end with.
    """

    def __init__(self, of: str = "") -> None:
        self.mark = f"{of}{uuid.uuid4().hex[len(of) :]}"
        self._tasks: dict[Any, Any] = {}
        self._of_arrays: dict[int, dict[Any, Any]] = {}

    def graph(self) -> highlevelgraph.HighLevelGraph:
        """Return what there is so far, under a name of its own: a graph without one is named by all that is in it."""
        name = f"dnmf-{self.mark}"
        return highlevelgraph.HighLevelGraph({name: self._tasks}, {name: set()})

    def call(self, key: str, function: Callable[..., Any], *arguments: Any, reads: bool = False, **named: Any) -> Ref:
        """Add ``function(*arguments, **named)`` under a key, and return what other tasks may have as an argument.

        A task that `reads` data is spread over the workers, also where there are few of them. Else dask would send all
        of them to the worker that happens to have what they share.
        """
        self._tasks[key] = Task(key, function, *arguments, _data_producer=reads, **named)
        return TaskRef(key)

    def value(self, key: str, value: Any) -> Ref:
        """Add a value under a key: it travels to each worker once, however many tasks have it as an argument."""
        self._tasks[key] = DataNode(key, value)
        return TaskRef(key)

    def blocks(self, blocks: Any) -> Any:
        """Add the tasks that blocks of dask arrays take, and return these as an argument: lists as they were given."""
        return List(*map(self.blocks, blocks)) if isinstance(blocks, list) else self._block(blocks)

    def _block(self, block: Any) -> Ref:
        """Add what a delayed block takes, and nothing else of its array."""
        whole = self._of_arrays.get(id(block.dask))
        if whole is None:
            whole = self._of_arrays[id(block.dask)] = convert_legacy_graph(dict(block.dask))
        needed = [block.key]
        while needed:
            key = needed.pop()
            if key in whole and key not in self._tasks:
                self._tasks[key] = whole[key]
                needed.extend(whole[key].dependencies)
        return TaskRef(block.key)


def listed(*results: Any) -> list[Any]:
    """Return what tasks returned as a list: a task itself."""
    return list(results)
