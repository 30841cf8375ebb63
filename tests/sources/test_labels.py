"""What is given beside the data with labels of its own has those of the data, in their order, or is refused."""

import numpy as np
import pytest
import zarr

import dnmf
from dnmf import Constraints, Penalty, measures
from dnmf.plots.frames import take_frames
from dnmf.sources.stored_factor import StoredFactor

pd = pytest.importorskip("pandas")
xarray = pytest.importorskip("xarray")
anndata = pytest.importorskip("anndata")
h5py = pytest.importorskip("h5py")

M, N = 12, 6
ROWS, COLUMNS = [f"r{at}" for at in range(M)], [f"g{at}" for at in range(N)]
A = np.random.default_rng(0).random((M, N)) + 0.1
DATA = pd.DataFrame(A, index=ROWS, columns=COLUMNS)
H, W = np.random.default_rng(1).random((2, N)), np.random.default_rng(2).random((M, 2))
GRAPH = np.diag(np.arange(1.0, N), 1) + np.diag(np.arange(1.0, N), -1)

OVER_COLUMNS = {
    "a frame": lambda labels: pd.DataFrame(H, columns=labels),
    "a DataArray": lambda labels: xarray.DataArray(H, dims=("k", "gene"), coords={"gene": labels}),
    "an AnnData": lambda labels: anndata.AnnData(H, var=pd.DataFrame(index=list(map(str, labels)))),
}
ONE_OVER_COLUMNS = {
    "a series": lambda labels: pd.Series(H[0], index=labels),
    "a DataArray of one": lambda labels: xarray.DataArray(H[0], dims=("gene",), coords={"gene": labels}),
}
OVER_ROWS = {
    "a frame": lambda labels: pd.DataFrame(W, index=labels),
    "a DataArray": lambda labels: xarray.DataArray(W, dims=("cell", "k"), coords={"cell": labels}),
    "an AnnData": lambda labels: anndata.AnnData(W, obs=pd.DataFrame(index=list(map(str, labels)))),
}
ONE_OVER_ROWS = {"a series": lambda labels: pd.Series(W[:, 0], index=labels)}


def fit(data=DATA, rank=2, **options):
    return dnmf.fit(data, rank, max_passes=1, **options)


def constrained(data=DATA, **given):
    return fit(data, 3, constraints=Constraints(**given))


def pulled(data=DATA, **given):
    return fit(data, penalty=Penalty(target=1.0), constraints=Constraints(**given))


def smoothed(graph, data=DATA):
    return fit(data, penalty=Penalty(smooth=0.5), constraints=Constraints(graph=graph))


def started(**given):
    return dnmf.NMF(2, init="custom", max_iter=1, tol=0).fit(DATA, **given)


def path_from(given):
    return dnmf.path(DATA, 2, Penalty(l1=1.0), [0], H=given, max_passes=1, measures="cheap")


def doors(takers, kinds):
    return [pytest.param(take, make, id=f"{door}, {kind}") for door, take in takers for kind, make in kinds.items()]


TAKE_COLUMNS = [
    *doors([("fixed_H", lambda given: constrained(fixed_H=given))], OVER_COLUMNS | ONE_OVER_COLUMNS),
    *doors([("alike", lambda given: measures.alike(fit(), given))], ONE_OVER_COLUMNS),
    *doors(
        [
            ("target_H", lambda given: pulled(target_H=given)),
            ("H of fit", lambda given: fit(H=given)),
            ("H of path", path_from),
            ("H of the estimator", lambda given: started(H=given)),
            ("match", lambda given: measures.match(fit(), given, "H")),
            ("similarity", lambda given: measures.similarity(fit(), given)),
        ],
        OVER_COLUMNS,
    ),
]
TAKE_ROWS = [
    *doors([("fixed_W", lambda given: constrained(fixed_W=given))], OVER_ROWS | ONE_OVER_ROWS),
    *doors(
        [
            ("fixed_W of transform", lambda given: constrained(fixed_W=W).transform(DATA, fixed_W=given)),
            ("fixed_W of an error", lambda given: measures.relative_error(constrained(fixed_W=W), DATA, fixed_W=given)),
            ("W of fit", lambda given: fit(W=given)),
            ("W of the estimator", lambda given: started(W=given)),
            ("match", lambda given: measures.match(fit(), given, "W")),
        ],
        OVER_ROWS,
    ),
]


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(("take", "make"), TAKE_COLUMNS)
@pytest.mark.broad(4)
def test_columns_of_what_is_given_are_those_of_the_data(take, make):
    take(make(COLUMNS))
    take(make(range(N)))  # a count says no more than the place
    with pytest.raises(dnmf.InputError, match=r"column 0 is named '(g5', in .* 'g0'|g0', in .* 'g5')"):
        take(make(COLUMNS[::-1]))


@pytest.mark.broad(3)
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(("take", "make"), TAKE_ROWS)
def test_rows_of_what_is_given_are_those_of_the_data(take, make):
    take(make(ROWS))
    take(make(range(M)))
    with pytest.raises(dnmf.InputError, match=r"row 0 is named '(r11', in .* 'r0'|r0', in .* 'r11')"):
        take(make(ROWS[::-1]))


TURNED = COLUMNS[::-1]
GRAPHS = {
    "both turned": (TURNED, TURNED, "graph for .*: column 0 is named 'g5', in the data 'g0'"),
    "its rows turned": (TURNED, COLUMNS, "graph: column 0 is named 'g0', in its rows 'g5'"),
    "its columns turned": (COLUMNS, TURNED, "graph: column 0 is named 'g5', in its rows 'g0'"),
}


@pytest.mark.parametrize("case", GRAPHS)
def test_a_graph_has_the_columns_of_the_data_on_both_sides(case):
    rows, columns, refused = GRAPHS[case]
    smoothed(pd.DataFrame(GRAPH, COLUMNS, COLUMNS))
    with pytest.raises(dnmf.InputError, match=refused):
        smoothed(pd.DataFrame(GRAPH, rows, columns))


def test_what_is_given_side_by_side_is_compared_where_the_data_has_no_names():
    one, two = OVER_COLUMNS["a frame"](COLUMNS), OVER_COLUMNS["a DataArray"](TURNED)
    with pytest.raises(dnmf.InputError, match="target_H: column 0 is named 'g5', in fixed_H 'g0'"):
        Constraints(fixed_H=one[:1], target_H=two)
    with pytest.raises(dnmf.InputError, match="graph: column 0 is named 'g5', in target_H 'g0'"):
        Constraints(target_H=one, graph=pd.DataFrame(GRAPH, TURNED, TURNED))


@pytest.mark.slow
def test_a_matrix_used_as_its_transpose_has_the_same_rows_and_columns(tmp_path):
    import scipy.sparse

    names = {"obs": pd.DataFrame(index=ROWS), "var": pd.DataFrame(index=COLUMNS)}
    anndata.AnnData(scipy.sparse.csc_matrix(A), **names).write_zarr(tmp_path / "csc.zarr")
    data = tmp_path / "csc.zarr"
    assert constrained(data, fixed_H=OVER_COLUMNS["a frame"](COLUMNS)).rank == 3
    for given in ({"fixed_H": OVER_COLUMNS["a frame"](TURNED)}, {"fixed_W": OVER_ROWS["a frame"](ROWS[::-1])}):
        with pytest.raises(dnmf.InputError, match="0 is named"):
            constrained(data, **given)
    with pytest.raises(dnmf.InputError, match="row 0 is named"):
        fit(data, W=OVER_ROWS["a frame"](ROWS[::-1]))


@pytest.mark.broad(1)
@pytest.mark.parametrize("side", ["W", "H", "both"])
def test_models_of_other_names_are_not_compared(side):
    turned = DATA.iloc[::-1, ::-1]
    assert measures.match(fit(), fit(A), side).cosines.shape == (2,)  # one of them has no names
    with pytest.raises(dnmf.InputError, match="0 is named"):
        measures.match(fit(), fit(turned), side)
    with pytest.raises(dnmf.InputError, match="0 is named"):
        measures.similarity(fit(), fit(turned), "W" if side == "W" else "H")


@pytest.mark.parametrize("side", ["W", "H"])
def test_models_of_other_names_are_not_drawn_as_one_path(side):
    with pytest.raises(dnmf.InputError, match="0 is named"):
        take_frames({0.0: fit(), 1.0: fit(DATA.iloc[::-1, ::-1])}, side)


def stored_result(folder):
    fit().transform(DATA, out=folder / "W.zarr")
    return StoredFactor(folder / "W.zarr")


def opened_result(folder):
    fit().transform(DATA, out=folder / "W.zarr")
    return zarr.open_array(folder / "W.zarr")


def in_anndata(folder):
    anndata.AnnData(A, obs=pd.DataFrame(index=ROWS), obsm={"W": W}).write_zarr(folder / "a.zarr")
    return zarr.open_group(folder / "a.zarr")["obsm/W"]


def in_h5ad(folder):
    anndata.AnnData(A, obs=pd.DataFrame(index=ROWS), obsm={"W": W}).write_h5ad(folder / "a.h5ad")
    return h5py.File(folder / "a.h5ad")["obsm/W"]


@pytest.mark.broad(1)
@pytest.mark.parametrize("make", [stored_result, opened_result, in_anndata, in_h5ad])
def test_a_start_in_a_store_has_the_names_that_are_kept_there(make, tmp_path):
    stored = make(tmp_path)
    assert fit(W=stored).rank == 2
    with pytest.raises(dnmf.InputError, match="row 0 is named 'r0', in the data 'r11'"):
        fit(DATA[::-1], W=stored)
    with pytest.raises(dnmf.InputError, match="row 0 is named"):
        measures.match(fit(DATA[::-1]), stored, "W")


def test_a_start_in_a_store_without_names_has_none(tmp_path):
    stored = zarr.create_array(tmp_path / "W.zarr", data=W)
    np.testing.assert_array_equal(fit(W=stored).H, fit(W=W).H)


@pytest.mark.slow
def test_a_sparse_matrix_on_disk_is_taken_whole_or_not_at_all(tmp_path):
    import scipy.sparse

    anndata.AnnData(scipy.sparse.csr_matrix(H)).write_zarr(tmp_path / "H.zarr")
    given = anndata.io.sparse_dataset(zarr.open_group(tmp_path / "H.zarr")["X"])
    np.testing.assert_array_equal(Constraints(fixed_H=given).fixed_H, H)
    next(path for path in (tmp_path / "H.zarr" / "X" / "data").rglob("*") if path.name in ("0", "1")).unlink()
    with pytest.raises(dnmf.InputError, match="missing"):
        Constraints(fixed_H=given)
