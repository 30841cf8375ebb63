"""A look whether a scheduler answers at an address, before a client is made: what is wrong is known in one try."""

import asyncio
import logging
import re
import socket
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from ipaddress import IPv6Address
from typing import Any
from urllib.parse import SplitResult, urlsplit

from distributed.comm.registry import get_backend
from distributed.core import connect, send_recv

from dnmf.connections.certificates import GIVE, connection_arguments
from dnmf.errors import ClusterError
from dnmf.refusals import told, without_secrets

log = logging.getLogger("dnmf")
HANDSHAKE_S = 5.0
SAYS_AFTER_S = 1.0
SUCH_AS = "give an address such as tcp://host:8786 or tls://host:8786"
OVER_TCP = ("tcp", "tls")
_NUMBERS = re.compile(r"[\d.]+")


def refuse_silent(address: str, security: Any, timeout_s: float) -> None:
    """Return when a scheduler has answered at an address.

    A client that cannot connect leaves threads and a connection behind, and says of most reasons nothing that helps.

    Raises
    ------
    ClusterError
        It is no address, its name does not resolve, none answers in time, it wants TLS or has none, or one of the two
        certificates is not trusted.
    InputError
        A file of a certificate is of no use.
    """
    _refuse_no_address(address)
    arguments = connection_arguments(address, security)
    said = _say_if_unknown(address, timeout_s)
    with ThreadPoolExecutor(1) as thread:  # the caller's may run an event loop
        asked = thread.submit(asyncio.run, _ask(address, arguments, timeout_s))
        if not (said or wait([asked], SAYS_AFTER_S).done):
            log.warning("no scheduler answers at %s yet; one is waited for, up to %g s", address, timeout_s)
        try:
            answer = asked.result()
        except Exception as error:
            raise ClusterError(_why(address, error, security, arguments.get("ssl_context"))) from error
    if not isinstance(answer, dict) or answer.get("type") != "Scheduler":
        raise ClusterError(f"{address} is no scheduler but another part of a cluster; give the scheduler's address")


def _refuse_no_address(address: str) -> None:
    """Refuse at once what dask would look for until its time is up; of other networks than TCP it knows by itself."""
    shown = without_secrets(address)
    if shown != address:
        raise ClusterError(f"{shown} was given with a user, a password or a query, which no scheduler has; {SUCH_AS}")
    try:
        is_one = _is_address(urlsplit(address))
    except (ValueError, OSError):  # a port beyond all, brackets that do not close, a name or a number that none can be
        is_one = False
    if not is_one:
        raise ClusterError(f"{address} is no address of a scheduler; {SUCH_AS}")


def _is_address(place: SplitResult) -> bool:
    if place.scheme not in OVER_TCP:
        return get_backend(place.scheme) is not None  # else an error
    host = place.hostname or ""
    if ":" in host:
        IPv6Address(host)
    else:
        host.encode("idna")
    if _NUMBERS.fullmatch(host):
        socket.inet_aton(host)
    return bool(_port(place)) and not any(map(str.isspace, host))


def _say_if_unknown(address: str, timeout_s: float) -> bool:
    """Say that a name does not resolve: it may come later, where containers start together, and is waited for."""
    why = _why_unknown(address)
    if why:
        log.warning("%s; it is waited for, up to %g s", why, timeout_s)
    return bool(why)


def _why_unknown(address: str) -> str:
    """Why the name in an address leads to no host; empty where it does, or where it is of another network."""
    place = urlsplit(address)
    if place.scheme not in OVER_TCP:
        return ""
    try:
        socket.getaddrinfo(place.hostname, None)
    except socket.gaierror as error:
        return f"{address}: the name {place.hostname} does not resolve ({told(error)})"
    return ""


def _port(place: SplitResult) -> int:
    """The port of an address that has a host too, else 0."""
    return (place.port or 0) if place.hostname else 0


async def _ask(address: str, arguments: dict[str, Any], timeout_s: float) -> Any:
    """What is at an address says of itself; what listens there and says nothing of the kind is not waited for."""
    async with asyncio.timeout(timeout_s):
        comm = await connect(address, timeout=0.9 * timeout_s, **arguments)  # says why it could not, if it can
        try:
            return await send_recv(comm, op="identity")
        finally:
            comm.abort()


def _why(address: str, error: Exception, security: Any, ours: ssl.SSLContext | None) -> str:
    """Why there was no answer, and what to try, in a sentence."""
    unknown = _why_unknown(address)
    if unknown:
        return f"{unknown}; check how it is written, and whether the name server that knows it is asked here"
    encrypted, (speaks_tls, refusal) = address.startswith("tls://"), _look(address)
    met = [*_chain(error), *(_refused(address, ours) if ours and speaks_tls else ())]
    if not encrypted and speaks_tls:
        return f"the scheduler at {address} speaks TLS: give its address as tls://…, and {GIVE}"
    if encrypted and speaks_tls is False:
        return f"what answers at {address} does not speak TLS: give the address as tcp://… if the network is yours"
    for one in met:
        if isinstance(one, ssl.SSLCertVerificationError):
            found = one.verify_message or "it cannot be verified"
            return f"the certificate of {address} is not one of the CA in {security.tls_ca_file} ({found}); {GIVE}"
        if isinstance(one, ssl.SSLError):
            found = str(one.reason or one).replace("_", " ").lower()
            return f"the scheduler at {address} refuses the certificate {security.tls_client_cert} ({found}); {GIVE}"
    if speaks_tls is False and isinstance(error, TimeoutError):
        return f"what listens at {address} does not answer as a scheduler; check the port (8786 is dask's)"
    reason = told(refusal or list(_chain(error))[-1])
    return f"no scheduler answers at {address} ({reason}); start one with: dask scheduler"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _look(address: str) -> tuple[bool | None, OSError | None]:
    """Whether what listens at an address answers as TLS does, or why nothing listens; both None where nobody knows.

    The error that a client has met may say no more than that time was up, after the last of many tries.
    """
    if urlsplit(address).scheme not in OVER_TCP:
        return None, None
    anyone = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anyone.check_hostname, anyone.verify_mode = False, ssl.CERT_NONE
    try:
        _shake_hands(address, anyone).close()
    except ssl.SSLError as error:
        of_others = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "UNEXPECTED_EOF_WHILE_READING")
        return error.reason not in of_others, None
    except OSError as error:
        return None, error
    return True, None


def _refused(address: str, ours: ssl.SSLContext) -> list[ssl.SSLError]:
    """What a scheduler has against our certificate, as it says when it is asked for nothing else.

    Under TLS 1.3 the handshake of a client is over before its certificate is looked at. Whoever has written by then may
    meet a connection that was reset, and not the reason.
    """
    try:
        with _shake_hands(address, ours) as connection:
            connection.recv(1)
    except ssl.SSLError as error:
        return [error]
    except OSError:
        pass
    return []


def _shake_hands(address: str, context: ssl.SSLContext) -> ssl.SSLSocket:
    place = urlsplit(address)
    plain = socket.create_connection((place.hostname, _port(place)), HANDSHAKE_S)
    try:
        return context.wrap_socket(plain, server_hostname=place.hostname)
    except BaseException:
        plain.close()
        raise
