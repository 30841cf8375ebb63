"""cNMF from counts to a consensus, step by step: run by the interpreter of an environment that has it.

``PYTHON cnmf_peer.py COUNTS.h5ad FOLDER JOB.json`` prints wall and CPU seconds of each step as JSON.
"""

import contextlib
import json
import resource
import sys
import time
from importlib.metadata import version
from pathlib import Path

import matplotlib as mpl
from cnmf import cNMF
from cnmf.cnmf import load_df_from_npz


def main() -> None:
    """Run what the job says."""
    counts, folder, job = sys.argv[1], sys.argv[2], json.loads(Path(sys.argv[3]).read_text())
    mpl.use("Agg")
    found, took = cNMF(output_dir=folder, name="peer"), {}

    def timed(name, work):
        began, used = time.perf_counter(), _cpu_s()
        with contextlib.redirect_stdout(sys.stderr):
            work()
        took[name] = {"wall_s": time.perf_counter() - began, "cpu_s": _cpu_s() - used}

    timed("prepare", lambda: found.prepare(
        counts, components=job["ranks"], n_iter=job["seeds"], seed=0, num_highvar_genes=job["genes"]
    ))  # fmt: skip
    timed("factorize", found.factorize)
    timed("combine", found.combine)
    timed("k_selection_plot", lambda: found.k_selection_plot(close_fig=True))
    timed("consensus", lambda: found.consensus(job["rank"], 0.5, show_clustering=False, close_clustergram_fig=True))
    stats = load_df_from_npz(found.paths["k_selection_stats"])
    of_rank = stats[stats.k == job["rank"]].iloc[0]
    print(json.dumps({
        "steps": took, "silhouette": float(of_rank.silhouette), "squares_left": float(of_rank.prediction_error),
        "silhouettes": stats.silhouette.tolist(), "version": version("cnmf"),
    }))  # fmt: skip


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
