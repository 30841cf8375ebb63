"""What is said of how a run goes on is what really goes on: with the same scheduler, workers, certificates, modules."""

import shlex
import signal
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import zarr
from command_line import call, records

import dnmf
from dnmf.errors import ChangedError, CheckpointError, ClusterError, Interrupted
from dnmf.fitting.events import Started
from dnmf.signals import StopAfterPass

OPTIONS = {
    "nothing": ((), ""),
    "workers": (("--workers", 2), " --scheduler local --workers 2"),
    "threads": (("--threads", 3, "--memory-limit", "4GB"), " --scheduler local --threads 3 --memory-limit 4000000000"),
    "an address": (("--scheduler", "tcp://host:8786"), " --scheduler tcp://host:8786"),
    "patience": (
        ("--scheduler", "host:8786", "--workers-timeout", 0.5),
        " --scheduler host:8786 --workers-timeout 0.5",
    ),
    "a file": (("--scheduler", "of mine.json"), " --scheduler 'of mine.json'"),
    "certificates": (
        ("--scheduler", "tls://host:8786", "--tls-ca", "my ca.pem", "--tls-cert", "it's.pem", "--tls-key", "key.pem"),
        " --scheduler tls://host:8786 --tls-ca 'my ca.pem' --tls-cert 'it'\"'\"'s.pem' --tls-key key.pem",
    ),
}


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """Where clusters were asked for; the work is done in this process."""
    monkeypatch.chdir(tmp_path)
    zarr.create_array("a.zarr", data=np.random.default_rng(0).random((20, 6)))
    (tmp_path / "of mine.json").write_text('{"address": "tcp://host:8786"}')
    found = []

    @contextmanager
    def connect(*where, **more):
        found.append((where, more))
        yield None

    monkeypatch.setattr("dnmf.cluster.connect", connect)
    return found


class Stopped(StopAfterPass):
    """As if a signal had come before the first pass."""

    def __init__(self, *given):
        super().__init__(*given)
        self.signum = signal.SIGTERM


def lose(monkeypatch, error):
    """Have passes fail."""

    def fail(*_, **__):
        raise error

    for room in ("dnmf.run", "dnmf.restarts", "dnmf.studies.waves"):
        monkeypatch.setattr(f"{room}.run_until_last", fail)


ENDS = {
    "lost": lambda patch: lose(patch, ClusterError("the cluster was lost")),
    "changed": lambda patch: lose(patch, ChangedError("a.zarr: changed")),
    "stopped": lambda patch: patch.setattr("dnmf.cli.work.StopAfterPass", Stopped),
}
FITS = {
    "fit": ("fit", "a.zarr", "--rank", 2),
    "path": ("path", "a.zarr", "--rank", 2, "--l1", 1, "--strengths", "0,1"),
}
STORE = "my run's.dnmf"


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("fit", FITS)
@pytest.mark.broad(1)
def test_the_command_that_is_said_goes_on_where_the_fit_ran(asked, monkeypatch, fit, end, options):
    given, expected = OPTIONS[options]
    with monkeypatch.context() as patch:
        ENDS[end](patch)
        done = call(*FITS[fit], "--store", STORE, "--max-passes", 2, *given)
    assert done.exit_code == (75 if end == "stopped" else 1), done.output
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("dnmf: ")]
    said = line[line.index("dnmf resume") :].partition("; with force")[0]
    store = STORE if end == "stopped" else str(Path(STORE).absolute())  # as errors name it
    assert said == f"dnmf resume {shlex.quote(store)}{expected}"
    again = call(*shlex.split(said)[1:])
    assert again.exit_code == 0, again.output
    assert asked == asked[:1] * 2 if given else not asked


def test_so_is_the_one_under_other_limits(asked):
    done = call(*FITS["fit"], "--store", STORE, "--max-passes", 1, "--tol", 0, "--workers", 2)
    assert f"dnmf resume {shlex.quote(STORE)} --max-passes 2 --scheduler local --workers 2" in done.output


LINE = "WORKERS=3 'my jobs/run.sh' a.zarr run.dnmf --rank 2"


@pytest.mark.parametrize("end", ENDS)
def test_a_script_that_makes_a_cluster_for_the_fit_is_what_goes_on(asked, monkeypatch, end):
    monkeypatch.setenv("DNMF_GO_ON", LINE)
    ENDS[end](monkeypatch)
    done = call(*FITS["fit"], "--store", STORE, "--scheduler", "of mine.json")
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("dnmf: ")]
    assert LINE in line
    assert "dnmf resume" not in line


def test_it_goes_on_under_other_limits_too(asked, monkeypatch):
    monkeypatch.setenv("DNMF_GO_ON", LINE)
    done = call(*FITS["fit"], "--store", STORE, "--max-passes", 1, "--tol", 0, "--scheduler", "of mine.json")
    assert f"{LINE} --max-passes 2\n" in done.output
    assert "dnmf resume" not in done.output


def test_what_only_looks_at_a_run_knows_of_no_script(asked, monkeypatch):
    call(*FITS["fit"], "--store", STORE, "--max-passes", 1, "--tol", 0)
    monkeypatch.setenv("DNMF_GO_ON", LINE)
    assert f"dnmf resume {shlex.quote(str(Path(STORE)))} --max-passes 2" in call("status", STORE).output


def test_modules_are_imported_again(asked, monkeypatch):
    lose(monkeypatch, ClusterError("lost"))
    done = call("--import", "json", *FITS["fit"], "--store", "a.dnmf", "--json")
    assert f"go on with: dnmf --import json resume {Path('a.dnmf').absolute()}" in records(done)[-1]["message"]


@pytest.mark.parametrize(
    ("door", "more", "call_again"),
    [
        (dnmf.fit, {}, "dnmf.resume"),
        (dnmf.fit, {"restarts": 2}, "dnmf.resume"),
        (dnmf.path, {"penalty": dnmf.Penalty(l1=1.0), "strengths": [0.0]}, "dnmf.resume_path"),
    ],
)
def test_in_python_it_is_a_call(tmp_path, monkeypatch, door, more, call_again):
    lose(monkeypatch, ChangedError("changed"))
    store = tmp_path / STORE
    with pytest.raises(ChangedError) as found:
        door(np.eye(20, 6), rank=2, store=store, **more)
    assert f"go on with {call_again}({str(store)!r}); with force" in str(found.value)


def test_so_it_is_of_a_run_that_is_loaded_before_it_is_finished(tmp_path):
    for door, load, call_again in (
        (dnmf.fit, dnmf.load, "dnmf.resume"),
        (partial(dnmf.path, penalty=dnmf.Penalty(l1=1.0), strengths=[0.0]), dnmf.load_path, "dnmf.resume_path"),
    ):
        store = tmp_path / f"{door is dnmf.fit} {STORE}"
        with pytest.raises(Interrupted) as stopped:
            door(np.eye(20, 6), rank=2, store=store, callbacks=[stop_after_the_start])
        assert str(stopped.value) == "stopped"
        with pytest.raises(CheckpointError, match="is not finished") as found:
            load(store)
        assert str(found.value).endswith(f"; go on with: {call_again}({str(store)!r})")


def stop_after_the_start(event):
    if isinstance(event, Started):
        raise Interrupted(signal.SIGTERM, "stopped")
