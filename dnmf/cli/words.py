"""Messages of the library, which name arguments of functions, in the words of the command line."""

import re

OPTIONS = {
    "scale": "penalty-scale",
    "exact_rows": "truncated-rows",
}  # those of another name; the others have their own, with dashes
_SPOKEN = tuple(
    re.compile(rf"(?<![\w./\\-]){pattern}(?![\w/\\]|\.\w)")  # no part of a path
    for pattern in (
        r"(?:penalty=)?(?:dnmf\.)?Penalty\((?P<name>\w+)='?(?P<value>[\w.]+)'?\)",
        r"(?P<name>init|keep|dtype|loss|prune|solver|store|kind|scale)='(?P<value>[^'/\\]*)'",
        r"(?P<name>missing)='(?P<value>nan|refuse|unstored)'(?: \(--missing \w+\))?",
        r"(?P<name>implicit|mask|missing|(?:row_|column_)?weights)=(?P<value>)",
        r"constraints (?P<name>fixed_[WH]|free|graph|target_H|upper)(?P<value>)",
        r"penalty (?P<name>angular|l1|l2|smooth|target)(?P<value>)",
        r"give (?:a penalty )?(?P<name>graph|smooth|target)(?P<value>)(?= too)",
        r"(?P<name>fixed_[WH]|target_H)(?P<value>)",
        r"(?P<name>exact_rows)(?:=False)?(?P<value>)",
        r"(?<=leave )(?P<name>prune|restarts|sweeps)(?P<value>)(?= out)",
        r"(?P<name>max_passes|max_seconds|measure|restarts|seeds|shape|strengths|sweeps|workers_timeout)=(?P<value>[^\s;:]+)",
    )
)


def in_options(text: str) -> str:
    """Return a message in which arguments of functions are options of commands; names of files stay as they are.

    Examples
    --------
    >>> in_options("constraints fixed_H: has shape (2, 3); or use scale='objective'")
    '--fixed-h: has shape (2, 3); or use --penalty-scale objective'
    >>> in_options("data/fixed_H.npy: cannot be read")
    'data/fixed_H.npy: cannot be read'
    """
    for pattern in _SPOKEN:
        text = pattern.sub(_as_option, text)
    return text


def _as_option(match: re.Match[str]) -> str:
    name = match["name"]
    option = f"--{OPTIONS.get(name, name.lower().replace('_', '-'))}"
    asked = "give " if match[0].startswith("give ") else ""
    return f"{asked}{option} {match['value']}".rstrip()
