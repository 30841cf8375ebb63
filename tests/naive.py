"""Slow, obvious oracles in float64: what the fast code must equal."""

from itertools import combinations, permutations

import numpy as np
import scipy.linalg
import scipy.optimize


def dense(data, indices, indptr, n_columns):
    """The rows of a CSR block as a dense matrix; a column that repeats in a row adds up."""
    A = np.zeros((len(indptr) - 1, n_columns))
    for row in range(len(indptr) - 1):
        for place in range(indptr[row], indptr[row + 1]):
            A[row, indices[place]] += float(data[place])
    return A


def gram(X):
    """``Xᵀ X``."""
    X = np.asarray(X, np.float64)
    return X.T @ X


def cross(A, H):
    """``A Hᵀ``."""
    return np.asarray(A, np.float64) @ np.asarray(H, np.float64).T


def loss(A, W, H):
    """``½‖A − W H‖²``, from the residual itself."""
    residual = np.asarray(A, np.float64) - np.asarray(W, np.float64) @ np.asarray(H, np.float64)
    return 0.5 * np.sum(residual**2)


def quadratic(Q, B, X):
    """``½ xᵀQx − bᵀx`` of every row."""
    Q, B, X = (np.asarray(array, np.float64) for array in (Q, B, X))
    return np.array([0.5 * x @ Q @ x - b @ x for b, x in zip(B, X, strict=True)])


def nnls(Q, B):
    """The minimizers over x ≥ 0 of ``½ xᵀQx − bᵀx = ½‖Lᵀx − L⁻¹b‖² + const``, Q = LLᵀ positive definite."""
    L = np.linalg.cholesky(np.asarray(Q, np.float64))
    B = np.asarray(B, np.float64)
    rows = [scipy.optimize.nnls(L.T, scipy.linalg.solve_triangular(L, b, lower=True))[0] for b in B]
    return np.array(rows).reshape(B.shape)


def nnls_by_supports(Q, B):
    """The same for any positive semidefinite Q: the best of all supports (2^k), each solved on its own."""
    Q, B = np.asarray(Q, np.float64), np.asarray(B, np.float64)
    k = len(Q)
    supports = [list(support) for size in range(k + 1) for support in combinations(range(k), size)]
    best = np.zeros(B.shape)
    for support in supports:
        X = np.zeros(B.shape)
        X[:, support] = B[:, support] @ np.linalg.pinv(Q[np.ix_(support, support)])
        better = (X >= 0).all(axis=1) & (quadratic(Q, B, X) < quadratic(Q, B, best))
        best[better] = X[better]
    return best


def kkt_violation(Q, B, X):
    """How far every row is from x ≥ 0, Qx − b ≥ 0, x(Qx − b) = 0, relative to max|b|.

    Per coordinate it is ``|min(Q_jj x_j, (Qx − b)_j)|``: what an exact step along it would move, times Q_jj.
    """
    Q, B, X = (np.asarray(array, np.float64) for array in (Q, B, X))
    gaps = np.abs(np.minimum(X * np.diag(Q), X @ Q - B))
    return gaps.max(axis=1, initial=0.0) / np.maximum(np.abs(B).max(axis=1, initial=0.0), 1e-300)


def cosine(x, y):
    """``⟨x, y⟩ / (‖x‖ ‖y‖)``, 0 where one of them is zero."""
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    size = np.sqrt(x @ x) * np.sqrt(y @ y)
    return x @ y / size if size > 0 else 0.0


def cosines(X, Y):
    """The cosine of each column of X with each of Y."""
    return np.array([[cosine(x, y) for y in np.asarray(Y).T] for x in np.asarray(X).T])


def best_matching(similarity):
    """The largest sum of a one-to-one matching of rows to columns, all of the shorter side matched: all are tried."""
    S = np.asarray(similarity)
    S = S if S.shape[0] <= S.shape[1] else S.T
    return max(S[np.arange(len(S)), list(columns)].sum() for columns in permutations(range(S.shape[1]), len(S)))


def squared_distances(A, C):
    """``‖a − c‖²`` of each row of A to each of C, from the differences themselves."""
    A, C = np.asarray(A, np.float64), np.asarray(C, np.float64)
    return ((A[:, None, :] - C[None, :, :]) ** 2).sum(axis=2)


def lloyd(A, C, iterations):
    """The centres after so many iterations of k-means; one without rows stays."""
    C = np.array(C, np.float64)
    for _ in range(iterations):
        nearest = squared_distances(A, C).argmin(axis=1)
        C = np.array([A[nearest == q].mean(axis=0) if (nearest == q).any() else C[q] for q in range(len(C))])
    return C


def bounded_least_squares(Q, B, upper):
    """``argmin_{0 ≤ x ≤ upper} ½ xᵀQx − bᵀx`` of every row, by scipy's bounded least squares on the root of Q."""
    values, vectors = scipy.linalg.eigh(np.asarray(Q, np.float64))
    values = np.maximum(values, values.max() * 1e-13)
    root = np.sqrt(values)[:, None] * vectors.T
    targets = (np.asarray(B, np.float64) @ vectors) / np.sqrt(values)
    bounds = (np.zeros(len(Q)), np.asarray(upper, np.float64))
    return np.stack([scipy.optimize.lsq_linear(root, b, bounds, method="bvls", tol=1e-14).x for b in targets])
