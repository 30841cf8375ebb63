"""A worker's memory stays under what the plan projected, for data many times its limit, and nothing spills."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import zarr
from large_stores import write_counts, write_csr, write_cube, write_dense, write_dense_in_large_chunks

import dnmf
from dnmf.cluster import connect
from dnmf.fitting.events import PathPassDone, Planned
from dnmf.memory import Machine, Shape
from dnmf.plan import make_plan

MIB = 2**20
LIMIT = 512 * MIB


def questions():
    """Two functions to ask a worker: the most its process ever had in memory, and the bytes it spilled.

    Defined in here they travel by value: the workers cannot import a test.
    """

    def peak_bytes():
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))

    def spilled(dask_worker):
        return dask_worker.data.spilled_total[0]

    return peak_bytes, spilled


@pytest.fixture
def place(tmp_path):
    """A folder that is emptied at once: its gigabytes should not wait for pytest to clean up."""
    yield tmp_path
    shutil.rmtree(tmp_path, ignore_errors=True)


@pytest.fixture(scope="module")
def uneven_store(tmp_path_factory):
    """A CSR matrix of 261 MiB, for all tests that read it."""
    folder = tmp_path_factory.mktemp("uneven")
    write_csr(folder / "data.zarr", (300_000, 2_000), 100, chunk=2**20)
    yield folder / "data.zarr"
    shutil.rmtree(folder, ignore_errors=True)


def factorize_on_one_worker(source, store, rank, threads=1, limit=LIMIT, passes=2, door=dnmf.fit, **options):
    """Return the model, the plan that was announced and the peak of the one worker, which never restarts."""
    planned = []
    with connect("local", workers=1, threads=threads, memory_limit=limit) as client:
        pids = client.run(os.getpid)
        model = door(
            source, rank, max_passes=passes, tol=0.0, store=store, client=client, callbacks=(planned.append,), **options
        )
        assert client.run(os.getpid) == pids, "the worker was restarted"
        peak_bytes, spilled = questions()
        peak = max(client.run(peak_bytes).values())
        assert max(client.run(spilled).values()) == 0
    plan = next(event for event in planned if isinstance(event, Planned))
    print(f"\nprojected {plan.projected_bytes / MIB:.0f} MiB, peak {peak / MIB:.0f} MiB, {plan.tasks} tasks, "
          f"{plan.panels} panels, passes of {[round(record.seconds, 1) for record in model.history]} s")  # fmt: skip
    return model, plan, peak


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_dense_matrix_four_times_the_limit_stays_under_the_projected_peak(place):
    write_dense(place / "data.zarr", (64_000, 8_000), 1_000, rank=10)
    model, plan, peak = factorize_on_one_worker(place / "data.zarr", place / "run.dnmf", rank=10)
    assert plan.total_bytes == 64_000 * 8_000 * 4
    assert peak <= plan.projected_bytes <= LIMIT
    assert len(model.history) == 2
    assert model.read_W().shape == (64_000, 10)
    assert model.relative_error < 0.2


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", ["dense", "csr"])
def test_data_that_fits_is_kept_and_stays_under_the_projected_peak(place, kind):
    if kind == "dense":
        write_dense(place / "data.zarr", (40_000, 2_000), 1_000, rank=10)
    else:
        write_csr(place / "data.zarr", (200_000, 2_000), 150, chunk=2**20)
    model, plan, peak = factorize_on_one_worker(place / "data.zarr", place / "run.dnmf", 10, limit=1024 * MIB, passes=4)
    assert plan.keeps
    assert [record.from_memory for record in model.history] == [0.0, 1.0, 1.0, 1.0]
    assert peak <= plan.projected_bytes <= 1024 * MIB


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("threads", [1, 2])
def test_a_csr_matrix_of_uneven_rows_stays_under_the_projected_peak(uneven_store, place, threads):
    limit = (400 if threads == 1 else 512) * MIB
    _, plan, peak = factorize_on_one_worker(uneven_store, place / "run.dnmf", 10, threads, limit)
    assert plan.total_bytes > 200 * MIB
    assert plan.panels > 10
    assert peak <= plan.projected_bytes <= limit


@pytest.mark.slow
def test_rows_fifty_times_denser_than_the_others_are_cut_by_their_values_and_stay_under_the_projected_peak(place):
    """A fiftieth of the rows holds half of the values: cut by rows, one panel would be fifty times the others."""
    rows, dense, limit = 400_000, 8_000, 480 * MIB
    write_csr(place / "data.zarr", (rows, 2_000), 8, chunk=2**18, denser=50)
    layout = dnmf.open_source(place / "data.zarr").layout()
    plan = make_plan(layout, Shape(2_000, 10, 4), Machine(1, limit, 190 * MIB))
    panels = [panel for group in plan.groups for panel in group.panels]
    in_dense = [stop - start for start, stop in panels if start < dense]
    in_others = [stop - start for start, stop in panels if start >= dense]
    assert len(panels) / 3 < len(in_dense) < len(panels) * 2 / 3
    assert min(in_others[:-1]) > 10 * max(in_dense[:-1])
    projected, peak, _, _ = factorize_in_a_process(place / "data.zarr", "480 MiB", keep="stream")
    assert peak <= projected <= limit


@pytest.fixture(scope="module")
def counts_store(tmp_path_factory):
    """4.2 GiB of counts, for all tests that read them."""
    folder = tmp_path_factory.mktemp("counts")
    write_counts(folder / "data.zarr", (700_000, 2_000), 400)
    yield folder / "data.zarr"
    shutil.rmtree(folder, ignore_errors=True)


BY_ENTRY = {"counts": {"loss": "kullback-leibler"}, "missing": {"missing": "unstored"}}


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("said", BY_ENTRY)
def test_a_csr_matrix_eight_times_the_limit_whose_entries_are_looked_at_one_by_one(counts_store, place, said):
    more = BY_ENTRY[said]
    _, plan, peak = factorize_on_one_worker(counts_store, place / "run.dnmf", 3, passes=2, init="random", **more)
    assert plan.total_bytes > 8 * LIMIT
    assert peak <= plan.projected_bytes <= LIMIT
    more = {"init": "random", "into": "", "more": more}
    projected, peak, _, _ = factorize_in_a_process(counts_store, "512 MiB", **more, rank=3, passes=1)
    assert peak <= projected <= LIMIT


@pytest.mark.slow
@pytest.mark.parametrize("said", [{"missing": "nan"}, {"missing": "nan", "loss": "kullback-leibler"}], ids=str)
def test_a_dense_matrix_with_holes_stays_under_the_projected_peak(place, said):
    write_dense(place / "data.zarr", (40_000, 2_000), 1_000, rank=10, most_written=40)
    array = zarr.open_array(place / "data.zarr")
    for low in range(0, 40_000, 1_000):
        some = array[low : low + 1_000]
        array[low : low + 1_000] = np.where(np.random.default_rng(low).random(some.shape) < 0.3, np.nan, some)
    projected, peak, _, _ = factorize_in_a_process(place / "data.zarr", "600 MiB", keep="stream", more=said)
    assert peak <= projected


IN_PROCESS = """
import hashlib, json, os, sys
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
import dnmf

planned, (path, limit, init, keep, into, rank, passes, more, seen) = [], sys.argv[1:]
spans = {name: slice(*span) for name, span in json.loads(seen).items()}
scales = {"column_scale": [2.0] * 2_000} if spans else {}
source = dnmf.open_source(path, **spans, **scales)
model = dnmf.fit(source, int(rank), max_passes=int(passes), tol=0.0, **json.loads(more), memory_limit=limit,
                 store=f"{path}{limit}.dnmf" if into else None,
                 init=init, keep=keep, callbacks=(planned.append,))
peak = next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith("VmHWM"))
bits = model.H.tobytes() + model.d.tobytes() + model.read_W().tobytes()
print(planned[0].projected_bytes, peak, len(planned[0].gave_up), hashlib.sha256(bits).hexdigest())
"""


def factorize_in_a_process(
    source, limit, init="auto", keep="auto", into="a store", *, more=None, rank=10, passes=3, seen=None
):
    """Return the projected peak, the peak, how much the plan gave up, and the bits, with two threads at most."""
    command = [sys.executable, "-c", IN_PROCESS, str(source), limit, init, keep, into, str(rank), str(passes),
               json.dumps(more or {}), json.dumps(seen or {})]  # fmt: skip
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    ended = subprocess.run(command, capture_output=True, text=True, check=True, timeout=900, env=environment)
    *numbers, bits = ended.stdout.split()
    projected, peak, gave_up = map(int, numbers)
    print(f"\nprojected {projected / MIB:.0f} MiB, peak {peak / MIB:.0f} MiB")
    return projected, peak, gave_up, bits


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["dense", "csr"])
@pytest.mark.parametrize("seen", [{"columns": (0, 2_000, 2)}, {"rows": (0, 40_000, 3)}, {"columns": (1_999, None, -1)}])
def test_some_rows_and_columns_of_data_stay_under_the_projected_peak(uneven_store, place, kind, seen):
    source = uneven_store if kind == "csr" else place / "data.zarr"
    if kind == "dense":
        write_dense(source, (40_000, 2_000), 1_000, rank=10)
    projected, peak, _, _ = factorize_in_a_process(source, "640 MiB", keep="stream", into="", seen=seen)
    assert peak <= projected


WAYS = {
    "auto": ("auto", "stream", "a store"),
    "random": ("random", "auto", ""),
    "surrogate": ("surrogate", "stream", ""),
    "nndsvda": ("nndsvda", "stream", ""),
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "limit", "ways"),
    [
        ("dense", "480 MiB", WAYS),
        ("csr", "480 MiB", WAYS),
        ("dense", "1 GiB", ["auto", "nndsvda"]),
        ("csr", "1 GiB", ["random", "surrogate"]),
    ],
    ids=lambda said: said if isinstance(said, str) else " ".join(said),
)
def test_a_process_without_a_cluster_stays_under_its_projected_peak(uneven_store, place, kind, limit, ways):
    """Its C library may keep what is freed in a heap for each thread, where a worker has one for all."""
    source = uneven_store if kind == "csr" else place / "data.zarr"
    if kind == "dense":
        write_dense(source, (16_000, 8_000), 1_000, rank=10)
    for way in ways:
        projected, peak, gave_up, _ = factorize_in_a_process(source, limit, *WAYS[way])
        assert peak <= projected
        assert gave_up or limit == "1 GiB"


@pytest.mark.slow
@pytest.mark.parametrize(("init", "more"), [("nndsvd", {}), ("random", {"restarts": 3}), ("random", {"restarts": 12})])
def test_so_it_does_where_the_sums_of_a_start_or_of_several_are_most_of_it(place, init, more):
    write_csr(place / "data.zarr", (20_000, 60_000), 50, chunk=2**20)
    projected, peak, _, bits = factorize_in_a_process(place / "data.zarr", "1 GiB", init, "stream", more=more)
    assert peak <= projected
    if more:  # of twelve not all fit
        assert bits == factorize_in_a_process(place / "data.zarr", "6 GiB", init, "stream", more=more)[-1]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_small_worker_works_through_large_chunks_with_the_same_bits_as_a_large_one(place):
    write_dense_in_large_chunks(place / "data.zarr")
    models, gave_up = [], []
    for threads, limit in ((2, 4096 * MIB), (2, LIMIT), (1, LIMIT)):
        model, plan, peak = factorize_on_one_worker(
            place / "data.zarr", place / f"{threads}-{limit}.dnmf", 10, threads, limit, 3, init="random", keep="stream"
        )
        assert peak <= plan.projected_bytes <= 0.7 * limit
        models.append(model)
        gave_up.append(plan.gave_up)
    assert gave_up[::2] == [(), ()]
    one_thread, *more = gave_up[1]  # what else depends on what the process itself takes
    assert one_thread == "one thread works at a time"
    assert set(more) <= {"freed memory is given back at once"}
    for model in models[1:]:
        assert model.H.tobytes() == models[0].H.tobytes()
        assert model.d.tobytes() == models[0].d.tobytes()
        assert model.read_W().tobytes() == models[0].read_W().tobytes()


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("threads", [1, 2])
def test_a_small_worker_reads_chunks_larger_than_its_memory_in_parts(place, threads):
    write_dense(place / "data.zarr", (100_000, 2_000), 80_000, rank=10)  # 610 MiB
    how = {"rank": 10, "threads": threads, "init": "random", "keep": "stream"}
    model, plan, peak = factorize_on_one_worker(place / "data.zarr", place / "run.dnmf", passes=3, **how)
    assert "chunks are read in parts" in plan.gave_up
    assert peak <= plan.projected_bytes <= 0.7 * LIMIT
    factorize_on_one_worker(place / "data.zarr", place / "again.dnmf", passes=2, **how)
    with connect("local", workers=1, threads=threads, memory_limit=4096 * MIB) as client:
        again = dnmf.resume(place / "again.dnmf", max_passes=3, client=client)
    assert again.H.tobytes() == model.H.tobytes()
    assert again.read_W().tobytes() == model.read_W().tobytes()


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("init", ["auto", "random"])
def test_a_process_with_little_memory_reads_large_chunks_in_parts(place, init):
    write_dense(place / "data.zarr", (100_000, 2_000), 80_000, rank=10)
    projected, peak, gave_up, _ = factorize_in_a_process(place / "data.zarr", "512 MiB", init)
    assert peak <= projected
    assert gave_up > 0


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("init", ["random", "sample"])
def test_a_small_process_works_through_large_chunks(place, init):
    write_dense_in_large_chunks(place / "data.zarr")
    projected, peak, gave_up, _ = factorize_in_a_process(place / "data.zarr", "512 MiB", init)
    assert peak <= projected <= 0.7 * LIMIT
    assert gave_up > 0
    projected, peak, gave_up, _ = factorize_in_a_process(place / "data.zarr", "4 GiB", init, "stream")
    assert peak <= projected
    assert gave_up == 0


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_small_process_finds_the_same_bits_as_one_with_room(place):
    write_dense_in_large_chunks(place / "data.zarr")
    small, roomy = (factorize_in_a_process(place / "data.zarr", limit, "random")[-1] for limit in ("512 MiB", "4 GiB"))
    assert small == roomy


@pytest.mark.slow
def test_a_limit_that_is_too_small_is_refused_with_numbers_before_anything_is_written(tmp_path, client):
    write_dense(tmp_path / "data.zarr", (600, 8_000), 300, rank=3)
    before = sorted(tmp_path.rglob("*"))
    for where in (None, client):
        with pytest.raises(dnmf.BudgetError) as caught:
            dnmf.fit(
                tmp_path / "data.zarr", 5, store=tmp_path / "run.dnmf", client=where, memory_limit="150 MiB"
            )  # fmt: skip
        message = caught.value.args[0]
        for part in (
            "150.0 MiB",
            "105.0 MiB",
            "a panel takes 3.9 MiB",
            "128 rows (a part of a chunk)",
            "a memory limit of",
        ):
            assert part.lower() in message.lower()
    assert sorted(tmp_path.rglob("*")) == before
    assert not client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_path_whose_models_do_not_all_fit_in_one_pass_stays_under_the_projected_peak(place):
    """Each model brings sums of its own: 40 of them at rank 10 with 8,000 columns are too many for half a GiB."""
    write_dense(place / "data.zarr", (16_000, 8_000), 1_000, rank=10)
    events = []
    with connect("local", workers=1, threads=1, memory_limit=LIMIT) as client:
        pids = client.run(os.getpid)
        path = dnmf.path(
            place / "data.zarr", 10, dnmf.Penalty(l2=1.0), np.linspace(0, 0.5, 40), max_passes=2, tol=0.0,
            init="random", measures="cheap", store=place / "path.dnmf", client=client, callbacks=(events.append,),
        )  # fmt: skip
        assert client.run(os.getpid) == pids, "the worker was restarted"
        peak_bytes, spilled = questions()
        peak = max(client.run(peak_bytes).values())
        assert max(client.run(spilled).values()) == 0
    plan = next(event for event in events if isinstance(event, Planned))
    crowd = max(event.models for event in events if isinstance(event, PathPassDone))
    print(f"\nprojected {plan.projected_bytes / MIB:.0f} MiB, peak {peak / MIB:.0f} MiB, {crowd} models in a pass")
    assert peak <= plan.projected_bytes <= LIMIT
    assert 1 < crowd < 39
    assert len(path.rows) == 40


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", ["blocks", "entries"])
def test_what_many_folds_hold_out_stays_under_the_projected_peak(place, kind):
    values = np.random.default_rng(0).random((4_096, 2_000), np.float32)
    if kind == "entries":
        values[::7, ::5] = np.nan
    zarr.create_array(place / "data.zarr", data=values, chunks=(256, 2_000))
    events, asked = [], {"missing": "nan"} if kind == "entries" else {}
    with connect("local", workers=1, threads=2, memory_limit=800 * MIB) as client:
        pids = client.run(os.getpid)
        dnmf.ranks(
            place / "data.zarr", [2, 3], folds=20, seeds=2, max_passes=2, store=place / "ranks.dnmf", client=client,
            callbacks=(events.append,), keep="stream", **asked,
        )  # fmt: skip
        assert client.run(os.getpid) == pids, "the worker was restarted"
        peak_bytes, _ = questions()
        peak = max(client.run(peak_bytes).values())
    plan = next(event for event in events if isinstance(event, Planned))
    print(f"\nprojected {plan.projected_bytes / MIB:.0f} MiB, peak {peak / MIB:.0f} MiB")
    assert peak <= plan.projected_bytes <= 800 * MIB


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("row_axes", [0, 1, (2, 0)])
def test_slabs_along_any_axis_stay_under_the_projected_peak(place, row_axes):
    shape, chunks = (240, 1_600, 1_000), (60, 40, 25)  # 1.4 GiB
    array = zarr.create_array(place / "data.zarr", shape=shape, chunks=chunks, dtype="f4")
    for start in range(0, shape[0], 60):
        array[start : start + 60] = np.random.default_rng(start).random((60, *shape[1:]), np.float32)
    limit = (3_000 if row_axes == 0 else 800) * MIB  # whose columns are 1.6 million
    with_axes = {"row_axes": row_axes, "init": "random"}
    _, plan, peak = factorize_on_one_worker(place / "data.zarr", place / "run.dnmf", 2, limit=limit, **with_axes)
    assert peak <= plan.projected_bytes <= limit


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("rows", "chunks", "limit"),
    [(288_000, (40, 60, 50), 400 * MIB), (400_000, (8_000, 6, 50), 560 * MIB)],
    ids=["along the long axis", "along the short axes"],
)
def test_cp_of_an_array_eight_times_the_limit_stays_under_the_projected_peak(place, rows, chunks, limit):
    write_cube(place / "data.zarr", (rows, 60, 50), chunks, rank=4)
    model, plan, peak = factorize_on_one_worker(place / "data.zarr", place / "run.dnmf", 4, limit=limit, door=dnmf.cp)
    assert plan.total_bytes >= 8 * limit
    assert peak <= plan.projected_bytes <= limit
    assert model.reads <= 4
    assert model.relative_error < 0.01
