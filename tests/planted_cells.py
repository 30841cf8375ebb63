"""Counts of cells that are mixtures of known programs: what they are is known exactly."""

import anndata
import numpy as np
import scipy.optimize
import scipy.sparse

KINDS = ("T", "B", "NK", "cycle", "stress")  # three that a cell is, two that it does
OWN, COMMON = 30, 150  # genes of each, and of all


def planted(cells=400, seed=0):
    """Return an AnnData of counts, the spectra of its programs (5, genes), and how much of each is in a cell."""
    rng = np.random.default_rng(seed)
    spectra = np.zeros((5, 5 * OWN + COMMON))
    shared = rng.gamma(2.0, size=COMMON)
    for q in range(5):
        own, part = rng.gamma(0.7, size=OWN), shared * rng.gamma(20, 1 / 20, COMMON)
        spectra[q, q * OWN : (q + 1) * OWN], spectra[q, 5 * OWN :] = 0.4 * own / own.sum(), 0.6 * part / part.sum()
    kind = rng.integers(3, size=cells)
    usages = np.eye(5)[kind]
    for q, share in ((3, 0.25), (4, 0.35)):
        active = rng.uniform(0.2, 0.6, cells) * (rng.random(cells) < share)
        usages *= 1 - active[:, None]
        usages[:, q] += active
    counts = rng.poisson(usages @ spectra * rng.lognormal(8, 0.3, cells)[:, None])
    adata = anndata.AnnData(scipy.sparse.csr_matrix(counts.astype(np.float32)))
    adata.var_names = [f"{kind}{at:02}" for kind in KINDS for at in range(OWN)] + [f"common{i}" for i in range(COMMON)]
    adata.obs_names = [f"cell{at}" for at in range(cells)]
    adata.obs["kind"] = np.array(KINDS)[kind]
    return adata, spectra, usages


def matched_cosines(found, truth):
    """Return the cosine of each row of `truth` with the row of `found` that it is matched to."""
    units = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (truth, found)]
    cosines = units[0] @ units[1].T
    return cosines[scipy.optimize.linear_sum_assignment(-cosines)]
