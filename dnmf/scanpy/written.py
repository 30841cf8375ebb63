"""What is written into an AnnData of a model, and read from it again."""

import json
from typing import Any, NamedTuple

import numpy as np

from dnmf.arguments import shown, whole
from dnmf.ensembles.consensus_result import Consensus
from dnmf.errors import InputError
from dnmf.model import Model
from dnmf.scanpy.taken import listed, refuse_no_anndata
from dnmf.sources.names import is_count, names_of
from dnmf.sources.views import PREFIX
from dnmf.tables import top_entries

OF_CELLS = ("row_names", f"{PREFIX}rows", f"{PREFIX}row_scale")  # the AnnData has its own, which may be fewer later


class Keys(NamedTuple):
    """Where results lie, named as those of scanpy's ``pca``."""

    obsm: str = "X_nmf"
    varm: str = "NMF"
    uns: str = "nmf"

    @classmethod
    def of(cls, key: str | None) -> "Keys":
        """Return those of a `key_added`.

        Raises
        ------
        InputError
            It is no text.
        """
        if key is not None and not (isinstance(key, str) and key):
            raise InputError(f"key_added={shown(key)}: give a name, or None for the usual ones")
        return cls() if key is None else cls(key, key, key)


def places_of(adata: Any, model: Model) -> np.ndarray:
    """Return the gene of an AnnData that each column of a model is.

    Raises
    ------
    InputError
        A gene is not there, or nothing says which it is.
    """
    names, known, n = model.column_names, adata.var_names, model.shape[1]
    if names is None or is_count(names):
        chosen = np.arange(n) if model.view.columns is None else model.view.columns
        if (model.view.columns is None and n != adata.n_vars) or chosen.max() >= adata.n_vars:
            raise InputError(
                f"the model has {n:,} columns without names, the AnnData {adata.n_vars:,} genes, and nothing says "
                "which they are; give the model names of genes: model.with_names(column_names=…)"
            )
        return chosen
    if known.tolist() == names.tolist():
        return np.arange(n)
    if not known.is_unique:
        raise InputError("genes cannot be found by names of which some are there twice: adata.var_names_make_unique()")
    found: np.ndarray = known.get_indexer(names.tolist())
    if (found < 0).any():
        missing = names[found < 0].tolist()
        raise InputError(f"{len(missing):,} of the {n:,} genes of the model are not in the AnnData: {listed(missing)}")
    return found


def write(adata: Any, model: Model, places: np.ndarray, keys: Keys, said: dict[str, Any]) -> None:
    """Write a model into an AnnData; `said` are the options that the model does not know of."""
    W = model.read_W()
    spectra = np.full((adata.n_vars, model.rank), np.nan, model.H.dtype)
    spectra[places] = model.H.T
    adata.obsm[keys.obsm] = W * model.d.astype(W.dtype)
    adata.varm[keys.varm] = spectra
    adata.uns[keys.uns] = _told(model, said)


def _told(model: Model, said: dict[str, Any]) -> dict[str, Any]:
    """What is said of a model in ``uns``, of kinds that go into a file."""
    options = model.options
    params = {"n_comps": model.rank, **said, "loss": options.loss, "seed": options.seed, "tol": options.tol}
    agreed: dict[str, Any] = {}
    if isinstance(model, Consensus):
        params |= {"seeds": np.array(model.seeds), "density": model.asked.density, "best": model.asked.best}
        agreed = {name: getattr(model, name) for name in ("silhouette", "stability", "share_kept")}
    arrays = {name: values for name, values in model.arrays().items() if name not in OF_CELLS}
    if "column_names" in arrays:
        arrays["column_names"] = arrays["column_names"].astype(object)  # as files have them
    return {
        "params": params, "d": model.d, "relative_error": model.relative_error, "reads": model.reads,
        "stop_reason": model.stop_reason, **agreed, "model": {"record": json.dumps(model.record()), "arrays": arrays},
    }  # fmt: skip


def model(adata: Any, key: str | None = None) -> Model:
    """Return the model that an AnnData holds, for pictures, measures and other cells; one that was in a file too.

    Its W is that of the cells that are there now; its genes are those of the fit.

    Parameters
    ----------
    adata : AnnData
        That :func:`nmf` or :func:`annotate` wrote to.
    key : str, optional
        What was `key_added` then.

    Raises
    ------
    InputError
        There is none under this key.
    """
    refuse_no_anndata(adata)
    keys = Keys.of(key)
    if "model" not in adata.uns.get(keys.uns, ()) or keys.obsm not in adata.obsm:
        raise InputError(
            f"the AnnData holds no model under uns[{keys.uns!r}] and obsm[{keys.obsm!r}]; write one with "
            "dnmf.scanpy.nmf or annotate, or say under which key= it lies"
        )
    held = adata.uns[keys.uns]["model"]
    arrays = {name: np.asarray(values) for name, values in held["arrays"].items()}
    usages = np.asarray(adata.obsm[keys.obsm])
    W = np.divide(usages, arrays["d"], out=np.zeros_like(usages), where=arrays["d"] > 0)
    return Model.described(W, json.loads(str(held["record"])), {**arrays, "row_names": names_of(adata.obs_names)})


def top_genes(adata: Any, n: int = 10, *, key: str | None = None) -> Any:
    """Return the genes with the largest values in the spectrum of each component: a DataFrame (n, k) of names.

    Parameters
    ----------
    adata : AnnData
        With spectra in ``varm``.
    n : int
        How many of each component; None stands where fewer of a spectrum are not zero.
    key : str, optional
        What was `key_added` in :func:`nmf`.

    Raises
    ------
    InputError
        There are no spectra under this key.
    """
    import pandas

    refuse_no_anndata(adata)
    where, count = Keys.of(key).varm, whole("n", n, least=1)
    if where not in adata.varm:
        raise InputError(f"the AnnData has no varm[{where!r}]; write it with dnmf.scanpy.nmf, or say under which key=")
    spectra = np.nan_to_num(np.asarray(adata.varm[where]).T)
    count = min(count, spectra.shape[1])
    names = np.full((count, len(spectra)), None, object)
    for entry in top_entries([(0, spectra)], None, count):
        names[entry.place, entry.component] = adata.var_names[entry.number]
    return pandas.DataFrame(names, dtype=object)  # else newer versions make None a NaN
