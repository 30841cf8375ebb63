"""Pictures of models, of their fits, and of regularization paths: with matplotlib, or as pages for a browser.

The extra ``plot`` installs what they are drawn with; nothing of it is imported before a picture is asked
for. Figures are made without pyplot, so no backend and no display are needed; ``ax.figure.savefig(...)`` writes them.
"""

from dnmf.plots.biplots import biplot
from dnmf.plots.clustergrams import clustergram
from dnmf.plots.convergences import convergence
from dnmf.plots.factors import components
from dnmf.plots.modes import modes
from dnmf.plots.ranks import ranks
from dnmf.plots.reports import report
from dnmf.plots.sliders import slider_page
from dnmf.plots.strengths import path, path_overview

__all__ = [
    "biplot",
    "clustergram",
    "components",
    "convergence",
    "modes",
    "path",
    "path_overview",
    "ranks",
    "report",
    "slider_page",
]
