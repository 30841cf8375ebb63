"""An S3 server of the test's own (moto), which can be told to fail: it throttles, loses answers, or kills who asks."""

import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

BUCKET = "bucket"
CHANGES = ("PUT", "POST", "DELETE")
BUSY = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"


class Server:
    """S3 at ``http://127.0.0.1:PORT`` with one bucket.

    Attributes
    ----------
    before : callable
        Is handed the method and the path of each request, and returns None, or ``"busy"`` (503, nothing is done), or
        ``"lost"`` (it is done, and the answer is an error of the server).
    """

    def __init__(self) -> None:
        self._app = DomainDispatcherApplication(create_backend_app)
        self.before: Callable[[str, str], str | None] = lambda method, path: None
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def options(self) -> dict[str, str]:
        """What a place is to be told."""
        return {"endpoint_url": self.url, "key": "who", "secret": "hidden", "region": "us-east-1"}

    @property
    def environment(self) -> dict[str, str]:
        """The same for the environment."""
        return {"AWS_ENDPOINT_URL": self.url, "AWS_ACCESS_KEY_ID": "who", "AWS_SECRET_ACCESS_KEY": "hidden",
                "AWS_DEFAULT_REGION": "us-east-1"}  # fmt: skip

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _answer(self, environ: dict[str, Any], start_response: Any) -> Any:
        what = self.before(environ["REQUEST_METHOD"], environ["PATH_INFO"])
        if what == "busy":
            start_response("503 Slow Down", [("Content-Type", "application/xml"), ("Content-Length", str(len(BUSY)))])
            return [BUSY]
        if what == "lost":
            list(self._app(environ, lambda *_: None))
            start_response("500 Internal Server Error", [("Content-Length", "0")])
            return [b""]
        return self._app(environ, start_response)


@contextmanager
def s3_server() -> Iterator[Server]:
    """A server with an empty bucket."""
    server = Server()
    try:
        key = "AWS4-HMAC-SHA256 Credential=who/20260101/us-east-1/s3/aws4_request"
        made = urllib.request.Request(f"{server.url}/{BUCKET}", method="PUT", headers={"Authorization": key})
        urllib.request.urlopen(made).close()
        yield server
    finally:
        server.close()
