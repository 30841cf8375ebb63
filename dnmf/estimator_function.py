"""scikit-learn's function of the same name: both factors of a matrix, or W alone for an H that stays as it is."""

from typing import Any

import numpy as np

from dnmf.arithmetic import undisturbed
from dnmf.callers import warn_caller
from dnmf.errors import InputError
from dnmf.estimator import NMF
from dnmf.estimator_input import check_factor


@undisturbed
def non_negative_factorization(X: Any, W: Any = None, H: Any = None, n_components: Any = "auto", *,  # noqa: PLR0913
                               init: Any = None, update_H: bool = True, solver: str = "cd",
                               beta_loss: Any = "frobenius", tol: float = 1e-4, max_iter: int = 200,
                               alpha_W: float = 0.0, alpha_H: Any = "same", l1_ratio: float = 0.0,
                               random_state: Any = None, verbose: int = 0, shuffle: bool = False
                               ) -> tuple[Any, np.ndarray, int]:  # fmt: skip
    """Return ``(W, H, n_iter)`` of ``X ≈ W H``, as :class:`dnmf.NMF` finds them; one call for programs that want these.

    Parameters
    ----------
    X : array, sparse matrix, DataFrame, dask array, path, Zarr or HDF5 array (n_samples, n_features)
        As in :meth:`dnmf.NMF.fit_transform`.
    W : array (n_samples, n_components), optional
        A start, with ``init="custom"``.
    H : array (n_components, n_features), optional
        A start, with ``init="custom"``; with ``update_H=False`` the H that stays.
    update_H : bool
        False: W is solved for, row by row and exactly, as in :meth:`dnmf.NMF.transform`; one read.
    n_components, init, solver, beta_loss, tol, max_iter, alpha_W, alpha_H, l1_ratio, random_state, verbose, shuffle
        As in :class:`dnmf.NMF`, which has more of them.

    Returns
    -------
    W : ndarray or dask array (n_samples, n_components)
        A dask array where the data does not lie in this process.
    H : ndarray (n_components, n_features)
    n_iter : int
        Passes over the data.

    Raises
    ------
    InputError
        The data or a parameter cannot be used. (Data in memory: scikit-learn's ValueError or TypeError.)

    Examples
    --------
    >>> import numpy as np
    >>> W, H, n_iter = non_negative_factorization(np.outer([1.0, 2, 3], [1.0, 0, 1]), n_components=1)
    >>> (W @ H).round(3).tolist()
    [[1.0, 0.0, 1.0], [2.0, 0.0, 2.0], [3.0, 0.0, 3.0]]
    """
    nmf = NMF(
        n_components, init=init, solver=solver, beta_loss=beta_loss, tol=tol, max_iter=max_iter, alpha_W=alpha_W,
        alpha_H=alpha_H, l1_ratio=l1_ratio, random_state=random_state, verbose=verbose, shuffle=shuffle,
    ).set_output(transform="default")  # fmt: skip
    if update_H:
        return nmf.fit_transform(X, W=W, H=H), nmf.components_, nmf.n_iter_
    if W is not None:
        warn_caller("When update_H=False, the provided initial W is not used.", RuntimeWarning)
    if H is None:
        raise InputError("non_negative_factorization: update_H=False needs the H that stays; give one")
    nmf.components_ = check_factor("H", H, ("auto" if n_components is None else n_components, "auto"))
    return nmf.transform(X), nmf.components_, 1
