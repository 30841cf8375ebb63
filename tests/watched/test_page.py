"""The tab of the dashboard: what it draws, and that a browser shows it while a fit goes on."""

import asyncio
import threading

import numpy as np
import pytest
from browser import open_page
from distributed import Client, LocalCluster
from example_events import PLANNED, a_pass, the_end

import dnmf
from dnmf.fitting.events import PassDone, PassProgress, Started
from dnmf.watched.feed import told_of
from dnmf.watched.figures import OVER_PLAN, Curves, Memory
from dnmf.watched.runs import Runs
from dnmf.watched.table import color_of, table

WORKER = {"address": "tcp://a:1", "name": "a", "status": "running", "memory_bytes": 2**27, "limit_bytes": 2**31}


def runs_of(*told, **more):
    """Runs by their names, each with its events."""
    runs = Runs()
    for name, events in [("a", told), *more.items()]:
        facts = {"type": "facts", "source": f"/data/{name}.zarr", "rank": 20, "host": "here", "pid": 7}
        runs.hear({"run": name, "client": "c", "told": [facts, *map(told_of, events)]}, at=0.0)
    return list(runs)


def test_the_table_says_all_of_a_run():
    events = PLANNED, Started("sample", 0.2), a_pass(3), PassProgress("pass", 4, 999, 2700, 60.0)
    (run,) = runs_of(*events)
    run.workers_gone = 2
    shown = table([run])
    for text in ("a.zarr", "2,700 × 32,738, rank 20", "0.3481", "0 of 20", "3.2", "pass 4: 37 %, about 2 min left",
                 "width:37.0%", "process 7 on here", ">2<", color_of(run)):  # fmt: skip
        assert text in shown
    assert "tasks again" not in shown
    run.passes[-1]["tasks_again"] = 5
    assert "5 tasks again" in table([run])
    run.hear({"type": "standing", "workers": 0, "seconds": 4.0, "limit_s": 120.0})
    assert "stands still" in table([run])


def test_the_table_says_how_runs_ended_and_what_none_is():
    done, failed, left = runs_of(the_end(3), b=[], c=[])
    failed.hear({"type": "failed", "error": "ClusterError"})
    left.status = "left"
    shown = table([done, failed, left])
    for text in ("done (tol)", "ended: ClusterError", "its process is gone"):
        assert text in shown
    assert shown.index("its process is gone") < shown.index("done (tol)")  # the newest first
    assert "No fit has been told of" in table([])


HTML = "<img src=x onerror=alert(1)>"


def test_nothing_that_others_told_is_html():
    ended, going = runs_of(PLANNED, a_pass(3), b=[PLANNED, a_pass(3), PassProgress("pass", 4, 999, 2700, 60.0)])
    ended.hear({"type": "failed", "error": HTML})
    for run in ended, going:
        run.facts.update(source=HTML, host=HTML, pid=HTML, rank=HTML, models=HTML)
        run.passes[-1].update(number=HTML, alive=HTML, relative_error=HTML, reads=HTML)
    going.now.update(what=HTML, number=HTML)
    shown = table([ended, going])
    assert "&lt;img" in shown
    assert "cannot be shown" not in shown
    assert "<img" not in shown


def test_a_run_that_cannot_be_shown_leaves_the_others_in_the_table():
    good, odd = runs_of(a_pass(3), odd=[])
    odd.plan = {"shape": ["<b>"]}
    shown = table([good, odd])
    assert shown.index("odd.zarr") < shown.index("cannot be shown") < shown.index("0.3481")


def test_lines_go_by_passes_that_were_taken_back_and_crosses_show_them():
    curves = Curves()
    curves.show(runs_of(a_pass(1), a_pass(2, accepted=False), a_pass(3), b=[a_pass(1)]))
    lines, points = (dict(source.data) for source in (curves._lines, curves._points))
    assert [list(xs) for xs in lines["x_error"]] == [[1.2, 3.2], [1.2]]
    assert [list(xs) for xs in lines["x_speed"]] == [[1.2, 2.2, 3.2], [1.2]]
    assert list(points["marker"]) == ["circle", "x", "circle", "circle"]
    assert len(set(lines["color"])) == 2


@pytest.mark.parametrize("value", [0.0, 1e-300, 0.3, float("nan"), 1e300])
def test_axes_hold_every_value(value):
    curves = Curves()
    (run,) = runs_of(a_pass(1), a_pass(2))
    run.passes[1].update(relative_error=value, gradient=value)
    curves.show([run])
    for name in ("error", "gradient"):
        shown = curves.figures[name].y_range
        assert 0 <= shown.start < shown.end < float("inf")
        if value > 0:
            assert shown.start <= value <= shown.end


def test_workers_stand_beside_the_plan_of_runs_that_go_on():
    memory, runs = Memory(), runs_of(PLANNED)
    memory.show([WORKER, {**WORKER, "memory_bytes": 2**29}], runs)
    assert memory._bars.data["color"][1] == OVER_PLAN != memory._bars.data["color"][0]
    assert "256.0 MiB planned (orange: above it); limit 2.0 GiB" in memory.figure.xaxis[0].axis_label
    (line,) = memory._needs.values()
    assert (line.location, line.visible) == (2**28, True)
    runs[0].hear({"type": "finished"})
    memory.show([WORKER], runs)
    assert (line.visible, memory._needs) == (False, {})
    memory.show([{**WORKER, "address": f"tcp://a:{port}"} for port in range(200)], runs)
    assert "200 workers" in memory.figure.xaxis[0].axis_label


def test_pictures_are_drawn_whatever_was_told():
    runs = Runs()
    odd = {"reads": "a lot", "relative_error": [1], "alive": HTML, "bytes_read": {}, "seconds": "1", "number": [HTML]}
    told = [{"type": "planned", "projected_bytes": "much"}, {"type": "pass", **odd}, {"type": "pass", "reads": 1.0}]
    runs.hear({"run": "a", "client": "c", "told": told}, at=0.0)
    Curves().show(list(runs))
    Memory().show([WORKER], list(runs))
    assert "cannot be shown" not in table(list(runs))


POINTS = "Bokeh.documents[0].get_model_by_name('points').data['x'].length"
ROW = "Bokeh.documents[0].get_model_by_name('runs').text"


@pytest.mark.slow
def test_a_browser_sees_the_curve_grow_and_has_nothing_to_complain_of(tmp_path):
    begin, go_on = threading.Event(), threading.Event()

    def hold(event):
        if isinstance(event, PassDone) and event.record.number == 3:
            begin.set()
            go_on.wait(120)

    def fit(client):
        A = np.random.default_rng(0).random((300, 30))
        dnmf.fit(A, 3, client=client, max_passes=6, tol=0, callbacks=[hold], store=tmp_path / "<i>.dnmf")

    async def watch(url):
        async with open_page(url) as page:
            few = await page.until(f"typeof Bokeh != 'undefined' && Bokeh.documents.length && {POINTS}")
            assert "&lt;i&gt;.dnmf" in await page.evaluate(ROW)
            go_on.set()
            await page.until(f"{POINTS} == 6")
            assert few < 6
            await page.until(f"{ROW}.includes('done (max_passes)')")
            for width in (1440, 820, 420):
                await page.resize(width, 900)
                await page.until(f"innerWidth == {width} && document.body.scrollWidth <= {width}")
            return page

    options = {"n_workers": 1, "threads_per_worker": 1, "processes": False, "dashboard_address": "127.0.0.1:0"}
    with LocalCluster(**options) as cluster, Client(cluster, set_as_default=False) as client:
        fitting = threading.Thread(target=fit, args=(client,))
        fitting.start()
        try:
            assert begin.wait(120)
            page = asyncio.run(watch(f"http://127.0.0.1:{cluster.scheduler.http_server.port}/nmf"))
        finally:
            go_on.set()
            fitting.join(120)
    assert page.complaints == []
    assert {address.split("/")[2].split(":")[0] for address in page.fetched if "//" in address} == {"127.0.0.1"}
