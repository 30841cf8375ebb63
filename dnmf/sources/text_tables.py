"""How pandas reads a table of text: what separates its columns, what is a comment, how it is encoded."""

import re
from dataclasses import dataclass
from itertools import product, takewhile

from dnmf.sources.contents import DAMAGE, Contents, open_decompressed

LOOKED_AT = 2**20  # bytes: a header of many columns is long, and one letter tells the encoding
MOST_LINES = 100
SEPARATORS = (r"\t", ";", ",", "|", r"\s+")
COMMENTS = ("#", "%")
DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")
CALLED_NAMES = re.compile(r"(?i).*(id|index|names?|rows?|samples?|genes?|cells?|barcodes?|documents?|users?)")
_QUOTED = re.compile(r'"[^"]*"')


@dataclass(frozen=True)
class Table:
    """What tells how a table of text is read.

    Attributes
    ----------
    separator : str
        As it is written in Python.
    above : int
        Lines of comments above the header.
    comment : str
        What comments begin with, where nothing else has that sign in it.
    rows : list of list of str
        The fields of the header and of the first lines below it.
    """

    separator: str
    above: int
    comment: str
    rows: list[list[str]]

    @property
    def has_header(self) -> bool:
        """Whether the first line holds names."""
        return not all(map(_is_number, self.rows[0]))

    @property
    def has_row_names(self) -> bool:
        """Whether the first column holds names: it is not made of numbers, or called so, or not called anything."""
        header, *rows = self.rows
        if not rows or not self.has_header:
            return self.has_header
        first = header[0].strip(' "')
        without_name = len(header) < len(rows[0]) or not first or CALLED_NAMES.fullmatch(first)
        return bool(without_name) or not all(_is_number(row[0]) for row in rows)

    def options(self) -> list[str]:
        """Return how it is read, as pandas.read_csv takes it."""
        written = f"r'{self.separator}'" if self.separator == r"\s+" else f"'{self.separator}'"
        decimal = any(DECIMAL_COMMA.fullmatch(field) for row in self.rows[1:] for field in row)
        return [
            *([f"sep={written}"] if self.separator != "," else []),
            *([f"comment='{self.comment}'"] if self.comment else []),
            *([f"skiprows={self.above}"] if self.above and not self.comment else []),
            *(["decimal=','"] if decimal else []),
            *([] if self.has_header else ["header=None"]),
            *(["index_col=0"] if self.has_row_names else []),
        ]


def table_in(text: str) -> Table | None:
    """Return the table that lines of text are; None where they are none.

    Examples
    --------
    >>> table_in("# made by hand\\ngene;a;b\\nx;1;2\\n").options()
    ["sep=';'", "comment='#'", 'index_col=0']
    """
    lines = [line for line in text.splitlines() if line.strip()]
    comments = len(list(takewhile(lambda line: line.startswith(COMMENTS), lines)))
    return (_below(lines, comments - 1, (0,)) if _may_hide_the_header(lines, comments) else None) or _below(
        lines, comments, (0, 1)
    )


def _may_hide_the_header(lines: list[str], comments: int) -> bool:
    """Whether the last of the comments may be the header: it is not marked by itself, and numbers come next."""
    if not 0 < comments < len(lines) or lines[comments - 1][1:2].isspace():
        return False
    return any(map(_is_number, re.split(r"[\s;,|]+", lines[comments])))


def _below(lines: list[str], above: int, fewer: tuple[int, ...]) -> Table | None:
    """Return the table that begins after some lines, and whose header may have a field less: R leaves out the first."""
    body = [*lines[above : above + 1], *(line for line in lines[above + 1 :] if not line.startswith(COMMENTS))]
    for missing, separator in product(fewer, SEPARATORS):
        rows = [_fields(line, separator) for line in body]
        if _is_table(rows, missing):
            return Table(separator, above, _comment(lines, above), rows)
    return None


def _fields(line: str, separator: str) -> list[str]:
    unquoted = _QUOTED.sub(lambda found: re.sub(r"[\s;,|]", "_", found[0]), line.strip(" "))
    return re.split(separator.replace("|", r"\|"), unquoted)


def call_of_pandas(contents: Contents) -> tuple[str, Table] | None:
    """Return what reads the table in a file, and the table; None where it is none."""
    try:
        with open_decompressed(contents.path) as file:
            beginning = file.read(LOOKED_AT)
    except (*DAMAGE, ImportError):
        beginning = contents.text
    is_utf8 = _is_utf8(beginning)
    lines = beginning.decode("utf-8-sig" if is_utf8 else "latin-1", "replace").splitlines()
    whole = lines[:-1] if len(beginning) == LOOKED_AT and len(lines) > 1 else lines
    table = table_in("\n".join(whole[:MOST_LINES]))
    if table is None:
        return None
    options = [*table.options(), *([] if is_utf8 else ["encoding='latin-1'"])]
    return f"pandas.read_csv({', '.join([repr(str(contents.path)), *options])})", table


def _is_table(rows: list[list[str]], missing: int) -> bool:
    """Whether all lines have as many fields, two or more, and the header so many less."""
    widths = {len(row) for row in rows[1:]} or {len(row) for row in rows}
    return len(widths) == 1 and max(widths) > 1 and len(rows[0]) == max(widths) - missing


def _comment(lines: list[str], above: int) -> str:
    """Return the sign of the comments, unless other lines have it in them."""
    comments = [line for at, line in enumerate(lines) if line.startswith(COMMENTS) and at != above]
    sign = comments[0][0] if comments else ""
    inside = any(sign in line for at, line in enumerate(lines) if at == above or not line.startswith(sign))
    return "" if not sign or inside else sign


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError as error:
        return len(text) == LOOKED_AT and error.start > len(text) - 4  # a letter that was cut
    return True


def _is_number(field: str) -> bool:
    try:
        float(field.strip(' "').replace(",", "."))
    except ValueError:
        return False
    return True
