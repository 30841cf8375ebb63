"""The functions people call with an AnnData: nmf, ranks, annotate, project."""

import inspect
from typing import Any

import numpy as np

from dnmf.api import fit
from dnmf.arguments import shown
from dnmf.ensembles import consensus_doors
from dnmf.ensembles.ranks_doors import ranks as ranks_of
from dnmf.ensembles.ranks_result import Ranks
from dnmf.errors import InputError
from dnmf.model import Model
from dnmf.scanpy.taken import VARIABLE, opened, refuse_no_anndata, refuse_no_home, taken_genes
from dnmf.scanpy.written import Keys, model, places_of, write
from dnmf.sources import Source
from dnmf.sources.names import names_of, refuse_other_names
from dnmf.studies.seeds import checked_seeds

OF_ALL = ("missing", "mask", "weights", "row_weights", "column_weights")  # as large as all of the matrix


def nmf(
    adata: Any, n_comps: int, *, layer: str | None = None, mask_var: Any = VARIABLE, key_added: str | None = None,
    consensus: Any = False, copy: bool = False, **options: Any,
) -> Any:  # fmt: skip
    """Factorize the cells of an AnnData, write usages and spectra into it, and return the model.

    The matrix is X or a layer, of some genes, in memory, backed or lazy; no copy of it is made. Written are

    * ``obsm["X_nmf"]`` (cells, k): usages, ``W · diag(d)``, in the units of the data. As a spectrum sums to one, they
      say how much of the total of a cell over these genes is due to each component.
    * ``varm["NMF"]`` (genes, k): spectra, the rows of H; NaN for genes that were not taken.
    * ``uns["nmf"]``: ``params``, ``d``, ``relative_error``, ``reads``, ``stop_reason``; of a consensus also
      ``silhouette``, ``stability`` (k,) and ``share_kept``; and in ``model`` what :func:`model` makes one of.

    Components come by falling weight `d`.

    Parameters
    ----------
    adata : AnnData
        With cells as rows. A view of a backed one cannot be written to, and is refused.
    n_comps : int
        How many components, k.
    layer : str, optional
        Which layer is taken; by default X, which ``"X"`` means too unless a layer is called so. Components add up, as
        counts do and counts that were normalized; logarithms do not, and programs that mix in a cell are bent by them.
    mask_var : str or array of bool (genes,), optional
        Which genes: a column of ``var``, or true or false for each. By default ``"highly_variable"`` where `var` has
        such a column, and all genes where it has none; None takes all.
    key_added : str, optional
        The key in ``obsm``, ``varm`` and ``uns``, in place of those above.
    consensus : bool, int, sequence of int or Ranks
        Whether the model is what those of several seeds agree on (:func:`dnmf.consensus`): True for 20 seeds, or how
        many, or which; or what :func:`ranks` found of the same layer and genes, whose models are not fitted again.
    copy : bool
        Whether a copy of `adata` is written to, and returned in place of the model.
    **options
        Of :func:`dnmf.fit`, :func:`dnmf.consensus` or :meth:`dnmf.Ranks.consensus`: `loss`, `tol`, `seed`, `penalty`,
        `store`, `memory_limit`, `client`, … A `mask` and weights are as large as all of `adata`.

    Raises
    ------
    InputError
        There is no such layer or column, a mask is not true or false for each gene, or as the fit says.

    Examples
    --------
    >>> import anndata, numpy as np, dnmf
    >>> rng = np.random.default_rng(0)
    >>> adata = anndata.AnnData(rng.random((80, 3)) @ rng.random((3, 20)))
    >>> model = dnmf.scanpy.nmf(adata, 3)
    >>> adata.obsm["X_nmf"].shape, adata.varm["NMF"].shape
    ((80, 3), (20, 3))
    """
    refuse_no_home(adata, copy=copy)
    if n_comps is None:
        raise InputError(
            "n_comps=None: no rank is suggested where the reason of the ranks says so (print them); say how many"
        )
    keys, seeds = Keys.of(key_added), _seeds(consensus)
    source, genes = _taken(adata, layer, mask_var, options)
    if consensus is False:
        found = fit(source, n_comps, **options)
    elif isinstance(consensus, Ranks):
        _refuse_what_is_known(options)
        found = consensus.consensus(n_comps, source, **options)
    else:
        found = consensus_doors.consensus(source, n_comps, **seeds, **options)
    said = {"layer": layer, "mask_var": mask_var if isinstance(mask_var, str) and genes is not None else None}
    target = adata.copy() if copy else adata
    places = np.arange(adata.n_vars) if genes is None else np.flatnonzero(genes)
    write(target, found, places, keys, {name: value for name, value in said.items() if value is not None})
    return target if copy else found


def _refuse_what_is_known(options: dict[str, Any]) -> None:
    """Refuse options of a fit beside ranks, whose models are fitted already.

    Raises
    ------
    InputError
        There are some.
    """
    taken = set(inspect.signature(Ranks.consensus).parameters) - {"self", "rank", "source"}
    if others := sorted(set(options) - taken):
        raise InputError(
            f"{', '.join(others)}: the models of these ranks are fitted already; beside consensus=found there are "
            f"{', '.join(sorted(taken))}"
        )


def ranks(adata: Any, ranks: Any, *, layer: str | None = None, mask_var: Any = VARIABLE, **options: Any) -> Ranks:
    """Return models of several numbers of components, and which to take: :func:`dnmf.ranks` of a layer and some genes.

    Nothing is written into `adata`; :func:`annotate` writes ``found.model()``.

    Parameters
    ----------
    adata, layer, mask_var
        As in :func:`nmf`.
    ranks : sequence of int
        Which to try, such as ``range(4, 13)``.
    **options
        Of :func:`dnmf.ranks`: `seeds`, `folds`, `loss`, `store`, …

    Raises
    ------
    InputError
        As :func:`nmf` and :func:`dnmf.ranks` say.
    """
    refuse_no_anndata(adata)
    source, _ = _taken(adata, layer, mask_var, options)
    return ranks_of(source, ranks, **options)


def annotate(adata: Any, model: Model, *, key_added: str | None = None) -> None:
    """Write a model of the cells of an AnnData into it, as :func:`nmf` does, whatever made it.

    Genes are found by name; those that the model has none of are NaN in ``varm``. Of a view that divides genes
    (`column_scale`) spectra and usages stay in its units, and other cells are divided as those of the fit.

    Parameters
    ----------
    adata : AnnData
        With the cells of the fit, in its order.
    model : Model
        Such as ``found.model()`` of :func:`ranks`, or the :func:`dnmf.consensus` of a view of unit variance.
    key_added : str, optional
        As in :func:`nmf`.

    Raises
    ------
    InputError
        Cells or genes are not those of the model.
    """
    refuse_no_home(adata)
    keys = Keys.of(key_added)
    if not isinstance(model, Model):
        raise InputError(f"a {type(model).__name__} is no model; give one, such as found.model() of dnmf.scanpy.ranks")
    if model.shape[0] != adata.n_obs:
        raise InputError(
            f"the model is one of {model.shape[0]:,} cells, the AnnData has {adata.n_obs:,}; give those of the fit, or "
            "use dnmf.scanpy.project(adata, model) for others"
        )
    refuse_other_names("the AnnData", names_of(adata.obs_names), model.row_names, "row")
    write(adata, model, places_of(adata, model), keys, {})


def project(
    adata: Any, reference: Any, *, layer: str | None = None, key: str | None = None, key_added: str | None = None,
    copy: bool = False, **options: Any,
) -> Any:  # fmt: skip
    """Write the usages of other cells into their AnnData, ``obsm["X_nmf"]``, in the components of a reference.

    Genes are found by name: there may be more than those of the reference, in any order; all of its have to be there.
    Each cell is solved for exactly, in one read; cells of the reference get their own usages again.

    Parameters
    ----------
    adata : AnnData
        The other cells, in the units of the reference: counts, or normalized in the same way.
    reference : Model or AnnData
        A model with names of genes, or what :func:`nmf` or :func:`annotate` wrote to.
    layer : str, optional
        Of `adata`: by default that which :func:`nmf` took of the reference, where it is an AnnData, else X; ``"X"``
        is X.
    key : str, optional
        What was `key_added` in the reference.
    key_added : str, optional
        The key in ``obsm`` of `adata`, in place of ``"X_nmf"``.
    copy : bool
        Whether a copy of `adata` is written to and returned; otherwise None is.
    **options
        Of :meth:`dnmf.Model.transform`: `missing`, `memory_limit`, `client`, …

    Raises
    ------
    InputError
        Genes of the reference are missing, or are there twice; there is no such layer, or no model in the reference.
    """
    refuse_no_home(adata, copy=copy)
    where = Keys.of(key_added).obsm
    found = reference if isinstance(reference, Model) else model(reference, key)
    if layer is None and found is not reference:
        layer = reference.uns[Keys.of(key).uns]["params"].get("layer")
    rows = np.asarray(found.transform(opened(adata, layer), columns="match", **options))
    target = adata.copy() if copy else adata
    target.obsm[where] = rows * found.d.astype(rows.dtype)
    return target if copy else None


def _seeds(consensus: Any) -> dict[str, Any]:
    """The seeds of a consensus as an option; none where those are the usual ones, or there is no consensus."""
    if isinstance(consensus, (bool, Ranks)):
        return {}
    try:
        return {"seeds": checked_seeds(consensus)}
    except InputError as error:
        raise InputError(f"consensus={shown(consensus)}: True or False, how many seeds, or which, or ranks") from error


def _taken(adata: Any, layer: str | None, mask_var: Any, options: dict[str, Any]) -> tuple[Source, np.ndarray | None]:
    """The matrix that is meant, and true or false for each gene, None where all are taken.

    Of the options those go that are said of all of the matrix: a mask, weights.
    """
    genes = taken_genes(adata, mask_var)
    beside = {name: options.pop(name) for name in OF_ALL if name in options}
    # An array of the caller's is handed on as it is: a Series has labels, which are compared.
    return opened(adata, layer, genes if isinstance(mask_var, str) else mask_var, **beside), genes
