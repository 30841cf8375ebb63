"""Small problems whose answers are known: those of the benchmarks."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))  # benchmarks/ is not installed with the package

from benchmarks.toys import blocks, three_gaussians

__all__ = ["blocks", "three_gaussians"]
