"""Where sources are cut that are read together, row by row: values with what lies beside them."""

from dataclasses import replace

import numpy as np

from dnmf.sources.source import Layout


def side_by_side(layouts: list[Layout], made: float, beside: int) -> Layout:
    """Return the layout of sources that are read together, cut as the first; or as the tallest blocks that come whole.

    Parameters
    ----------
    layouts : list of Layout
        Of each; all have the same rows.
    made : float
        Bytes that are made of all rows, beside those that are decoded.
    beside : int
        Bytes that a thread holds beside, while it makes them.
    """
    whole = [each for each in layouts if each.panel_is_whole]
    cut_by = max(whole, key=lambda each: each.row_step) if whole else layouts[0]
    found = _cut_alike(layouts, cut_by, made, beside)
    if cut_by is not layouts[0] or cut_by.parts is None:
        return found
    return replace(found, parts=_cut_alike([cut_by.parts, *layouts[1:]], cut_by.parts, made, beside))


def _cut_alike(layouts: list[Layout], cut_by: Layout, made: float, beside: int) -> Layout:
    """The layout of all, cut as one of them is; of the others whole stored objects lie beside what is taken of them."""
    before = np.rint(sum(np.interp(cut_by.cuts, each.cuts, each.bytes_before) for each in layouts)).astype(np.int64)
    others = sum(each.object_bytes for each in layouts if each is not cut_by)
    return Layout(
        cut_by.cuts, before, cut_by.row_step,
        panel_is_whole=cut_by.panel_is_whole,
        comes_with_task=any(each.comes_with_task for each in layouts),
        object_bytes=sum(each.object_bytes for each in layouts),
        in_place=all(each.in_place or (each.comes_with_task and not each.panel_is_whole) for each in layouts),
        beside_bytes=sum(each.beside_bytes for each in layouts) + others + beside,
        made=made / int(before[-1]),
    )  # fmt: skip
