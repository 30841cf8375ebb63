"""Warnings that name the line which called dnmf, however deep inside it they come from."""

import os
import sys
import warnings
from pathlib import Path

import numpy as np

OURS = tuple(f"{Path(module).parent}{os.sep}" for module in (__file__, np.__file__))  # numpy wraps functions of ours


def warn_caller(message: str, category: type[Warning]) -> None:
    """Warn with the place of the nearest call from outside of dnmf.

    Python shows a warning once for each place; counted levels would name a line of whatever wraps our functions.
    """
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_code.co_filename.startswith(OURS):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)
