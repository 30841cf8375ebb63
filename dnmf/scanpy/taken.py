"""What of an AnnData is factorized: X or a layer, of some genes, as a source."""

from typing import Any

import numpy as np

from dnmf.arguments import shown
from dnmf.arrays import offers, taken_as_array
from dnmf.errors import InputError
from dnmf.sources import Source, open_source
from dnmf.sources.choices import flags_of

VARIABLE = "highly_variable"
OF_AN_ANNDATA = ("obs_names", "var_names", "obsm", "varm", "uns", "layers")
MOST_NAMED = 5


def refuse_no_anndata(adata: Any) -> None:
    """Refuse what is no AnnData.

    Raises
    ------
    InputError
        It is none.
    """
    if not offers(adata, *OF_AN_ANNDATA):
        raise InputError(
            f"a {type(adata).__name__} is no AnnData; open one, anndata.read_h5ad(path, backed='r'), or use dnmf.fit"
        )


def refuse_no_home(adata: Any, *, copy: bool = False) -> None:
    """Refuse what nothing can be written to, before anything is read.

    Raises
    ------
    InputError
        It is no AnnData, or a backed one of which there shall be a copy, or that is a view.
    """
    refuse_no_anndata(adata)
    if not adata.isbacked:
        return
    if copy:
        raise InputError(
            f"copy=True: the AnnData is backed by {adata.filename}, and a copy would be another file; give copy=False, "
            "as its obsm, varm and uns are in memory, or adata.to_memory()"
        )
    if adata.is_view:
        raise InputError(
            f"a view of the AnnData backed by {adata.filename} cannot be written to; give all of it, and the genes as "
            "mask_var=; or view.to_memory()"
        )


def taken_genes(adata: Any, mask_var: Any) -> np.ndarray | None:
    """Return true or false for each gene; None where all are taken.

    Raises
    ------
    InputError
        There is no such column, or what is given is not true or false for each.
    """
    by_default = isinstance(mask_var, str) and mask_var == VARIABLE
    if mask_var is None or (by_default and VARIABLE not in adata.var):
        return None
    if isinstance(mask_var, str):
        return flags_of(adata.var, mask_var, f"mask_var={mask_var!r}: var")
    with taken_as_array("mask_var", mask_var):
        found = np.asarray(mask_var)
    if found.dtype.kind != "b" or found.shape != (adata.n_vars,):
        raise InputError(
            f"mask_var: has dtype {found.dtype} and shape {found.shape}; give true or false for each of "
            f"{adata.n_vars:,} genes, the name of such a column of var, or None for all"
        )
    return found


def opened(adata: Any, layer: str | None, columns: Any = None, **beside: Any) -> Source:
    """Return X or a layer, of the genes that are chosen, as a source with the names of cells and genes.

    What lies `beside` it, such as a mask, is as large as all of it.

    Raises
    ------
    InputError
        There is no such layer, or it cannot be used.
    """
    if layer is None or (isinstance(layer, str) and layer == "X" and "X" not in adata.layers):
        if not adata.isbacked and adata.X is None:
            raise InputError(f"the AnnData has no X; say which layer= it is: {_layers(adata)}")
        return open_source(adata, columns=columns, **beside)
    if not isinstance(layer, str) or layer not in adata.layers:
        raise InputError(f"layer={shown(layer)}: there is no such layer, only {_layers(adata)}; None is X")
    named = {"row_names": adata.obs_names, "column_names": adata.var_names}
    return open_source(adata.layers[layer], **named, columns=columns, **beside)


def _layers(adata: Any) -> str:
    """The names of the layers: newer versions have X among them, as None."""
    return listed([name for name in adata.layers if name is not None])


def listed(names: Any) -> str:
    """Return the first of some names, for a message."""
    found = list(map(repr, names))
    return ", ".join(found[:MOST_NAMED]) + " …" * (len(found) > MOST_NAMED) or "none"
