"""What the C library keeps of freed memory, as far as a plan has to know, and when it is told to keep none."""

import threading

import numpy as np
import psutil
import pytest

import dnmf
from dnmf.measures import kmeans_centres
from dnmf.memory import Machine
from dnmf.passes import allocator
from dnmf.passes.allocator import MAPPED_BYTES, GivingBack, can_give_back, give_back_freed, kept_when_freed
from dnmf.passes.allocator import MOST_KEPT_BYTES as MOST
from dnmf.passes.threads import InProcess

MIB = 2**20


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
def test_no_more_is_counted_than_the_variable_lets_the_library_keep(monkeypatch, setting, expected):
    if setting is None:
        monkeypatch.delenv("MALLOC_TRIM_THRESHOLD_", raising=False)
    else:
        monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", setting)
    assert kept_when_freed() == expected


def test_freed_memory_goes_back_to_the_system():
    arrays = [np.ones(10_000) for _ in range(2000)]  # 160 MB in pieces that no library maps by themselves
    full = psutil.Process().memory_info().rss
    del arrays
    give_back_freed()
    assert psutil.Process().memory_info().rss < full - 100 * MIB


def resident_after_freeing(bytes_of_array: int) -> int:
    """The memory of this process after arrays were made and freed in a thread that lives on."""
    freed, end = threading.Event(), threading.Event()

    def make_and_free():
        for _ in range(2):
            np.ones(bytes_of_array // 8)
        freed.set()
        end.wait()

    thread = threading.Thread(target=make_and_free)
    thread.start()
    freed.wait()
    resident = psutil.Process().memory_info().rss
    end.set()
    thread.join()
    return resident


@pytest.mark.skipif(not can_give_back(), reason="the C library has no mallopt")
@pytest.mark.parametrize("mib", [4, 12, 30])
def test_freed_arrays_of_any_thread_go_back_while_that_is_asked_for(mib):
    with GivingBack().during(wanted=True):
        before = psutil.Process().memory_info().rss
        assert resident_after_freeing(mib * MIB) < before + 2 * MIB


@pytest.fixture
def settings(monkeypatch):
    """What the C library is told, in place of telling it."""
    for _, variable, _ in allocator.SETTINGS:
        monkeypatch.delenv(variable, raising=False)
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


def test_afterwards_the_variables_of_the_library_hold_again(settings, monkeypatch):
    monkeypatch.setenv("MALLOC_MMAP_THRESHOLD_", "1048576")
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "65536")
    with pytest.raises(KeyError), GivingBack().during(wanted=True):
        raise KeyError
    assert settings[2:] == [1048576, 65536]


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
