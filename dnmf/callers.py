"""Warnings that name the line which called dnmf, however deep inside it they come from."""

import os
import sys
import warnings
from pathlib import Path

import numpy as np

OURS = tuple(f"{Path(module).parent}{os.sep}" for module in (__file__, np.__file__))  # numpy wraps functions of ours
WRAPPERS = ("sklearn",)  # packages that wrap methods of ours too; where nobody imported one it wraps none


def warn_caller(message: str, category: type[Warning]) -> None:
    """Warn with the place of the nearest call from outside of dnmf.

    Python shows a warning once for each place; counted levels would name a line of whatever wraps our functions.
    """
    frame, level, inside = sys._getframe(1), 2, (*OURS, *_folders_of_wrappers())
    while frame.f_back is not None and frame.f_code.co_filename.startswith(inside):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


def _folders_of_wrappers() -> list[str]:
    files = [getattr(sys.modules.get(name), "__file__", None) for name in WRAPPERS]
    return [f"{Path(file).parent}{os.sep}" for file in files if file]
