"""Pieces of a self-contained HTML page: text that is escaped, tables, embedded pictures, and its style."""

from base64 import b64encode
from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING

from dnmf.plots.figures import picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_SVG_BYTES = 400_000
STYLE = """
:root { color-scheme: light dark; --ink: #1d2125; --soft: #5b6470; --line: #d9dee3; --page: #fff; --card: #f6f7f9;
  --bar: #9cc9e6; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8ea; --soft: #a2abb5; --line: #3a4047; --page: #15181b;
  --card: #1e2226; --bar: #1f5a80; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.5rem 4rem; max-width: 62rem; color: var(--ink); background: var(--page);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", "Helvetica Neue", Arial, sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .3rem; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 2.6rem 0 .6rem; padding-bottom: .25rem; border-bottom: 1px solid var(--line); }
p { margin: .5rem 0; max-width: 46rem; } .soft { color: var(--soft); }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: .7rem; margin: 1.4rem 0; }
.fact { background: var(--card); border-radius: 8px; padding: .7rem .9rem; }
.fact b { display: block; font-size: 1.35rem; font-weight: 600; font-variant-numeric: tabular-nums; }
.fact span { color: var(--soft); font-size: .85rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .92rem; font-variant-numeric: tabular-nums; }
th, td { text-align: left; vertical-align: top; padding: .35rem .8rem .35rem 0; border-bottom: 1px solid var(--line); }
th { font-weight: 600; color: var(--soft); } tbody th { width: 11rem; }
td.number, th.number { text-align: right; white-space: nowrap; } td { overflow-wrap: anywhere; }
td.share { white-space: nowrap; min-width: 6.5rem; }
.bar { display: inline-block; height: .7em; background: var(--bar); border-radius: 2px; margin-right: .4em; }
figure { margin: 1rem 0; } figure img { max-width: 100%; height: auto; display: block; }
.white { background: #fff; color: #1d2125; color-scheme: light; border-radius: 8px; padding: .8rem;
  border: 1px solid var(--line); overflow-x: auto; }
figcaption { color: var(--soft); font-size: .88rem; margin-top: .4rem; max-width: 46rem; }
@media print { :root { --ink: #000; --soft: #444; --line: #ccc; --page: #fff; --card: #f6f7f9; --bar: #9cc9e6; }
  body { max-width: none; padding: 0; font-size: 11pt; } figure, .fact, tr { break-inside: avoid; }
  h2 { break-after: avoid; } .white { border: 0; padding: 0; } .bar { display: none; }
  td.share { min-width: 0; } .facts { grid-template-columns: repeat(3, 1fr); } }
"""


def page(title: str, body: Iterable[str], head: str = "") -> str:
    """Return a whole page; `body` and `head` are HTML."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n{head}</head>\n<body>\n"
        + "\n".join(body)
        + "\n</body>\n</html>\n"
    )


def paragraph(text: str, kind: str = "") -> str:
    """Return text as a paragraph."""
    return f'<p class="{escape(kind)}">{escape(text)}</p>' if kind else f"<p>{escape(text)}</p>"


def fact_cards(facts: Sequence[tuple[str, str]]) -> str:
    """Return what matters most as (value, what it is) side by side."""
    cards = (f'<div class="fact"><b>{escape(value)}</b><span>{escape(what)}</span></div>' for value, what in facts)
    return f'<div class="facts">{"".join(cards)}</div>'


def facts_table(facts: Sequence[tuple[str, str]]) -> str:
    """Return (what, value) pairs below each other."""
    rows = (f'<tr><th scope="row">{escape(what)}</th><td>{escape(value)}</td></tr>' for what, value in facts)
    return f"<table><tbody>{''.join(rows)}</tbody></table>"


def table(heads: Sequence[str], rows: Iterable[Sequence["str | float"]], numbers: Sequence[bool]) -> str:
    """Return a table of text; a float between 0 and 1 becomes a percentage beside a bar, `numbers` go to the right."""
    rows = list(rows)
    most = max((value for row in rows for value in row if isinstance(value, float)), default=1.0) or 1.0
    sides = [' class="number"' if number else "" for number in numbers]
    head = "".join(f'<th scope="col"{side}>{escape(text)}</th>' for text, side in zip(heads, sides, strict=True))
    lines = ("".join(_cell(value, side, most) for value, side in zip(row, sides, strict=True)) for row in rows)
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _cell(value: "str | float", side: str, most: float) -> str:
    if isinstance(value, str):
        return f"<td{side}>{escape(value)}</td>"
    bar = f'<span class="bar" style="width:{4 * value / most:.2f}em"></span>'
    return f'<td class="share">{bar}{100 * value:.1f} %</td>'


def shown(figure: "Figure", alternative: str, caption: str = "") -> str:
    """Return a figure embedded in the page, on white: as SVG, or as PNG where that is smaller by far."""
    kind, content = "svg+xml", picture(figure, "svg")
    if len(content) > MOST_SVG_BYTES:
        kind, content = "png", picture(figure, "png")
    data = f"data:image/{kind};base64,{b64encode(content).decode()}"
    below = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    image = f'<img src="{data}" alt="{escape(alternative)}">'
    return f'<figure><div class="white">{image}</div>{below}</figure>'
