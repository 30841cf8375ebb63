"""Where data lives: one door (:func:`open_source`) and what every source offers (:class:`Source`)."""

from dnmf.sources.opening import open_source
from dnmf.sources.rows import CsrRows, Rows, Weighted
from dnmf.sources.source import Layout, Source

__all__ = ["CsrRows", "Layout", "Rows", "Source", "Weighted", "open_source"]
