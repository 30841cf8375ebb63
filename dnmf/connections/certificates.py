"""The certificates a client shows to a scheduler that speaks TLS: as given, or from dask's configuration."""

import ssl
from dataclasses import dataclass
from typing import Any

from dnmf.errors import ClusterError, InputError
from dnmf.locations import local_path

GIVE = (
    "give the files of its certificates (--tls-ca, --tls-cert, --tls-key on the command line, "
    "dnmf.cluster.Certificates in Python), or name them in dask's configuration (distributed.comm.tls)"
)
OF_DASK = "check distributed.comm.tls of dask's configuration, and give paths there from the root"
FILES = ("tls_ca_file", "tls_client_cert", "tls_client_key")
ENCRYPTED, IN_THE_CLEAR = ("tls://", "wss://"), ("tcp://", "ws://")  # networks of dask; others stay in a process


@dataclass(frozen=True)
class Certificates:
    """Where the certificates of a client are: the CA that signed those of the cluster, its own, and its key.

    Attributes
    ----------
    ca, cert : str
        Paths of PEM files.
    key : str, optional
        By default it is in the file of the certificate.
    """

    ca: str
    cert: str
    key: str | None = None

    def security(self) -> Any:
        """Return them as dask takes them; nothing goes over the network in the clear then.

        Raises
        ------
        InputError
            One of them cannot be read.
        """
        from distributed.security import Security

        key = self.cert if self.key is None else self.key
        files = [_path(*each) for each in ((self.ca, "CA"), (self.cert, "certificate"), (key, "key"))]
        return Security(**dict(zip(FILES, files, strict=True)), require_encryption=True)


def _path(given: str, what: str) -> str:
    """The path of a file that is given; that of a variable that is not set is empty."""
    if not given:
        raise InputError(f"the path of the {what} is empty: name a file (--tls-ca, --tls-cert, --tls-key)")
    path = str(local_path(given, what))
    _refuse_unreadable(path, f"check the path of the {what} (--tls-ca, --tls-cert, --tls-key)")
    return path


def connection_arguments(address: str, security: Any) -> dict[str, Any]:
    """Return what dask opens a connection to `address` with.

    Raises
    ------
    ClusterError
        The address is one of TLS and there are no certificates, or one without although encryption is asked for.
    InputError
        A file of a certificate cannot be read, or they do not belong together.
    """
    if security.require_encryption and address.startswith(IN_THE_CLEAR):
        raise ClusterError(
            f"{address} is not encrypted, and encryption is asked for: give the address as tls://…, or leave the "
            "certificates (and distributed.comm.require-encryption) out"
        )
    if not address.startswith(ENCRYPTED):
        return {}
    for name in FILES:
        _refuse_unreadable(getattr(security, name), OF_DASK)
    try:
        found: dict[str, Any] = security.get_connection_args("client")
    except (ssl.SSLError, OSError, ValueError) as error:
        files = ", ".join(str(getattr(security, name)) for name in FILES)
        raise InputError(f"{files}: no CA, certificate and key that belong together ({_said(error)})") from error
    if found.get("ssl_context") is None:
        raise ClusterError(f"{address} is an address for TLS, and there are no certificates here: {GIVE}")
    return found


def _refuse_unreadable(file: str | None, advice: str) -> None:
    if not file or "\n" in file:  # none, or the certificate itself
        return
    try:
        open(file, "rb").close()
    except OSError as error:
        raise InputError(f"{file}: the file of a certificate cannot be read ({error.strerror}); {advice}") from error


def _said(error: BaseException) -> str:
    return str(getattr(error, "reason", None) or error).replace("_", " ").lower()
