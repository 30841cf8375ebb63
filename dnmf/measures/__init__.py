"""What can be said of a model beyond its error: how sparse it is, how alike its components are, whether others agree.

Nothing here holds W as a whole: it is read by its stored chunks, and what is added up is added up in float64.
"""

from dnmf.measures.against_data import first_singular_vector, loss, relative_error
from dnmf.measures.components import Sides, alike, cosines, energy, implicit_penalty, mean_cosine, sparsity
from dnmf.measures.cores import Core, core_consistency
from dnmf.measures.kmeans import kmeans_centres
from dnmf.measures.matching import Matching, align, match, robustness, similarity
from dnmf.measures.other_columns import Spectra, spectra
from dnmf.measures.recalled import Recall, recall
from dnmf.measures.slabs import explained
from dnmf.measures.topics import Sizes, coherence, sizes
from dnmf.measures.unseen import HeldOut, held_out
from dnmf.measures.variable import Moments, Variable, moments, variable_columns

__all__ = [
    "Core",
    "HeldOut",
    "Matching",
    "Moments",
    "Recall",
    "Sides",
    "Sizes",
    "Spectra",
    "Variable",
    "align",
    "alike",
    "coherence",
    "core_consistency",
    "cosines",
    "energy",
    "explained",
    "first_singular_vector",
    "held_out",
    "implicit_penalty",
    "kmeans_centres",
    "loss",
    "match",
    "mean_cosine",
    "moments",
    "recall",
    "relative_error",
    "robustness",
    "similarity",
    "sizes",
    "sparsity",
    "spectra",
    "variable_columns",
]  # fmt: skip
