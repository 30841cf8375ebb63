"""What a fit was asked for, in words on a page."""

from dnmf.implicit import describe
from dnmf.model import Model
from dnmf.options import CP, MATRIX, FitOptions, describe_solver
from dnmf.plots import pages
from dnmf.progress import counted, format_seconds
from dnmf.sources.as_fitted import in_words
from dnmf.sources.names import names_to_show
from dnmf.unfinished import Unfinished, formulas, said_of

FORMULAS = {
    MATRIX: "{what} A ≈ W · diag(d) · H",
    CP: "Non-negative CP (PARAFAC) A ≈ Σ_q weights_q · w_q ∘ x_q ∘ y_q ∘ …",
}


def data_section(model: Model | Unfinished) -> list[str]:
    """Return what was factorized, and with which options, as a part of a page."""
    options = model.options
    facts = [
        ("Data", model.address or "in memory"),
        *sizes_of(model),
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


def summary_of(model: Model | Unfinished) -> str:
    """Return what is found, as a formula, of how many values."""
    free = model.options.limits.free
    what = f"Factorization with {free} of any sign," if free else "Non-negative factorization"
    return f"{FORMULAS[model.options.structure].format(what=what)} of {_sizes(model)} values"


def sizes_of(model: Model | Unfinished) -> list[tuple[str, str]]:
    """Return how large the data is: its rows and columns, or the axes of a CP by their names."""
    unfolding, (rows, columns) = model.unfolding, model.shape
    if lengths := _lengths(model):
        axes = ", ".join(f"{name}: {length:,}" for name, length in lengths.items())
        return [("Axes", f"{axes}; slabs along {unfolding.long_axis if unfolding else ''} were read")]
    of_array = [("Axes", str(unfolding))] if unfolding else []
    return [("Rows × columns", f"{rows:,} × {columns:,}"), *of_array]


def _lengths(model: Model | Unfinished) -> dict[str, int]:
    """The lengths of the factors of a CP, by the names of axes; none of a matrix."""
    is_cp = model.options.structure == CP
    return model.unfolding.lengths_of(model.shape[0]) if is_cp and model.unfolding else {}


def _sizes(model: Model | Unfinished) -> str:
    return " × ".join(f"{length:,}" for length in _lengths(model).values() or model.shape)


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
    if model.unfolding is not None:
        rows, columns = (names_to_show(names) is not None for names in (model.row_names, model.column_names))
        return ", ".join(model.unfolding.labelled_axes(rows=rows, columns=columns)) or "none"
    named = (("rows", model.row_names), ("columns", model.column_names))
    return " and ".join(what for what, names in named if names_to_show(names) is not None) or "none"
