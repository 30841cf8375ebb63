"""Options of a command in groups, as ``--help`` shows them; which option is in which is in one table."""

import click

GROUPS = (
    ("Model", ("rank", "structure", "loss", "dtype", "solver", "sweeps", "truncated_rows", "no_extrapolate", "ranks",
               "strengths", "seeds", "folds", "best", "density", "warm", "measures", "side")),
    ("Start", ("init", "seed", "restarts")),
    ("Stopping", ("tol", "max_passes", "max_seconds")),
    ("Penalties", ("l1", "l2", "angular", "smooth", "graph", "target", "target_h", "penalty_scale", "beside_given",
                   "no_diagonal", "prune")),
    ("Constraints", ("upper", "free", "fixed_w", "fixed_h")),
    ("Data", ("source", "force", "layer", "var_mask", "obs_mask", "row_axes", "column_names", "row_names",
              "columns_match", "missing_chunks", "variable_columns")),
    ("Observed entries", ("missing", "mask", "weights", "row_weights", "column_weights", "implicit")),
    ("Where it runs", ("scheduler", "workers", "threads", "memory_limit", "keep", "tls_ca", "tls_cert", "tls_key",
                       "workers_timeout")),
    ("Output", ("top", "watched", "store", "out", "cnmf_files", "overwrite", "resume", "as_json", "quiet", "debug",
                "help")),
)  # fmt: skip
OTHERS = "Other options"


class Grouped(click.Command):
    """A command whose help has its options in groups, each in the order of the table."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the groups that have options."""
        for title, parameters in self.option_groups(ctx):
            with formatter.section(title):
                formatter.write_dl([record for each in parameters if (record := each.get_help_record(ctx))])

    def option_groups(self, ctx: click.Context) -> list[tuple[str, list[click.Option]]]:
        """Return the groups with their options; those that the table lacks come before the output."""
        options = {
            "help" if set(each.opts) & set(ctx.help_option_names) else str(each.name): each
            for each in self.get_params(ctx)
            if isinstance(each, click.Option)
        }
        groups = [(title, [options.pop(name) for name in names if name in options]) for title, names in GROUPS]
        groups.insert(-1, (OTHERS, list(options.values())))
        return [(title, found) for title, found in groups if found]
