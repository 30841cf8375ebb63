"""Schedulers that speak TLS: who belongs to them works there, and who does not is told so in one sentence."""

import json
import re
import shutil
import socket
import subprocess
import threading
from contextlib import contextmanager
from http.server import HTTPServer, SimpleHTTPRequestHandler

import dask
import numpy as np
import pytest
import zarr
from command_line import call
from distributed import LocalCluster
from distributed.security import Security

import dnmf
from dnmf.cluster import Certificates, connect
from dnmf.connections.clients import client_at

KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="certificates are made by openssl")


def certificates_in(folder):
    """A private CA and one certificate of it."""

    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    openssl("req", "-x509", *KEY, "-subj", "/CN=private CA", "-keyout", "ca-key.pem", "-out", "ca.pem")
    openssl("req", *KEY, "-subj", "/CN=dask", "-keyout", "key.pem", "-out", "cert.csr")
    openssl("x509", "-req", "-in", "cert.csr", "-CA", "ca.pem", "-CAkey", "ca-key.pem", "-CAcreateserial",
            "-out", "cert.pem")  # fmt: skip
    return folder


def files(ours, theirs=None):
    theirs = theirs or ours
    return Certificates(f"{ours}/ca.pem", f"{theirs}/cert.pem", f"{theirs}/key.pem")


@contextmanager
def cluster(**options):
    with LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None, host="127.0.0.1", **options
    ) as started:
        yield started.scheduler_address


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "a.zarr"
    zarr.create_array(path, data=np.random.default_rng(0).random((60, 8), dtype=np.float32), chunks=(20, 8))
    return path


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    return certificates_in(tmp_path_factory.mktemp("ours"))


@pytest.fixture(scope="module")
def foreign(tmp_path_factory):
    return certificates_in(tmp_path_factory.mktemp("foreign"))


@pytest.fixture(scope="module")
def encrypted(ours):
    security = Security(
        tls_ca_file=f"{ours}/ca.pem", require_encryption=True,
        **{f"tls_{role}_{what}": f"{ours}/{what}.pem" for role in ("scheduler", "worker", "client")
           for what in ("cert", "key")},
    )  # fmt: skip
    with cluster(protocol="tls://", security=security) as address:
        yield address


@pytest.fixture(scope="module")
def in_the_clear():
    with cluster(protocol="tcp://") as address:
        yield address


def options(given):
    return [part for name, path in vars(given).items() for part in (f"--tls-{name}", path)]


@pytest.mark.slow
def test_a_fit_on_a_cluster_with_certificates_has_the_bits_of_one_in_process(tmp_path, data, encrypted, ours):
    fit = ("fit", data, "--rank", 2, "--max-passes", 3)
    there = call(*fit, "--store", tmp_path / "tls.dnmf", "--scheduler", encrypted, *options(files(ours)))
    assert there.exit_code == 0, there.output
    assert call(*fit, "--store", tmp_path / "here.dnmf").exit_code == 0
    found, expected = dnmf.load(tmp_path / "tls.dnmf"), dnmf.load(tmp_path / "here.dnmf")
    assert np.array_equal(found.H, expected.H)
    assert np.array_equal(found.read_W(), expected.read_W())


def test_certificates_come_from_daskes_configuration_too(encrypted, ours):
    named = {f"client.{what}": f"{ours}/{what}.pem" for what in ("cert", "key")} | {"ca-file": f"{ours}/ca.pem"}
    with (
        dask.config.set({f"distributed.comm.tls.{name}": file for name, file in named.items()}),
        connect(encrypted) as client,
    ):
        assert client.status == "running"


def test_the_key_may_be_in_the_file_of_the_certificate(tmp_path, encrypted, ours):
    both = tmp_path / "both.pem"
    both.write_text((ours / "key.pem").read_text() + (ours / "cert.pem").read_text())
    with connect(encrypted, certificates=Certificates(f"{ours}/ca.pem", str(both))) as client:
        assert client.status == "running"


STRANGERS = {
    "no certificates": (
        lambda ours, foreign: None,
        "tls",
        "is an address for TLS, and there are no certificates here: give",
    ),
    "no TLS": (lambda ours, foreign: None, "tcp", "speaks TLS: give its address as tls://…, and give the files"),
    "a foreign CA": (lambda ours, foreign: files(foreign), "tls", "is not one of the CA in .*ca.pem"),
    "a foreign certificate": (files, "tls", "refuses the certificate .*cert.pem"),
    "TLS without it": (lambda ours, foreign: files(ours), "tcp", "is not encrypted, and encryption is asked for"),
}


@pytest.mark.parametrize(("given", "scheme", "told"), STRANGERS.values(), ids=STRANGERS.keys())
def test_a_stranger_is_refused_in_a_sentence_and_no_client_is_made(
    encrypted, ours, foreign, given, scheme, told, monkeypatch
):
    monkeypatch.setattr("dnmf.connections.clients.Client", lambda *_, **__: pytest.fail("it would wait, and complain"))
    address = encrypted.replace("tls://", f"{scheme}://")
    with pytest.raises(dnmf.ClusterError, match=told) as refused:
        client_at(address, given(ours, foreign))
    assert "\n" not in str(refused.value)


def test_a_refused_certificate_is_told_where_all_that_was_met_is_a_connection_that_was_reset(
    encrypted, ours, foreign, monkeypatch
):
    async def reset(*_):
        raise ConnectionResetError(104, "Connection reset by peer")

    monkeypatch.setattr("dnmf.connections.knock._ask", reset)
    with pytest.raises(dnmf.ClusterError, match=STRANGERS["a foreign certificate"][2]):
        client_at(encrypted, files(ours, foreign))
    with pytest.raises(dnmf.ClusterError, match="no scheduler answers at .*reset by peer"):
        client_at(encrypted, files(ours))


def test_a_scheduler_without_TLS_says_so(in_the_clear, ours):
    with pytest.raises(dnmf.ClusterError, match="does not speak TLS: give the address as tcp://"):
        client_at(in_the_clear.replace("tcp://", "tls://"), files(ours))


@pytest.mark.slow
def test_what_listens_and_is_no_scheduler_is_told_from_nobody(monkeypatch):
    monkeypatch.setattr("dnmf.connections.clients.CONNECT_TIMEOUT_S", 1)
    server = HTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with pytest.raises(dnmf.ClusterError, match=f"127.0.0.1:{server.server_port} does not answer as a scheduler"):
            client_at(f"tcp://127.0.0.1:{server.server_port}")
    finally:
        server.shutdown()
        server.server_close()


def test_a_worker_is_not_taken_for_its_scheduler(in_the_clear):
    with connect(in_the_clear) as client:
        worker = next(iter(client.nthreads()))
    with pytest.raises(dnmf.ClusterError, match="is no scheduler but another part of a cluster"):
        client_at(worker)


@pytest.mark.parametrize("name", ["ca", "cert", "key"])
def test_a_file_that_is_not_there_is_named(encrypted, ours, name):
    wrong = Certificates(**{**vars(files(ours)), name: f"{ours}/gone.pem"})
    with pytest.raises(dnmf.InputError, match=r"gone\.pem: the file of a certificate cannot be read.*\(--tls-ca, "):
        client_at(encrypted, wrong)


def test_a_file_of_dasks_configuration_that_is_not_there_is_named_as_one_of_it(encrypted):
    with (
        dask.config.set({"distributed.comm.tls.ca-file": "gone.pem"}),
        pytest.raises(dnmf.InputError, match=r"gone\.pem: .* cannot be read.*distributed\.comm\.tls.* from the root"),
    ):
        client_at(encrypted)


@pytest.mark.parametrize(
    "address",
    [
        "tcp://h:99999", "tcp://h:87a6", "tcp://[::1", "tls://h", "tcp://:8786", "http://127.0.0.1:1",
        "tcp://300.1.2.3:8786", "tcp://a..b:8786", "tls://[fe80::zz]:8786", f"tcp://{'a' * 70}:8786", "tcp://my host:1",
        "foo://127.0.0.1:1",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused_at_once(address, monkeypatch):
    monkeypatch.setattr("dnmf.connections.knock.connect", lambda *_, **__: pytest.fail("it was looked for"))
    with pytest.raises(dnmf.ClusterError, match=f"{re.escape(address)} is no address of a scheduler"):
        client_at(address)


@pytest.mark.parametrize(
    "address", ["tls://host:8786?token=SECRET", "https://host?token=SECRET", "tcp://a:SECRET@host:8786"]
)
def test_secrets_in_what_is_no_address_are_not_shown(address):
    with pytest.raises(dnmf.ClusterError, match="://host(:8786)? was given with a user, a password or a query"):
        client_at(address)


def test_an_address_without_a_scheme_speaks_tls_to_who_has_certificates(encrypted, in_the_clear, ours):
    with client_at(encrypted.partition("://")[2], files(ours)) as client:
        assert client.status == "running"
    with client_at(in_the_clear.partition("://")[2]) as client:
        assert client.status == "running"


def test_files_that_do_not_belong_together_are_named(encrypted, ours, foreign):
    wrong = Certificates(f"{ours}/ca.pem", f"{ours}/cert.pem", f"{foreign}/key.pem")
    with pytest.raises(dnmf.InputError, match=r"key\.pem: no CA, certificate and key that belong together"):
        client_at(encrypted, wrong)


def test_the_command_line_says_it_in_a_line(tmp_path, data, encrypted, foreign):
    file = tmp_path / "scheduler.json"
    file.write_text(json.dumps({"address": encrypted}))
    for more, told in (([], "there are no certificates here"), (options(files(foreign)), "is not one of the CA")):
        ended = call("fit", data, "--rank", 1, "--store", tmp_path / "s.dnmf", "--scheduler", file, *more)
        assert ended.exit_code == 1
        assert told in ended.stderr
        assert len(ended.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--tls-ca", "ca.pem"], "for a running scheduler"),
        (["--workers-timeout", 5], "for a running scheduler"),
        (["--scheduler", "local", "--tls-ca", "ca.pem"], "for a running scheduler"),
        (["--scheduler", "tls://h:1", "--tls-cert", "a.pem"], "belong together"),
        (["--scheduler", "tls://h:1", "--tls-key", "a.pem"], "belong together"),
        (["--scheduler", "tls://h:1", "--tls-ca", ""], "belong together"),
    ],
)
def test_options_that_lead_nowhere_are_refused(tmp_path, data, more, told):
    ended = call("fit", data, "--rank", 1, "--store", tmp_path / "s.dnmf", *more)
    assert ended.exit_code == 2
    assert told in ended.stderr


def test_seconds_that_are_no_number_are_refused_before_a_scheduler_is_asked(tmp_path, data):
    where = ("--scheduler", "tcp://127.0.0.1:1", "--workers-timeout", "nan")
    ended = call("fit", data, "--rank", 1, "--store", tmp_path / "s.dnmf", *where)
    assert ended.stderr == "dnmf: error: --workers-timeout nan: a finite number of seconds above 0\n"


@pytest.mark.parametrize(("name", "what"), [("ca", "CA"), ("cert", "certificate"), ("key", "key")])
def test_certificates_of_variables_that_are_not_set_are_refused(tmp_path, data, encrypted, ours, name, what):
    named = options(Certificates(**{**vars(files(ours)), name: ""}))
    ended = call("fit", data, "--rank", 1, "--store", tmp_path / "s.dnmf", "--scheduler", encrypted, *named)
    assert ended.exit_code == 1
    assert f"the path of the {what} is empty" in ended.stderr


def test_a_cluster_in_this_process_needs_no_encryption(ours):
    with (
        dask.config.set({"distributed.comm.require-encryption": True}),
        LocalCluster(n_workers=0, processes=False, dashboard_address=None, protocol="inproc://") as here,
        connect(here.scheduler_address) as client,
    ):
        assert client.status == "running"


def test_who_waits_for_a_worker_says_how_long(tmp_path, data):
    with LocalCluster(n_workers=0, processes=False, dashboard_address=None) as empty:
        ended = call("fit", data, "--rank", 1, "--store", tmp_path / "s.dnmf",
                     "--scheduler", empty.scheduler_address, "--workers-timeout", 0.5)  # fmt: skip
    assert ended.exit_code == 1
    assert "has no worker after 0.5 s" in ended.stderr


def test_an_address_nobody_listens_at(monkeypatch):
    monkeypatch.setattr("dnmf.connections.clients.CONNECT_TIMEOUT_S", 1)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        with pytest.raises(dnmf.ClusterError, match="no scheduler answers at .*start one with: dask scheduler"):
            client_at(f"tcp://127.0.0.1:{taken.getsockname()[1]}")
