"""Regularization paths: the same matrix factorized at many strengths of a penalty, all sharing reads of the data."""

from dnmf.paths.doors import load_path, path, resume_path
from dnmf.paths.result import Path
from dnmf.paths.rows import PathRow

__all__ = ["Path", "PathRow", "load_path", "path", "resume_path"]
