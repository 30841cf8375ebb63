"""The picture of docs/watching.md: ``python tests/example_watched.py docs/pictures/watched.png`` (needs a browser)."""

import asyncio
import os
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import zarr
from browser import open_page
from distributed import Client, LocalCluster

import dnmf
from dnmf.fitting.events import PassDone
from dnmf.watched.views import runs_of

ROWS, COLUMNS, STEP = 24_000, 600, 500
WIDTH, HEIGHT = 1280, 830
FITS = {
    "cells-k12.dnmf": {"rank": 12, "max_passes": 9, "keep": "stream"},
    "cells-k20.dnmf": {"rank": 20, "init": "random", "keep": "stream"},
    "cells-mu.dnmf": {"rank": 8, "init": "random", "solver": "mu", "seed": 3, "keep": "stream"},
}


def write_cells(path):
    """A planted matrix of some size."""
    rng = np.random.default_rng(0)
    array = zarr.create_array(path, shape=(ROWS, COLUMNS), chunks=(STEP, COLUMNS), dtype="float32")
    H = rng.random((12, COLUMNS)) ** 6
    for start in range(0, ROWS, STEP):
        array[start : start + STEP] = rng.random((STEP, 12)) ** 4 @ H + 0.02 * rng.random((STEP, COLUMNS))


def fit(cluster, folder, name):
    """A fit that takes its time."""
    with Client(cluster, set_as_default=False) as client:
        slowly = [lambda event: time.sleep(0.5 * isinstance(event, PassDone))]
        dnmf.fit(folder / "cells.zarr", client=client, tol=0, store=folder / name, callbacks=slowly, **FITS[name])


async def take_picture(cluster, out):
    """What a browser shows while the fits go on."""
    async with open_page(f"http://127.0.0.1:{cluster.scheduler.http_server.port}/nmf", WIDTH, HEIGHT) as page:
        await page.until("typeof Bokeh != 'undefined' && Bokeh.documents.length && Bokeh.documents[0].is_idle")
        await page.until("Bokeh.documents[0].get_model_by_name('runs').text.split('class=\"bar\"').length > 2")
        await asyncio.sleep(1)
        await page.picture(out)


def wait_for(cluster, passes):
    """Return when every fit has made so many passes."""
    while min((len(run.passes) for run in runs_of(cluster.scheduler)), default=0) < passes:
        time.sleep(0.2)


def main(out):
    """Fit, lose a worker, and take the picture."""
    with tempfile.TemporaryDirectory() as folder:
        write_cells(Path(folder) / "cells.zarr")
        options = {"threads_per_worker": 1, "memory_limit": "1GiB", "dashboard_address": "127.0.0.1:0"}
        with LocalCluster(n_workers=3, **options) as cluster:
            for number, name in enumerate(FITS):
                threading.Thread(target=fit, args=(cluster, Path(folder), name), daemon=True).start()
                while len(list(runs_of(cluster.scheduler))) == number:
                    time.sleep(0.1)
            wait_for(cluster, 3)
            os.kill(cluster.workers[1].pid, signal.SIGKILL)
            wait_for(cluster, 7)
            asyncio.run(take_picture(cluster, out))
            os._exit(0)  # the fits need not end


if __name__ == "__main__":
    main(sys.argv[1])
