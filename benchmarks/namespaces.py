"""Hosts on one machine: network namespaces of Linux behind a bridge, each with an address, a cable and a bandwidth."""

import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, Self


class Passed(NamedTuple):
    """Bytes that went into a host, and out of it."""

    received: int
    sent: int


def why_not() -> str:
    """Return why there can be no such hosts here, in a sentence; empty where there can be."""
    missing = [program for program in ("ip", "tc", "unshare") if shutil.which(program) is None]
    if missing:
        return f"hosts are made of network namespaces, for which {', '.join(missing)} would have to be installed"
    if os.geteuid():
        return "hosts are made of network namespaces, which only root may make: run this as root"
    return ""


class Hosts:
    """So many hosts; this machine is reached by them too. Made when entered, gone when left.

    Parameters
    ----------
    count : int
        At most nine.
    rate : str
        Of each cable, each way, as ``tc`` says it.
    """

    def __init__(self, count: int, rate: str = "1gbit"):
        self._prefix, self._net = f"dnmf{os.getpid() % 100_000}", f"10.79.{os.getpid() % 250}"
        self._numbers, self._rate = range(count), rate
        self._bridge = f"{self._prefix}b"
        self.addresses = [f"{self._net}.1{number}" for number in self._numbers]

    def __enter__(self) -> Self:
        try:
            _run(f"ip link add {self._bridge} type bridge")
            _run(f"ip addr add {self._net}.1/24 dev {self._bridge}")
            _run(f"ip link set {self._bridge} up")
            for number in self._numbers:
                self._add(number)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        for number in self._numbers:
            found = subprocess.run(
                ["ip", "netns", "pids", self._name(number)], capture_output=True, text=True, check=False
            )
            for pid in found.stdout.split():
                with suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
            _run(f"ip netns del {self._name(number)}", check=False)
        _run(f"ip link del {self._bridge}", check=False)

    def wrap(self, number: int, command: Sequence[str]) -> list[str]:
        """Return the command that runs in a host, which has a name of its own."""
        named = ["unshare", "--uts", "sh", "-c", 'hostname "$0"; exec "$@"', self._name(number)]
        return ["ip", "netns", "exec", self._name(number), *named, *command]

    def pull(self, number: int) -> None:
        """Pull the cable of a host."""
        _run(f"ip link set {self._cable(number)} down")

    def plug(self, number: int) -> None:
        """Plug it in again."""
        _run(f"ip link set {self._cable(number)} up")

    def passed(self) -> list[Passed]:
        """Return what went through the cable of each host so far."""
        folders = [Path("/sys/class/net", self._cable(number), "statistics") for number in self._numbers]
        return [Passed(*(int((folder / f"{way}_bytes").read_text()) for way in ("tx", "rx"))) for folder in folders]

    def _name(self, number: int) -> str:
        return f"{self._prefix}-{number}"

    def _cable(self, number: int) -> str:
        return f"{self._prefix}v{number}"

    def _add(self, number: int) -> None:
        name, cable = self._name(number), self._cable(number)
        _run(f"ip netns add {name}")
        _run(f"ip link add {cable} type veth peer name eth0 netns {name}")
        _run(f"ip link set {cable} master {self._bridge} up")
        _run(f"ip -n {name} addr add {self.addresses[number]}/24 dev eth0")
        for device in ("eth0", "lo"):
            _run(f"ip -n {name} link set {device} up")
        limited = f"root tbf rate {self._rate} burst 512kb latency 100ms"
        _run(f"tc qdisc add dev {cable} {limited}")
        _run(f"ip netns exec {name} tc qdisc add dev eth0 {limited}")


def _run(command: str, *, check: bool = True) -> None:
    ended = subprocess.run(command.split(), capture_output=True, text=True, check=False)
    if check and ended.returncode:
        raise RuntimeError(f"{command}: {ended.stderr.strip()}")
