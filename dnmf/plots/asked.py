"""What a fit was asked for, in words on a page."""

from dnmf.implicit import describe
from dnmf.model import Model
from dnmf.options import FitOptions, describe_solver
from dnmf.plots import pages
from dnmf.progress import counted, format_seconds
from dnmf.sources.as_fitted import in_words
from dnmf.sources.names import names_to_show
from dnmf.unfinished import Unfinished, formulas, said_of


def data_section(model: Model | Unfinished) -> list[str]:
    """Return what was factorized, and with which options, as a part of a page."""
    rows, columns = model.shape
    options = model.options
    facts = [
        ("Data", model.address or "in memory"),
        ("Rows × columns", f"{rows:,} × {columns:,}"),
        ("Observed", in_words(said_of(model))),
        *([] if isinstance(model, Unfinished) else [("Names", _named(model))]),
        ("Store", str(model.path) if model.path else "none, the model is in memory"),
        ("Rank", str(model.rank)),
        ("Loss", f"{options.loss}, {formulas(model).formula}"),
        ("Solver", describe_solver(options.to_json())),
        ("Penalty", describe(options.penalty, model.penalty, options.limits, model.short_axes)),
        ("Start", f"{options.init}, {_seed(model)}"),
        ("Limits", _limits(options)),
        ("Computation", f"{options.dtype}, {'with' if options.extrapolate else 'without'} extrapolation"),
    ]
    return ["<h2>What was factorized</h2>", pages.facts_table(facts)]


def _seed(model: Model | Unfinished) -> str:
    """The seed, or of several starts that of the best."""
    asked, restarts = model.options.seed, model.options.restarts
    if restarts == 1:
        return f"seed {asked}"
    so_far = " so far" * isinstance(model, Unfinished)
    best = "" if model.best_seed is None else f"; the best{so_far} is that of seed {model.best_seed}"
    return f"{restarts} starts, of seeds {asked} to {asked + restarts - 1}{best}"


def _limits(options: FitOptions) -> str:
    seconds = "" if options.max_seconds is None else f", {format_seconds(options.max_seconds)}"
    return f"tolerance {options.tol:g}, at most {counted(options.max_passes, 'pass')}{seconds}"


def _named(model: Model) -> str:
    named = (("rows", model.row_names), ("columns", model.column_names))
    return " and ".join(what for what, names in named if names_to_show(names) is not None) or "none"
