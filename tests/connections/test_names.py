"""Names of schedulers that lead to no host, yet or for ever."""

import socket

import pytest
from distributed import LocalCluster

import dnmf
from dnmf.connections import clients, knock
from dnmf.connections.clients import client_at


@pytest.fixture
def names(monkeypatch):
    """What names lead to, by how often they have been asked for; those that are none of these as ever."""
    found, ask = {}, socket.getaddrinfo

    def answer(host, *more, **named):
        if host in found:
            host = found[host].pop(0) if len(found[host]) > 1 else found[host][0]
            if host is None:
                raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return ask(host, *more, **named)

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    return found


def test_a_name_that_comes_later_is_waited_for_with_a_word(names, caplog):
    names["scheduler"] = [None, "127.0.0.1"]
    with (
        LocalCluster(n_workers=0, protocol="tcp://", dashboard_address=None, host="127.0.0.1") as cluster,
        client_at(cluster.scheduler_address.replace("127.0.0.1", "scheduler")) as client,
    ):
        assert client.status == "running"
    (said,) = [record.getMessage() for record in caplog.records if record.name == "dnmf"]
    assert "the name scheduler does not resolve (Name or service not known); it is waited for, up to 30 s" in said


def test_one_that_never_comes_is_what_the_error_says(names, monkeypatch):
    names["scheduler"] = [None]
    monkeypatch.setattr(clients, "CONNECT_TIMEOUT_S", 0.5)
    with pytest.raises(dnmf.ClusterError, match=r"^tcp://scheduler:8786: the name scheduler does not resolve"):
        client_at("scheduler:8786")


def test_where_nobody_listens_yet_is_said_too(monkeypatch, caplog):
    monkeypatch.setattr(clients, "CONNECT_TIMEOUT_S", 0.5)
    monkeypatch.setattr(knock, "SAYS_AFTER_S", 0.01)
    with pytest.raises(dnmf.ClusterError, match=r"no scheduler answers at tcp://127.0.0.1:1"):
        client_at("127.0.0.1:1")
    (said,) = [record.getMessage() for record in caplog.records if record.name == "dnmf"]
    assert said == "no scheduler answers at tcp://127.0.0.1:1 yet; one is waited for, up to 0.5 s"


def test_a_name_that_resolves_is_not_spoken_of(names, monkeypatch, caplog):
    names["scheduler"] = ["127.0.0.1"]
    monkeypatch.setattr(clients, "CONNECT_TIMEOUT_S", 0.5)
    with pytest.raises(dnmf.ClusterError, match="no scheduler answers at tcp://scheduler:1"):
        client_at("scheduler:1")
    assert "does not resolve" not in caplog.text
