"""A real browser without a window, by the protocol its own developer tools use; tests skip where there is none."""

import asyncio
import base64
import json
import shutil
import subprocess
import tempfile
import time
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tornado.httpclient import AsyncHTTPClient
from tornado.websocket import websocket_connect

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
PATIENCE_S = 90
OPTIONS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0", "--remote-allow-origins=*",
    "--disable-dev-shm-usage",
)  # fmt: skip


@asynccontextmanager
async def open_page(url, width=1440, height=900):
    """A page that a browser shows at `url`, in a window of so many pixels."""
    program = next((found for name in NAMES if (found := shutil.which(name))), None)
    if program is None:
        pytest.skip(f"no browser here: none of {', '.join(NAMES)}")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [program, *OPTIONS, f"--user-data-dir={profile}", "about:blank"]
        browser = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            page = Page(await websocket_connect(await _address(Path(profile)), max_message_size=2**26))
            await page.open(url, width, height)
            yield page
        finally:
            browser.terminate()
            browser.wait(30)


async def _address(profile):
    """Where the one tab of a browser that has just been started can be spoken to."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        try:
            port = (profile / "DevToolsActivePort").read_text().split()[0]
            tabs = json.loads((await AsyncHTTPClient().fetch(f"http://127.0.0.1:{port}/json")).body)
            return next(tab["webSocketDebuggerUrl"] for tab in tabs if tab["type"] == "page")
        except (OSError, IndexError, StopIteration):
            await asyncio.sleep(0.2)
    raise TimeoutError("the browser does not start")


class Page:
    """What is shown, and what was complained of: errors and warnings of the console, in `complaints`."""

    def __init__(self, socket):
        self._socket, self._number, self.complaints, self.fetched = socket, 0, [], []

    async def open(self, url, width, height):
        """Show `url`."""
        for domain in ("Runtime", "Log", "Page", "Network"):
            await self._ask(f"{domain}.enable")
        await self.resize(width, height)
        await self._ask("Page.navigate", url=url)

    async def resize(self, width, height):
        """Make the window as large."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        await self._ask("Emulation.setDeviceMetricsOverride", **size)

    async def evaluate(self, code):
        """The value of an expression of JavaScript; None where it fails."""
        answer = await self._ask("Runtime.evaluate", expression=code, returnByValue=True)
        return answer["result"]["result"].get("value")

    async def until(self, code):
        """The value of an expression once it is true."""
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            if found := await self.evaluate(code):
                return found
            await asyncio.sleep(0.2)
        raise TimeoutError(f"never true: {code}")

    async def picture(self, out):
        """Write what is seen to a PNG file."""
        answer = await self._ask("Page.captureScreenshot", format="png")
        Path(out).write_bytes(base64.b64decode(answer["result"]["data"]))

    async def _ask(self, method, **parameters):
        self._number += 1
        await self._socket.write_message(json.dumps({"id": self._number, "method": method, "params": parameters}))
        while True:
            said = json.loads(await self._socket.read_message())
            if said.get("id") == self._number:
                return said
            self._hear(said.get("method"), said.get("params", {}))

    def _hear(self, method, said):
        if method == "Network.requestWillBeSent":
            self.fetched.append(said["request"]["url"])
        elif method == "Runtime.exceptionThrown" or (
            method == "Runtime.consoleAPICalled" and said["type"] in ("error", "warning")
        ):
            self.complaints.append(json.dumps(said)[:500])
        elif method == "Log.entryAdded" and said["entry"]["level"] in ("error", "warning"):
            self.complaints.append(json.dumps(said["entry"])[:500])
