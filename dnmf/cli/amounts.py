"""Kinds of option values: amounts of memory, numbers, a pair for W and H, seeds, ranks, shapes of images, losses."""

import re
from typing import Any

import click

from dnmf.amounts import parse_bytes
from dnmf.cli.modules import LossName
from dnmf.errors import InputError


class Memory(click.ParamType):
    """A number of bytes written like 512MiB or 4GB."""

    name = "bytes"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the bytes, or fail as a usage error."""
        try:
            return parse_bytes(value) or 0
        except InputError as error:
            self.fail(str(error), param, ctx)


class NumberOrPair(click.ParamType):
    """One number for both factors, or W,H; where there may be `more`, also one for each factor of a CP."""

    name = "number"

    def __init__(self, *, more: bool = False):
        self._more = more

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """How help shows it."""
        del param, ctx
        return "X|W,H"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, ...]:
        """Return the pair, or as many as are given, or fail as a usage error."""
        if isinstance(value, tuple):
            return value
        try:
            numbers = [float(part) for part in str(value).split(",")]
        except ValueError:
            numbers = []
        if len(numbers) == 1:
            numbers *= 2
        if len(numbers) != 2 and not (self._more and len(numbers) > 2):
            pair = "a pair W,H such as 0.1,0.2"
            others = f"{pair}, nor, of a CP, one for each axis such as 0.1,0,0.1" if self._more else f"nor {pair}"
            self.fail(f"{value!r} is neither one number{',' * self._more} {others}", param, ctx)
        return tuple(numbers)


class HeightByWidth(click.ParamType):
    """Two whole numbers written like 28x28."""

    name = "HxW"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        """Return height and width, or fail as a usage error."""
        if isinstance(value, tuple):
            return value
        match = re.fullmatch(r"([1-9]\d*)[x×]([1-9]\d*)", str(value).lower())
        if not match:
            self.fail(f"{value!r} is not a height and a width such as 28x28", param, ctx)
        return int(match[1]), int(match[2])


class Numbers(click.ParamType):
    """Numbers written like 0,0.01,0.1."""

    name = "X,X,…"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, ...]:
        """Return the numbers, or fail as a usage error."""
        if isinstance(value, tuple):
            return value
        try:
            return tuple(float(part) for part in str(value).split(","))
        except ValueError:
            self.fail(f"{value!r} is not a list of numbers such as 0,0.01,0.1", param, ctx)


class CountOrList(click.ParamType):
    """How many, or whole numbers written like 3,5,7."""

    name = "N|N,N,…"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | tuple[int, ...]:
        """Return the count or the numbers, or fail as a usage error."""
        if isinstance(value, (int, tuple)):
            return value
        try:
            numbers = tuple(int(part) for part in str(value).split(","))
        except ValueError:
            self.fail(f"{value!r} is neither a count nor a list of whole numbers such as 3,5,7", param, ctx)
        return numbers if "," in str(value) else numbers[0]


class Ranks(click.ParamType):
    """Whole numbers written like 2-12, or 5,10,20-24."""

    name = "A-B|N,N,…"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> list[int]:
        """Return the numbers, or fail as a usage error."""
        if isinstance(value, list):
            return value
        found: list[int] = []
        for part in str(value).split(","):
            match = re.fullmatch(r"(\d+)(?:-(\d+))?", part.strip())
            if not match:
                self.fail(f"{value!r} is no list of ranks such as 2-12 or 5,10,20", param, ctx)
            first, last = int(match[1]), int(match[2] or match[1])
            if last < first:
                self.fail(f"{value!r}: {part.strip()} begins above its end", param, ctx)
            found += range(first, last + 1)
        return found


LEAST_SQUARES = "frobenius"
INITS = ("auto", "sample", "surrogate", "random", "normal", "nndsvd", "nndsvda", "nndsvdar")  # of dnmf.options
SOLVERS = ("cd", "bpp", "hals", "mu", "pg", "opl", "ipg", "admm", "als")  # those of dnmf.schemes.updates
LOSS = LossName([LEAST_SQUARES, "kullback-leibler", "itakura-saito"])  # those of dnmf.losses
MEMORY, NUMBER_OR_PAIR, HEIGHT_BY_WIDTH = Memory(), NumberOrPair(), HeightByWidth()
STRENGTHS = NumberOrPair(more=True)
NUMBERS, COUNT_OR_LIST, RANKS = Numbers(), CountOrList(), Ranks()
