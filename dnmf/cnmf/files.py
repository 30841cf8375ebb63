"""What was found, in the files of cNMF: its names, its layouts, so that its own loaders read them."""

import glob
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from dnmf.api import fit
from dnmf.arguments import whole
from dnmf.cnmf.tables import Frame, Labels
from dnmf.constraints import Constraints
from dnmf.ensembles.consensus_result import Consensus
from dnmf.ensembles.ranks_result import Ranks
from dnmf.errors import InputError
from dnmf.fitting.apply import by_rows
from dnmf.fitting.events import Callback
from dnmf.fitting.meter import as_part
from dnmf.locations import local_path
from dnmf.measures import Spectra, spectra
from dnmf.model import Model
from dnmf.refusals import in_words
from dnmf.resources import checked_callbacks
from dnmf.sources import Source, open_source
from dnmf.sources.columns import places_of_names
from dnmf.sources.names import names_of, names_to_show

INNER = "cnmf_tmp"  # of the folder: what cNMF itself reads again
PER = 1e6  # what the spectra of a reference for starCAT add up to
NO_DENSITY = 2.0  # at which nothing is left out, as in the statistics of ranks


def write(
    found: Consensus, folder: Any, tpm: Any = None, *, top: int = 100, overwrite: bool = False, client: Any = None,
    memory_limit: Any = None, callbacks: Sequence[Callback] = (),
) -> Path:  # fmt: skip
    """Write a consensus in the files of cNMF 1.7, and return their folder.

    ``cNMF(output_dir="out", name="pbmc").load_results(9, 0.5)`` reads what was written to ``out/pbmc``. Components are
    called 1, 2, …, those of the largest share of all rows first. Tables are made in memory: W in float64 has to fit.

    Parameters
    ----------
    found : Consensus
        What :func:`dnmf.consensus` returned.
    folder : path
        ``OUTPUT_DIR/NAME``, as cNMF calls these; made where it is not there.
    tpm : optional
        All columns of the rows, each row brought to one total: ``prepare(…).tpm``. Spectra are then found in these
        units, in one read; from them usages once more, as cNMF does, in a read or two of the columns that were fitted.
        Without it only usages and spectra in the units of the fit are written.
    top : int
        How many columns of each component are in the table of those with the largest score.
    overwrite : bool
        Whether files that are there are replaced.
    client, memory_limit, callbacks
        As in :func:`dnmf.fit`.

    Raises
    ------
    InputError
        Files are there already, `tpm` does not have the rows and columns of the fit, or the folder cannot be written.
    BudgetError
        A worker's memory cannot hold what the work needs.

    Examples
    --------
    >>> import numpy as np, dnmf, tempfile
    >>> A = np.random.default_rng(0).poisson(np.kron(np.eye(2), np.full((30, 8), 4.0)) + 0.1)
    >>> prepared = dnmf.cnmf.prepare(A, 12)
    >>> agreed = dnmf.consensus(prepared.counts, 2, seeds=4)
    >>> written = dnmf.cnmf.write(agreed, f"{tempfile.mkdtemp()}/blocks", prepared.tpm)
    >>> sorted(path.name for path in written.glob("*usages*"))
    ['blocks.usages.k_2.dt_0_5.consensus.txt']
    """
    top = whole("top", top, least=1)
    files = Files.of_consensus(folder, found.rank, found.asked.density)
    files.refuse_there(overwrite=overwrite)
    found = _largest_first(found)
    tables, stats, genes = {}, {}, None
    if tpm is not None:
        where = {"client": client, "memory_limit": memory_limit}
        opened = by_rows(open_source(tpm))
        places = _places(found, opened)
        callbacks = checked_callbacks(callbacks)
        elsewhere = spectra(found, opened, **where, callbacks=callbacks)
        usages = _refitted(found, opened, places, elsewhere, {**where, "callbacks": as_part(callbacks, "measure")})
        genes = _labels(opened.column_names(), opened.shape[1])
        tables = _in_other_units(elsewhere, places, genes, top)
        stats = {"tpm_stats": Frame(np.column_stack([elsewhere.mean, elsewhere.deviation]), genes, ["__mean", "__std"])}
        genes = genes[places]
    else:
        usages = found.read_W() * found.d
        genes = _labels(found.column_names, found.shape[1])
    rows = _labels(found.row_names, found.shape[0])
    tables["usages.{}.consensus"] = Frame(usages.astype(np.float64), rows, _numbers(found.rank))
    tables["spectra.{}.consensus"] = Frame(found.H.astype(np.float64), _numbers(found.rank), genes)
    files.refuse_other_genes(genes, overwrite=overwrite)
    files.write(tables, {**stats, **_of_models(found, genes)}, genes)
    return files.folder


def write_k_selection(found: Ranks, folder: Any, *, overwrite: bool = False) -> Path:
    """Write stability and error of each rank as cNMF's ``k_selection_plot`` does, and return the folder.

    The silhouette is the stability of :class:`dnmf.Ranks`, over components that are matched between seeds, and the
    error the sum of the squares that the best model of the rank leaves.

    Parameters
    ----------
    found : Ranks
        What :func:`dnmf.ranks` returned.
    folder, overwrite
        As in :func:`write`.

    Raises
    ------
    InputError
        The file is there already, or cannot be written.
    """
    files = Files.of_ranks(folder)
    files.refuse_there(overwrite=overwrite)
    rows = [(row.rank, NO_DENSITY, row.stability, 2 * found.model(row.rank).history[-1].loss) for row in found.rows]
    names = ["k", "local_density_threshold", "silhouette", "prediction_error"]
    files.write_selection(Frame(np.array(rows), np.arange(len(rows)), names))
    return files.folder


class Files:
    """The names of the files of one result in a folder ``OUTPUT_DIR/NAME``.

    Parameters
    ----------
    folder : pathlib.Path
        Where they are.
    which : str
        What tells the result from others there; empty for statistics of ranks.
    """

    def __init__(self, folder: Path, which: str):
        self.folder, self.name, self.which = folder, folder.name, which
        self._selection = folder / f"{self.name}.k_selection_stats.df.npz"
        self._genes = folder / f"{self.name}.overdispersed_genes.txt"

    @classmethod
    def of_consensus(cls, folder: Any, rank: int, density: float) -> "Files":
        """Return those of a consensus."""
        return cls(local_path(folder, "folder"), f"k_{rank}.dt_{str(float(density)).replace('.', '_')}")

    @classmethod
    def of_ranks(cls, folder: Any) -> "Files":
        """Return those of the statistics of ranks."""
        return cls(local_path(folder, "folder"), "")

    def refuse_there(self, *, overwrite: bool) -> None:
        """Refuse to replace files of this result that are there, where nobody wants that.

        Raises
        ------
        InputError
            There are some.
        """
        pattern = f"{glob.escape(self.name)}.*.{self.which}.*txt"  # the name of a folder may have brackets
        there = list(self.folder.glob(pattern)) if self.which else []
        there += [] if self.which or not self._selection.exists() else [self._selection]
        if there and not overwrite:
            raise InputError(
                f"{min(there)}: exists already; choose another folder, or replace such files with overwrite=True "
                "(--overwrite)"
            )

    def refuse_other_genes(self, genes: np.ndarray, *, overwrite: bool) -> None:
        """Refuse a folder of results of other genes, of which there is one list, where nobody wants it replaced.

        Raises
        ------
        InputError
            It is one.
        """
        if overwrite or not self._genes.exists():
            return
        there = self._genes.read_text(encoding="utf-8").split("\n")
        if there != genes.tolist():
            raise InputError(
                f"{self._genes}: lists {len(there):,} genes, which are not the {len(genes):,} of this fit; choose a "
                "folder for results of these genes, or replace the list with overwrite=True (--overwrite)"
            )

    def write(self, tables: dict[str, Frame], inner: dict[str, Frame], genes: np.ndarray) -> None:
        """Write tables as text and as arrays, and those that are arrays only, with the list of the fitted columns."""
        with self._writing():
            for kind, frame in tables.items():
                frame.to_text(self.folder / f"{self.name}.{kind.format(self.which)}.txt")
            for kind, frame in {**tables, **inner}.items():
                frame.to_npz(self.folder / INNER / f"{self.name}.{kind.format(self.which)}.df.npz")
            self._genes.write_text("\n".join(genes.tolist()), encoding="utf-8")

    def write_selection(self, frame: Frame) -> None:
        """Write the statistics of ranks."""
        with self._writing():
            frame.to_npz(self._selection)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            (self.folder / INNER).mkdir(parents=True, exist_ok=True)
            yield
        except OSError as error:
            raise InputError(f"{self.folder}: cannot be written ({in_words(error)}); choose another folder") from error


def _labels(names: Any, count: int) -> np.ndarray:
    """Names of rows or columns; their numbers where there are none."""
    found = names_to_show(names_of(names))
    return np.arange(count).astype(str) if found is None else found


def _numbers(rank: int) -> Labels:
    return np.arange(1, rank + 1)


def _largest_first(found: Consensus) -> Consensus:
    """The same with its components by their share of rows, each row counting alike."""
    total = np.zeros(found.rank)
    for start in range(0, found.shape[0], found.chunk_rows):
        usages = found.read_W(start, start + found.chunk_rows) * found.d
        sums = usages.sum(axis=1, keepdims=True)
        total += np.divide(usages, sums, out=np.zeros_like(usages), where=sums > 0).sum(axis=0)
    ordered = found.reordered(np.argsort(-total, kind="stable"))
    assert isinstance(ordered, Consensus), "what is made of a consensus is one"
    return ordered


def _places(model: Model, source: Source) -> np.ndarray:
    """Which columns of other data are those of the fit: as the fit saw them, or else by name."""
    names, known = (names_to_show(names_of(each)) for each in (source.column_names(), model.column_names))
    seen, n = np.arange(model.shape[1]) if model.view.columns is None else model.view.columns, source.shape[1]
    there = seen.max(initial=-1) < n
    if names is not None and known is not None:
        return seen if there and np.array_equal(names[seen], known) else places_of_names(source, model.column_names)
    if not there:
        raise InputError(f"{source.address}: has {n} columns, the fit saw column {seen.max()}; give all columns")
    return seen


def _refitted(model: Model, tpm: Source, places: np.ndarray, elsewhere: Spectra, where: dict[str, Any]) -> np.ndarray:
    """Usages of the spectra in other units, from the columns of the fit, each of unit variance."""
    deviation = np.where(elsewhere.deviation > 0, elsewhere.deviation, 1.0)
    scaled = open_source(tpm, columns=places, column_scale=deviation)
    wanted = elsewhere.counts[:, places] / deviation[places]
    total = wanted.sum(axis=1)
    alive = total > 0
    usages = np.zeros((model.shape[0], model.rank))
    given = Constraints(fixed_H=wanted[alive])
    refit = fit(scaled, int(alive.sum()), constraints=given, dtype=model.options.dtype, max_passes=1, **where)
    usages[:, alive] = refit.read_W() * (refit.d / total[alive])
    return usages


def _in_other_units(elsewhere: Spectra, places: np.ndarray, genes: np.ndarray, top: int) -> dict[str, Frame]:
    """Spectra in the units of other data, and what is made of them."""
    counts, score, k = elsewhere.counts, elsewhere.score, len(elsewhere.counts)
    deviation = np.where(elsewhere.deviation > 0, elsewhere.deviation, np.inf)
    sums = counts.sum(axis=1, keepdims=True)
    reference = np.divide(counts * PER, sums, out=np.zeros_like(counts), where=sums > 0) / deviation
    best = np.argsort(-score, axis=1, kind="stable")[:, :top]
    return {
        "gene_spectra_tpm.{}": Frame(counts, _numbers(k), genes),
        "gene_spectra_score.{}": Frame(score, _numbers(k), genes),
        "starcat_spectra.{}": Frame(reference[:, places], [f"GEP{q}" for q in _numbers(k)], genes[places]),
        "top_genes.{}": Frame(genes[best].T, np.arange(best.shape[1]), _numbers(k)),
    }


def _of_models(found: Consensus, genes: np.ndarray) -> dict[str, Frame]:
    """The components of the models that count, and how near each is to others."""
    names = [f"iter{seed}_topic{q}" for seed in found.counted for q in _numbers(found.rank)]
    return {
        f"spectra.k_{found.rank}.merged": Frame(found.spectra, names, genes),
        f"local_density_cache.k_{found.rank}.merged": Frame(found.distances[:, None], names, ["local_density"]),
    }
