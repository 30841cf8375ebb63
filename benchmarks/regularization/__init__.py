"""What penalties do, in numbers beside those of other programs: ``python -m benchmarks.regularization``."""
