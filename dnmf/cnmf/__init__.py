"""For who comes from cNMF (Kotliar et al. 2019): its preparation of counts, without a copy, and its files."""

from dnmf.cnmf.files import write, write_k_selection
from dnmf.cnmf.prepared import Prepared, prepare

__all__ = ["Prepared", "prepare", "write", "write_k_selection"]
