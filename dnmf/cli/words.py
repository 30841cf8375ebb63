"""Messages of the library, which name arguments of functions, in the words of the command line."""

import re

OPTIONS = {"scale": "penalty-scale"}  # those of another name; the others have their own, with dashes
_SPOKEN = (
    (re.compile(r"\b(keep|dtype|store|kind|scale)='([^']*)'"), r"--\1 \2"),
    (re.compile(r"\bPenalty\((\w+)=([\d.]+)\)"), r"--\1 \2"),
    (re.compile(r"\b(?:constraints|penalty) (\w+)(?=[=:])"), r"--\1"),
    (re.compile(r"\bgive (?:a penalty )?(graph|smooth|target)\b(?= too)"), r"give --\1"),
    (re.compile(r"(?<!-)\b(fixed_[WH]|target_H)\b"), r"--\1"),
)


def in_options(text: str) -> str:
    """Return a message in which arguments of functions are options of commands.

    Examples
    --------
    >>> in_options("constraints fixed_H: has shape (2, 3); or use scale='objective'")
    '--fixed-h: has shape (2, 3); or use --penalty-scale objective'
    """
    for pattern, spoken in _SPOKEN:
        text = pattern.sub(spoken, text)
    return re.sub(r"--(\w+)", lambda match: f"--{_option(match[1])}", text)


def _option(name: str) -> str:
    return OPTIONS.get(name, name.lower().replace("_", "-"))
