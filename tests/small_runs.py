"""Small runs and paths, and what is compared of them."""

from pathlib import Path

import numpy as np

import dnmf

A = np.random.default_rng(0).random((60, 8), dtype=np.float32)
FIT = {"rank": 2, "init": "random", "tol": 0.0, "max_passes": 3}
PATH = {"rank": 2, "penalty": dnmf.Penalty(l1=1.0), "measures": "cheap", "max_passes": 2, "init": "random"}


def fit(store, source=A, **options):
    return dnmf.fit(source, **{**FIT, **options}, store=store)


def along(store, strengths=(0, 0.1), source=A, **options):
    return dnmf.path(source, **{**PATH, **options}, strengths=strengths, store=store)


def files(folder):
    kept = (path for path in Path(folder).rglob("*") if path.is_file() and path.name != "LOCK")
    return {path.relative_to(folder): path.read_bytes() for path in kept}


def a_file(place):
    place.write_text("precious")
    return place
