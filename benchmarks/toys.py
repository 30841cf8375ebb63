"""Small problems whose answers are known."""

import numpy as np


def three_gaussians() -> tuple[np.ndarray, np.ndarray]:
    """Return an image (30 × 40) of three Gaussian bumps with noise, and a random start H (3 × 40).

    The example of Cohen & Leplat 2025; the reference path of golden/hrsi_l1l1_path.csv is of this image.
    """
    x, y = np.arange(30.0)[:, None], np.arange(40.0)[:, None]
    W = np.exp(-((x - [5, 15, 25]) ** 2) / np.square([3, 5, 10]))
    H = np.exp(-((y - [10, 20, 25]) ** 2) / np.square([5, 6, 5]))
    W[W < 0.1] = H[H < 0.1] = 0
    rng = np.random.default_rng(1246)
    A = W @ H.T + 0.2 * rng.random((30, 40))
    rng.random(W.shape)  # a start of W that is not needed here
    return A, 0.5 * rng.random(H.shape).T


def blocks(sizes: tuple[float, ...] = (9.0, 4.0, 1.0)) -> np.ndarray:
    """Return a matrix (10 r × 8 r) of r constant blocks on the diagonal, whose singular values are `sizes`."""
    A = np.zeros((10 * len(sizes), 8 * len(sizes)))
    for q, size in enumerate(sizes):
        A[10 * q : 10 * q + 10, 8 * q : 8 * q + 8] = size / np.sqrt(80)
    return A
