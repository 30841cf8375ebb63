"""What the C library keeps of freed memory, as far as a plan has to know, and when it is told to keep none."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest

import dnmf
from dnmf.giving_way import Pace
from dnmf.measures import kmeans_centres
from dnmf.memory import Machine, Shape
from dnmf.passes import allocator
from dnmf.passes.allocator import MAPPED_BYTES, GivingBack, can_give_back, give_back_freed, kept_when_freed
from dnmf.passes.allocator import MOST_KEPT_BYTES as MOST
from dnmf.passes.threads import InProcess
from dnmf.passes.visit import visit_group
from dnmf.passes.visitors.given import UseGivenRows
from dnmf.passes.work import Work
from dnmf.passes.workers import OnCluster
from dnmf.plan import Group, make_plan
from dnmf.schemes.rehearsal import Kernels
from dnmf.sources import open_source

MIB = 2**20


@pytest.fixture
def begun_with(monkeypatch):
    """Says with which environment this process began."""

    def say(environment):
        monkeypatch.setattr(allocator, "started_with", lambda: environment)

    return say


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        (None, MOST),
        ("65536", 65536),
        (str(2**40), MOST),
        ("", MOST),
        ("no", MOST),
    ],
)
def test_no_more_is_counted_than_the_variable_lets_the_library_keep(begun_with, setting, expected):
    begun_with({} if setting is None else {"MALLOC_TRIM_THRESHOLD_": setting})
    assert kept_when_freed() == expected


def test_the_tunables_of_the_library_count_as_its_variables_do(begun_with):
    begun_with({"GLIBC_TUNABLES": "glibc.malloc.arena_max=2:glibc.malloc.trim_threshold=65536"})
    assert kept_when_freed() == 65536


def test_a_process_whose_environment_was_written_over_asks_the_one_it_has(monkeypatch):
    monkeypatch.setattr(allocator.Path, "read_bytes", lambda _: b"dask worker\0")
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "65536")
    assert kept_when_freed() == 65536


@pytest.mark.slow
def test_variables_count_as_they_were_when_the_process_began():
    code = "import os; os.environ['MALLOC_TRIM_THRESHOLD_'] = '65536'\n"
    code += "from dnmf.passes.allocator import *; print(kept_when_freed())"
    environment = {name: text for name, text in os.environ.items() if not name.startswith("MALLOC_")}
    printed = subprocess.check_output([sys.executable, "-c", code], env=environment, text=True)
    assert int(printed) == (MOST if Path("/proc/self/environ").exists() else 65536)


def test_freed_memory_goes_back_to_the_system():
    arrays = [np.ones(10_000) for _ in range(2000)]  # 160 MB in pieces that no library maps by themselves
    full = psutil.Process().memory_info().rss
    del arrays
    give_back_freed()
    assert psutil.Process().memory_info().rss < full - 100 * MIB


MAKE_AND_FREE = """
import threading
import numpy as np, psutil
from dnmf.passes.allocator import GivingBack

def resident_after(mib):
    freed, end = threading.Event(), threading.Event()
    def make_and_free():
        for _ in range(2):
            np.ones(mib * 2**17)
        freed.set()
        end.wait()
    thread = threading.Thread(target=make_and_free)
    thread.start()
    freed.wait()
    resident = psutil.Process().memory_info().rss
    end.set()
    thread.join()
    return resident

resident_after(1)
with GivingBack().during(wanted=True):
    for mib in (4, 12, 30):
        before = psutil.Process().memory_info().rss
        print(resident_after(mib) - before)
"""


FAULTS = """
import resource, sys
import numpy as np
from dnmf.passes.allocator import keep_freed

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

if sys.argv[1] == "kept":
    keep_freed()

def five():
    some = [np.ones(300_000) for _ in range(5)]

five()  # as of a pass before
before = faults()
for _ in range(20):
    five()
print((faults() - before) * resource.getpagesize() / (20 * 5 * 8 * 300_000))
"""


@pytest.mark.slow
@pytest.mark.skipif(not can_give_back(), reason="the C library has no mallopt")
def test_arrays_that_are_alike_have_the_pages_of_those_before(tmp_path):
    def share_of_new_pages(said):
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
        command = [sys.executable, "-c", FAULTS, said]
        return float(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)

    assert share_of_new_pages("as it was") > 0.5
    assert share_of_new_pages("kept") < 0.3


@pytest.mark.slow
@pytest.mark.skipif(not can_give_back(), reason="the C library has no mallopt")
def test_freed_arrays_of_a_thread_that_lives_on_go_back_while_that_is_asked_for():
    printed = subprocess.check_output([sys.executable, "-c", MAKE_AND_FREE], text=True)  # nobody else is there
    assert all(int(left) < 2 * MIB for left in printed.split())


@pytest.fixture
def settings(monkeypatch, begun_with):
    """What the C library is told, in place of telling it."""
    begun_with({})
    told = []
    monkeypatch.setattr(allocator, "_set", lambda _, value: told.append(value))
    return told


def test_freed_arrays_go_back_until_the_last_who_needs_it_is_done(settings):
    giving_back = GivingBack()
    with giving_back.during(wanted=True):
        with giving_back.during(wanted=True), giving_back.during(wanted=False):
            assert settings == [MAPPED_BYTES] * 2
        assert settings == [MAPPED_BYTES] * 2
    assert settings[2:] == [MOST // 2, MOST]


def test_who_does_not_need_it_changes_nothing(settings):
    with GivingBack().during(wanted=False):
        pass
    assert settings == []


def test_afterwards_the_variables_of_the_library_hold_again(settings, begun_with):
    begun_with({"MALLOC_MMAP_THRESHOLD_": "1048576", "MALLOC_TRIM_THRESHOLD_": "65536"})
    with pytest.raises(KeyError), GivingBack().during(wanted=True):
        raise KeyError
    assert settings[2:] == [1048576, 65536]


@pytest.mark.parametrize(("variable", "afterwards"), [("MALLOC_MMAP_THRESHOLD_", [2**20, 2**17]),
                                                      ("MALLOC_TRIM_THRESHOLD_", [2**17, 2**20])])  # fmt: skip
def test_a_library_that_is_told_one_size_does_not_come_to_keep_more_by_itself(
    settings, begun_with, variable, afterwards
):
    begun_with({variable: str(2**20)})
    assert kept_when_freed() == afterwards[1]
    with GivingBack().during(wanted=True):
        pass
    assert settings[2:] == afterwards


A = np.random.default_rng(0).random((600, 40)).astype(np.float32)
DOORS = {
    "fit": lambda limit: dnmf.fit(A, 4, max_passes=2, memory_limit=limit),
    "path": lambda limit: dnmf.path(A, 4, dnmf.Penalty(l1=1.0), [0.1], max_passes=2, measures="cheap",
                                    memory_limit=limit),
    "transform": lambda limit: dnmf.fit(A, 4, max_passes=2).transform(A, memory_limit=limit),
    "k-means": lambda limit: kmeans_centres(A, 4, max_passes=2, memory_limit=limit),
}  # fmt: skip


def little_memory(executor, memory_bytes, kernels):
    """A machine with a limit that leaves no room for what is freed; without a limit there is room for all."""
    del kernels
    return Machine(executor.threads, memory_bytes or 2**40, 0, starts=True, freed_bytes=200 * MIB, gives_back=True)


@pytest.mark.parametrize("door", DOORS)
def test_what_is_planned_to_give_freed_memory_back_does_so_while_it_works(settings, monkeypatch, door):
    told_in_passes, add_up = [], InProcess.add_up

    def noting(*given):
        told_in_passes.append(len(settings))
        return add_up(*given)

    monkeypatch.setattr(InProcess, "machine", little_memory)
    monkeypatch.setattr(InProcess, "add_up", noting)
    DOORS[door]("100MiB")
    assert told_in_passes[-1] == 2
    assert len(settings) == 4


@pytest.mark.parametrize("gives_back", [False, True])
def test_a_task_sees_to_it_wherever_it_works(settings, gives_back):
    group, rows = Group(0, 600, ((0, 600),), Pace(gives_back=gives_back)), np.ones((600, 1))
    visit_group(open_source(A), group, Work((UseGivenRows(1),), "float64"), rows)
    assert len(settings) == (4 if gives_back else 0)


@pytest.fixture
def workers_begun_with(client):
    """Says with which environment the workers began."""

    def say(environment):
        from dnmf.passes import allocator

        before, allocator.started_with = allocator.started_with, environment
        return before

    before = next(iter(client.run(say, None).values()))
    yield lambda environment: client.run(say, lambda: environment)
    client.run(say, before)


def test_workers_are_asked_what_they_keep(client, workers_begun_with):
    for told, expected in ((2**16, 2**16), (2**20, 2**20), (2**40, MOST)):
        workers_begun_with({"MALLOC_TRIM_THRESHOLD_": str(told)})
        machine = OnCluster(client).machine(None, Kernels(4, "float32"))
        assert machine.freed_bytes == (expected if can_give_back() else 0)
        assert machine.gives_back == (can_give_back() and expected > MAPPED_BYTES)


def test_the_caller_of_workers_keeps_what_it_frees(settings, client):
    plan = make_plan(open_source(A).layout(), Shape(40, 4, 4), Machine(1, 2**30, 0))
    for executor, told in ((OnCluster(client), 0), (InProcess(), 4)):
        with executor.giving_back(replace(plan, gives_back=True)):
            pass
        assert len(settings) == told
