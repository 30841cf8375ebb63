"""Measurements of dnmf beside other programs: ``python -m benchmarks``. Not installed with the package."""
