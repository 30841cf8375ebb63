"""What import, a first and a second fit take in this process, as a line of JSON: ``python -m benchmarks.first_fit``.

Nothing is imported before it is measured.
"""

import json
import os
import time
from collections.abc import Callable

from benchmarks.process import stay_on_one_processor


def taken(work: Callable[[], None]) -> dict[str, float]:
    """Return the CPU seconds (those of child processes included) and the wall seconds of `work`."""
    cpu, wall = sum(os.times()[:4]), time.perf_counter()
    work()
    return {"cpu_s": sum(os.times()[:4]) - cpu, "wall_s": time.perf_counter() - wall}


def load() -> None:
    """Import dnmf and what its `fit` is made of."""
    import dnmf

    assert dnmf.fit


def fit() -> None:
    """Factorize a tiny dense and a tiny sparse matrix, float32."""
    import numpy as np
    import scipy.sparse

    import dnmf

    matrix = np.random.default_rng(0).random((300, 40)).astype(np.float32)
    for same in (matrix, scipy.sparse.csr_array(matrix)):
        dnmf.fit(same, 3, max_passes=2)


if __name__ == "__main__":
    stay_on_one_processor()
    print(json.dumps({"import": taken(load), "first": taken(fit), "second": taken(fit)}))
