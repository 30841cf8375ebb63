"""A blob server of Azure's own making for tests (azurite, from npm), where it is installed."""

import base64
import hashlib
import hmac
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate

CONTAINER = "bucket"
ACCOUNT = "devstoreaccount1"  # of every emulator, and so is its key
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
PROGRAM = shutil.which("azurite-blob")
VERSION = "2021-08-06"


@contextmanager
def azure_server() -> Iterator[dict[str, str]]:
    """Run a server with one container; yield what the environment has to say to reach it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    told = ["--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry", "--silent", "--blobPort", str(port)]
    server = subprocess.Popen([PROGRAM, *told], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}/{ACCOUNT}"
    try:
        _make_container(url)
        yield {"AZURE_STORAGE_ACCOUNT_NAME": ACCOUNT, "AZURE_STORAGE_ACCOUNT_KEY": KEY, "AZURE_STORAGE_ENDPOINT": url,
               "AZURE_ALLOW_HTTP": "true"}  # fmt: skip
    finally:
        server.terminate()
        server.wait()


def _make_container(url: str) -> None:
    """Make the container, as soon as somebody answers."""
    deadline = time.monotonic() + 60
    while True:
        date = formatdate(usegmt=True)
        asked = f"/{ACCOUNT}/{ACCOUNT}/{CONTAINER}\nrestype:container"
        said = "PUT" + 12 * "\n" + f"x-ms-date:{date}\nx-ms-version:{VERSION}\n{asked}"
        signed = base64.b64encode(hmac.new(base64.b64decode(KEY), said.encode(), hashlib.sha256).digest()).decode()
        headers = {"x-ms-date": date, "x-ms-version": VERSION, "Authorization": f"SharedKey {ACCOUNT}:{signed}"}
        request = urllib.request.Request(f"{url}/{CONTAINER}?restype=container", b"", headers, method="PUT")
        request.add_unredirected_header("Content-type", "")
        try:
            urllib.request.urlopen(request).close()
            return
        except urllib.error.HTTPError:
            raise
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
