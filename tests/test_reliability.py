"""The page on reliability names what is there, its tables are those that were measured, and what measures works."""

import random
import re
from pathlib import Path

import pytest
from breadth import quickly

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "reliability.md"


@pytest.fixture(autouse=True)
def benchmarks_can_be_imported(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))


def test_the_page_has_a_line_for_each_fault():
    found = re.findall(r"^\| F(\d+) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(map(int, found)) == list(range(1, 31))


def test_the_files_that_the_page_names_are_there():
    said = re.findall(r"`((?:[\w/]+/)?[\w/]+\.(?:py|md)|tests/\w+)`", PAGE.read_text(encoding="utf-8"))
    assert len(said) > 30
    names = {path.name for path in ROOT.glob("tests/faults/*.py")}
    assert [name for name in said if not (ROOT / name).exists() and name not in names] == []


def test_the_commands_that_the_page_names_are_there():
    said = set(re.findall(r"python -m benchmarks\.(\w+)", PAGE.read_text(encoding="utf-8")))
    assert {"kills", "hosts", "many_passes"} <= said
    assert [name for name in said if not (ROOT / "benchmarks" / f"{name}.py").exists()] == []


PAGES = ("reliability.md", "scaling.md", "decisions/0051-graphs-task-by-task.md")  # the last takes the plan of 100 TB


@pytest.mark.parametrize("name", quickly(PAGES[:2], of=PAGES))
def test_the_tables_of_a_page_are_those_of_the_committed_records(name):
    from benchmarks import reliability_page

    page = (ROOT / "docs" / name).read_text(encoding="utf-8")
    assert reliability_page.with_tables(page) == page


def test_of_the_committed_kills_none_led_to_a_wrong_result():
    from benchmarks import reliability_page

    cases = reliability_page.read("kills")["cases"].values()
    assert sum(one["kills"] for one in cases) >= 200
    assert [one for one in cases if one["wrong"] or one["hung"] or one["left"]] == []


def test_sums_and_h_are_what_a_pass_sends():
    from benchmarks.traffic_model import Messages, traffic

    sent = traffic(10, 2000, visits=5, workers=3, messages=Messages(100, 0, 10))
    of_sums, of_h, tasks = 8 * 10 * 2011, 4 * 10 * 2000, 5 + 2 + 1  # four visits and the fifth, and H
    assert sent.to_workers == 4 * of_sums + 3 * of_h + 10 * tasks
    assert sent.to_scheduler == of_sums + of_h + 100 * tasks
    assert sent.from_scheduler == of_sums + of_h


def looks(*seen, left=0):
    """A record of what processes held: at each pass MiB and open files of the scheduler."""

    def one(number, mib, files):
        all_alike = {name: {"mib": mib, "files": files, "threads": 1} for name in ("scheduler", "workers", "driver")}
        return {"pass": number, **all_alike}

    return {"tasks_left": left, "looks": [one(*each) for each in seen]}


def test_what_grows_or_is_left_is_told():
    from benchmarks.many_passes import faults_of

    assert faults_of(looks((5, 80, 5), (20, 100, 10), (50, 104, 10), (198, 97, 12))) == []
    assert faults_of(looks((20, 100, 10), (50, 106, 10))) == [
        "the scheduler has 106 MiB at pass 50, where it was 100 at pass 20"
    ]
    assert len(faults_of(looks((20, 100, 10), (50, 100, 20), left=3))) == 4  # the tasks, and files of three


def test_without_being_root_there_are_no_hosts_and_it_is_said_in_a_sentence(monkeypatch, capsys):
    from benchmarks import hosts, namespaces

    monkeypatch.setattr(namespaces.shutil, "which", lambda name: f"/usr/sbin/{name}")
    monkeypatch.setattr(namespaces.os, "geteuid", lambda: 1000)
    with pytest.raises(SystemExit) as refused:
        hosts.main([])
    assert refused.value.code == 1
    assert capsys.readouterr().err == (
        "python -m benchmarks.hosts: hosts are made of network namespaces, which only root may make: run this as root\n"
    )


class Said:
    """A fit that told of some passes."""

    def __init__(self, *numbers):
        self.numbers = numbers

    def passes(self):
        return [{"number": number} for number in self.numbers]


def test_a_pass_that_comes_again_after_it_was_told_of_is_a_wrong_result():
    from benchmarks.kills import Case, Course

    class Arena:
        expected = staticmethod(lambda case: "bits")

    course = Course(Arena(), Case("dense", "frobenius", "driver", 3), random.Random(0))
    for fit in (Said(1, 2), Said(), Said(3, 4)):
        course.look(fit)
    assert course.tally.wrong == 0
    course.look(Said(4, 5))
    assert course.tally.wrong == 1


def test_visits_that_were_done_twice_are_what_keeping_them_would_have_saved():
    from benchmarks.passes_page import kept_table

    course = {"every_s": 2.0, "passes": 1, "seconds": 8.0, "kills": 4, "again": 12, "in_hand": 6, "visits": 190}
    none = {**course, "passes": 0, "seconds": 0.0}
    record = {
        "environment": {"date": "today", "python": "3", "processors": 2}, "workers": 4, "visits": 80, "sleep_s": 0.2,
        "begin_s": 20.0, "kill_s": 40.0,
        "courses": [
            {**course, "way": "as it is", "needed": 160}, {**none, "way": "visits", "needed": 190},
            {**course, "way": "fours", "needed": 152},
        ],
    }  # fmt: skip
    assert kept_table(record).splitlines()[-1] == (
        "| 2 | 8.0 | – | 8.0 | 2.0 | 6.0 | 3.0 | 15.0 (19%) | 0.0 (0%) | 20.0 (25%) |"
    )


@pytest.mark.slow
@pytest.mark.parametrize("way", ["as it is", "visits", "fours"])
def test_passes_with_kept_parts_do_every_visit_once(tmp_path, way):
    from benchmarks.kept_parts import MEMORY, WORKERS, Spell, run
    from benchmarks.real_cluster import RealCluster

    with RealCluster(tmp_path, WORKERS, MEMORY) as cluster:
        course = run(cluster, way, None, Spell(0.1, 600.0, 8))
    assert (course.passes, course.visits, course.needed, course.kills) == (1, 8, 8, 0)


@pytest.mark.slow
def test_the_cpu_of_a_pass_is_that_of_its_processes(tmp_path):
    from benchmarks.scheduler_cpu import ROOT, measure

    (taken,) = measure(ROOT, tmp_path, 40, 1)
    for name in ("client", "scheduler"):
        assert 0 <= taken[f"{name}_start_s"] <= taken[f"{name}_s"]


@pytest.mark.slow
def test_a_driver_is_killed_and_its_fit_compared(tmp_path):
    from benchmarks.kills import Arena, Case, run

    tally = run(Arena(tmp_path, 4_000, 60, 6), Case("sparse", "frobenius", "driver", 1), 0)
    assert (tally.kills, tally.wrong, tally.hung, tally.said) == (1, 0, 0, [])
