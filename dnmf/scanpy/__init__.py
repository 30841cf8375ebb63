"""AnnData in and out as scanpy has it: layers and chosen genes are fitted, results lie where scanpy looks for them.

``obsm["X_nmf"]`` holds the usages of cells, ``varm["NMF"]`` the spectra of components over genes, ``uns["nmf"]`` what
was asked for and what came of it; a `key_added` names all three. Nothing here imports scanpy.
"""

from dnmf.scanpy.doors import annotate, nmf, project, ranks
from dnmf.scanpy.written import model, top_genes

__all__ = ["annotate", "model", "nmf", "project", "ranks", "top_genes"]
