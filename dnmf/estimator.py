"""The factorization behind scikit-learn's contract: parameters, validation, containers in and out."""

from numbers import Integral
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_array, check_random_state
from sklearn.utils._set_output import _get_output_config  # joins the estimator's setting with the global one
from sklearn.utils.validation import check_is_fitted

from dnmf.api import fitted
from dnmf.arithmetic import at_least_zero, undisturbed
from dnmf.arrays import offers, refuse_no_array
from dnmf.callers import warn_caller
from dnmf.errors import InputError
from dnmf.estimator_blocks import checked_blocks, in_chunks_of, missing_of_blocks, transform_blocks
from dnmf.estimator_components import components_of, in_order_of_start, model_of, with_components
from dnmf.estimator_input import (
    FLOATS,
    check_factor,
    check_start,
    checked_by_sklearn,
    choose_rank,
    look_at_rank,
    opened,
    print_pass,
    shape_of,
    with_no_mask,
)
from dnmf.estimator_parameters import INITS, check_parameters, loss_of, solver_of
from dnmf.model import Model
from dnmf.options import FitOptions, parse_bytes
from dnmf.penalty import Penalty
from dnmf.resources import Resources
from dnmf.sources import Source


class NMF(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Non-negative matrix factorization ``X ≈ W H`` with scikit-learn's interface, for data of any size.

    Minimizes ``L(X, WH) + alpha_W n_features (l1_ratio ΣW + ½ (1 − l1_ratio) ‖W‖²)
    + alpha_H n_samples (l1_ratio ΣH + ½ (1 − l1_ratio) ‖H‖²)`` over ``W, H ≥ 0``: scikit-learn's objective, with
    the loss L that `beta_loss` names, ``½‖X − WH‖²_F`` by default. Each iteration reads the data once.

    Arrays, sparse matrices and DataFrames are factorized in this process and give numpy arrays. Dask arrays
    (numpy, scipy or ``sparse`` chunks), paths, Zarr and HDF5 are read chunk by chunk and give dask arrays.

    Parameters
    ----------
    n_components : int, "auto" or None
        Components. ``"auto"``: those of a custom W or H, else, as for None, n_features.
    init : {None, "sample", "surrogate", "random", "nndsvd", "nndsvda", "nndsvdar", "custom"}
        Where the fit starts: from a factorization of a sample of rows or of a surrogate of all rows (None chooses,
        as ``init="auto"`` of :func:`dnmf.fit` does), from scikit-learn's random H, from singular vectors, or from the W
        or H given to :meth:`fit_transform`.
    solver : {"cd", "mu", "bpp", "hals", "pg", "opl", "ipg", "admm", "als"}
        How H is found from the sums of a pass, as in :func:`dnmf.fit`; rows of W are exact with any. ``"cd"`` is exact
        for H too, or a step of Newton's method for losses other than least squares. ``"mu"`` multiplies, which takes
        more passes; where scikit-learn has it for a loss that has no such updates here, Itakura–Saito or one of yours,
        it is the same as ``"cd"``.
    beta_loss : {"frobenius", "kullback-leibler", "itakura-saito"}, 2, 1 or 0
        The loss, by its name or by its number; the name of one that was made known to
        :func:`dnmf.losses.register` too. ``"itakura-saito"`` needs dense data that is nowhere zero.
    tol : float
        Stop when an iteration lowers the objective by no more than this share of it, and turns no component by more.
    max_iter : int
        Most passes over the data.
    random_state : int, RandomState or None
        Decides everything that is drawn at random.
    alpha_W : float
        Strength of the penalty on W, multiplied by n_features.
    alpha_H : float or "same"
        Strength of the penalty on H, multiplied by n_samples.
    l1_ratio : float
        Share of the L1 norm in the penalties, 0 to 1.
    verbose : int
        Above 0, a line is printed for every pass.
    shuffle : bool
        Accepted, without effect: the least squares problems are solved exactly, in whatever order.
    missing : {"refuse", "nan", "unstored"}
        Which entries were not observed, in fits and in what is transformed: none; of dense data those that are NaN or
        masked; of sparse data those that are not stored. For masks and weights give a :func:`dnmf.open_source`.
    dtype : {None, "float32", "float64"}
        Of the computation and of the results; None: float32 for float32 data, else float64.
    client : str, optional
        Address of a dask scheduler; by default the current client, if there is one and the data does not lie
        in this process, else threads here. (A client object could be neither cloned nor pickled.)
    memory_limit : str or int, optional
        Of one worker, for example ``"2GB"``.
    store : str or path, optional
        A new directory, such as ``NAME.dnmf``, for checkpoints and W, see :func:`dnmf.fit`; one for each fit.

    Attributes
    ----------
    components_ : ndarray (n_components, n_features)
        H. Without penalties each component's norm is shared evenly with W.
    n_components_ : int
        How many components there are.
    reconstruction_err_ : float
        ``√(2 L(X, WH))``, without the penalties: ``‖X − WH‖_F`` for least squares.
    n_iter_ : int
        Passes over the data.
    n_features_in_ : int
        Columns of the data.
    feature_names_in_ : ndarray of str
        Their names; only where the data has them.
    model_ : Model
        The result as :func:`dnmf.fit` returns it, W included.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.outer([1.0, 2, 3], [1.0, 0, 1])
    >>> nmf = NMF(n_components=1).fit(X)
    >>> nmf.inverse_transform(nmf.transform(X)).round(3).tolist()
    [[1.0, 0.0, 1.0], [2.0, 0.0, 2.0], [3.0, 0.0, 3.0]]
    """

    def __init__(self, n_components: Any = "auto", *, init: Any = None, solver: str = "cd",  # noqa: PLR0913
                 beta_loss: Any = "frobenius", tol: float = 1e-4, max_iter: int = 200,
                 random_state: Any = None, alpha_W: float = 0.0, alpha_H: Any = "same", l1_ratio: float = 0.0,
                 verbose: int = 0, shuffle: bool = False, missing: str = "refuse", dtype: str | None = None,
                 client: str | None = None, memory_limit: str | int | None = None, store: Any = None):  # fmt: skip
        self.n_components = n_components
        self.init = init
        self.solver = solver
        self.beta_loss = beta_loss
        self.tol = tol
        self.max_iter = max_iter
        self.random_state = random_state
        self.alpha_W = alpha_W
        self.alpha_H = alpha_H
        self.l1_ratio = l1_ratio
        self.verbose = verbose
        self.shuffle = shuffle
        self.missing = missing
        self.dtype = dtype
        self.client = client
        self.memory_limit = memory_limit
        self.store = store

    @undisturbed
    def fit(self, X: Any, y: Any = None, W: Any = None, H: Any = None) -> "NMF":
        """Find the components of `X` and return the estimator; see :meth:`fit_transform`."""
        del y
        self._fit(self._begin(X), W, H)
        return self

    @undisturbed
    def fit_transform(self, X: Any, y: Any = None, W: Any = None, H: Any = None) -> Any:
        """Return W (n_samples, n_components) of the factorization of `X`.

        Parameters
        ----------
        X : array, sparse matrix, DataFrame, dask array, path, Zarr or HDF5 array (n_samples, n_features)
            Finite and not negative; whatever :func:`dnmf.open_source` takes.
        y : ignored
            There for the sake of pipelines.
        W : array (n_samples, n_components), optional
            A start, with ``init="custom"``.
        H : array (n_components, n_features), optional
            A start, with ``init="custom"``. It alone decides when both are given: W is a function of H. Components
            stay in its order; else they come by falling weight.

        Returns
        -------
        ndarray or dask array
            A dask array, with the row chunks of `X`, where the data does not lie in this process.

        Raises
        ------
        InputError
            The data or a parameter cannot be used. (Data in memory: scikit-learn's ValueError or TypeError.)
        """
        del y
        source = self._begin(X)
        self._refuse_frames(source)
        self._fit(source, W, H)
        scale = components_of(self.model_)[1]
        if source.in_memory:
            return _scaled(self.model_.read_W(), scale)
        W = _scaled(self.model_.W, scale)
        return in_chunks_of(source, W) if source.blocks_are_tasks else W

    @undisturbed
    def transform(self, X: Any) -> Any:
        """Return W (n_samples, n_components) of other rows for `components_` as they are; lazily for a dask array.

        Each row is ``argmin_{w ≥ 0} L(x, w H)`` plus the penalty on W; it depends on no other row, and the
        rows of the fit give their W again. What was said of the entries of the fit's data holds for them, as in
        :meth:`dnmf.Model.transform`; where there are a mask or weights, nothing is lazy. Blocks of which nothing was
        observed are zero; other data of which nothing was is refused.

        Parameters
        ----------
        X : as in :meth:`fit_transform`
            With the columns of the fit.

        Returns
        -------
        ndarray or dask array
            A dask array, with the row chunks of `X`, where the data does not lie in this process.

        Raises
        ------
        InputError
            The data cannot be used, or its columns are not those of the fit.
        """
        check_is_fitted(self, "components_")
        source = opened(self, X, reset=False)
        self._refuse_frames(source)
        model, scale = self._model_for(source)
        if source.blocks_are_tasks and (missing := missing_of_blocks(model, source)) is not None:
            return transform_blocks(model, source, scale, missing)
        transform = model.solve if source.in_memory else model.transform
        W = _scaled(transform(source, client=self.client, memory_limit=self.memory_limit), scale)
        return in_chunks_of(source, W) if source.blocks_are_tasks else W

    @undisturbed
    def inverse_transform(self, X: Any) -> Any:
        """Return ``W H`` (n_samples, n_features) for a W (n_samples, n_components) given as `X`.

        Raises
        ------
        InputError
            `X` has another number of columns than there are components, or a block of a dask array cannot be used.
        """
        check_is_fitted(self, "components_")
        is_dask = offers(X, "dask", "shape")
        if not is_dask:
            refuse_no_array("X", X)
            with checked_by_sklearn("X", X):
                X = check_array(with_no_mask(X), accept_sparse=("csr", "csc"), dtype=FLOATS)
        rank = len(self.components_)
        if X.ndim != 2 or X.shape[1] != rank:
            found = f"{X.shape[1]} columns" if X.ndim == 2 else f"shape {X.shape}, no columns"
            raise InputError(f"X has {found}, expected one for each of {rank} components")
        return (checked_blocks(X) if is_dask else X) @ self.components_

    def __getstate__(self) -> dict[str, Any]:
        """What is pickled: no W of the training rows, as in scikit-learn; one in a store is found there again."""
        state = dict(super().__getstate__())
        if "model_" in state:
            state["model_"] = state["model_"].without_W()
        return state

    def _begin(self, X: Any) -> Source:
        check_parameters(self.get_params(deep=False))
        return opened(self, X, reset=True)

    def _refuse_frames(self, source: Source) -> None:
        wanted = _get_output_config("transform", self)["dense"]
        if wanted != "default" and not source.in_memory:
            raise InputError(
                f"{source.address}: a {wanted} DataFrame would compute all of the result into this process; "
                "use set_output(transform='default') and convert what you need"
            )

    def _fit(self, source: Source, W: Any, H: Any) -> None:
        W, H = check_start(self.init, W, H, source, self.n_components)
        rank = choose_rank(self.n_components, source, W, H)
        options = self._options(source, rank, INITS.get(self.init, self.init))
        look_at_rank(options, source)
        resources = Resources(
            self.client, parse_bytes(self.memory_limit), callbacks=(print_pass,) if self.verbose else ()
        )
        model = fitted(source, options, resources, W=W, H=H, store=self.store)
        self._keep(in_order_of_start(model) if options.init == "given" else model)
        if model.stop_reason == "max_passes" and self.tol > 0:
            warn_caller(
                f"Maximum number of iterations {self.max_iter} reached. Increase it to improve convergence.",
                ConvergenceWarning,
            )

    def _seed(self) -> int:
        if isinstance(self.random_state, Integral):
            return int(self.random_state)
        return int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))

    def _keep(self, model: Model) -> None:
        self.model_ = model
        self.components_ = components_of(model)[0]
        self.n_components_ = len(self.components_)
        self.n_iter_ = len(model.history)
        self.reconstruction_err_ = float(np.sqrt(2 * at_least_zero(model.history[-1].loss)))

    def _model_for(self, source: Source) -> tuple[Model, np.ndarray]:
        """Return the model that rows are solved with, and the scale of its W; `components_` may have been set."""
        if not hasattr(self, "model_"):
            check_parameters(self.get_params(deep=False))
            components = check_factor("components_", self.components_)
            model = model_of(components, self._options(source, len(components)), self.missing)
            return model, np.ones(len(components))
        own, scale = components_of(self.model_)
        if np.array_equal(self.components_, own):
            return self.model_, scale
        components = check_factor("components_", self.components_)
        return with_components(self.model_, components), np.ones(len(components))

    def _options(self, source: Source, rank: int, init: str = "given") -> FitOptions:
        loss = loss_of(self.beta_loss)
        return FitOptions(
            rank, init, solver_of(self.solver, loss), loss,
            penalty=Penalty.from_sklearn(self.alpha_W, self.alpha_H, self.l1_ratio, shape=shape_of(source)),
            dtype=self.dtype or ("float32" if source.dtype == np.float32 else "float64"),
            seed=self._seed(), tol=float(self.tol), max_passes=int(self.max_iter),
        )  # fmt: skip

    @property
    def _n_features_out(self) -> int:
        return len(self.components_)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = True
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = self.missing == "nan"
        tags.transformer_tags.preserves_dtype = [self.dtype] if self.dtype else ["float64", "float32"]
        return tags


def _scaled(W: Any, scale: np.ndarray) -> Any:
    return W * scale.astype(W.dtype)
