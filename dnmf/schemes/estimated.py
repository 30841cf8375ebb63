"""What a pass over all rows would fold near the H of the last one, estimated from a sample of the rows.

``S(H) ≈ S(H₀) + ω (S′(H) − S′(H₀))``: what the last pass folded, and how the sums S′ of the sample change, where there
are ω times as many rows. At H₀ it is exact, so that iterating on it goes on from what is known of all rows (a control
variate, as in Johnson & Zhang 2013); further away the sample counts, and a proximal term keeps H near (Shamir, Srebro &
Zhang 2014, arXiv:1312.7853).
"""

from dataclasses import dataclass, replace

import numpy as np

from dnmf.passes.statistics import ModelSums


@dataclass(frozen=True)
class EstimatedSums:
    """Sums of least squares over all rows, with a proximal term ``½ Σ_q μ G_qq ‖h_q − h⁰_q‖²`` beside the loss.

    Attributes
    ----------
    of_all, of_sample : ModelSums
        Of all rows and of the sample, for H₀.
    times : float
        ω: how many times as many rows there are as in the sample.
    H : ndarray (k, n)
        H₀.
    damping : float
        μ.
    """

    of_all: ModelSums
    of_sample: ModelSums
    times: float
    H: np.ndarray
    damping: float

    @property
    def pull(self) -> np.ndarray:
        """What is added to the Gram matrix (k,)."""
        return self.damping * np.diag(self.of_all.G)

    def at(self, sums: ModelSums) -> ModelSums:
        """Return the estimate for the H with which the sample has these `sums`."""
        G = self.of_all.G + self.times * (sums.G - self.of_sample.G) + np.diag(self.pull)
        P = sums.P - self.of_sample.P
        P *= self.times
        P += self.of_all.P
        P += self.H.T * self.pull
        s = np.maximum(self.of_all.s + self.times * (sums.s - self.of_sample.s), 0.0)
        return replace(sums, G=G, P=P, s=s, residual=None)

    def means_something(self, sums: ModelSums) -> bool:
        """Whether an estimate could be the sums of some W: where few rows have most of the data it may be of none."""
        return bool(np.isfinite(sums.G).all() and (np.diag(sums.G) >= self.pull).all())

    def squares(self, squares: float) -> float:
        """Return what stands for ``‖A‖²``: with the constant part of the proximal term."""
        wide = self.H.astype(np.float64, copy=False)
        return squares + float(self.pull @ np.einsum("qj,qj->q", wide, wide))

    def distance(self, H: np.ndarray) -> float:
        """Return the proximal term: what an objective has more than the loss."""
        way = H.astype(np.float64) - self.H
        return 0.5 * float(self.pull @ np.einsum("qj,qj->q", way, way))
