"""A real browser that a test opens a page in, looks at and points into: headless Chromium, over its DevTools protocol.

Whatever the page complains of and whatever it asks the network for is written down. The browser resolves no name, so
that nothing can leave the machine even if a page wants it to.
"""

import base64
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import trio
from attrs import define, field
from trio_websocket import ConnectionClosed, WebSocketConnection, open_websocket_url

TIMEOUT_S = 30.0
_MESSAGE_MAX = 64 * 2**20
_OPTIONS = (
    "--headless=new",
    "--no-sandbox",  # which root can't have
    "--remote-debugging-port=0",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-gpu",
    "--disable-sync",
    "--force-color-profile=srgb",
    "--metrics-recording-only",
    "--no-default-browser-check",
    "--no-first-run",
    "--password-store=basic",
)


def require_chromium() -> str:
    """Its path; without it the test is skipped, or fails where the real parts are required."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is not None:
        return path
    if os.environ.get("FLEET_REAL_PARTS") == "required":
        pytest.fail("chromium is not on the PATH")
    pytest.skip("chromium is not on the PATH")


@define(eq=False)
class Page:
    """One page of the browser."""

    _connection: WebSocketConnection
    complaints: list[str] = field(factory=list)
    """Console messages, uncaught exceptions, and what the browser itself logs, such as a forbidden load."""
    requests: list[str] = field(factory=list)
    """Every address that was asked for."""
    _opened: str = ""
    _target: str | None = None
    _last: int = 0
    _answers: dict[int, dict[str, Any]] = field(factory=dict)
    _awaited: dict[int, trio.Event] = field(factory=dict)
    _loaded: trio.Event = field(factory=trio.Event)

    async def open(self, path: Path) -> None:
        """Show a file, and wait until it is loaded."""
        self._loaded = trio.Event()
        await self._ask("Page.navigate", url=path.resolve().as_uri())
        await self._loaded.wait()

    async def resize(self, width: int, height: int = 800, *, dark: bool = False) -> None:
        """Have this viewport, in CSS pixels; a narrow one is a phone's."""
        await self._ask(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self._ask("Emulation.setEmulatedMedia", features=[scheme])

    async def evaluate(self, expression: str) -> Any:
        """The value of an expression of the page's language; raises AssertionError with what it threw."""
        answer = await self._ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    async def point(self, x: float, y: float) -> None:
        """Move the pointer there, in CSS pixels of the viewport."""
        await self._ask("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    async def tap(self, x: float, y: float) -> None:
        """Touch there with a finger, and lift it."""
        await self._ask("Input.dispatchTouchEvent", type="touchStart", touchPoints=[{"x": x, "y": y}])
        await self._ask("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])

    async def press(self, key: str) -> None:
        """Press and release a key, such as `ArrowRight`."""
        await self._ask("Input.dispatchKeyEvent", type="keyDown", key=key)
        await self._ask("Input.dispatchKeyEvent", type="keyUp", key=key)

    async def photograph(self, path: Path) -> None:
        """The whole page, however long, as a PNG."""
        answer = await self._ask("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(answer["data"]))

    async def print(self) -> bytes:
        """The page on paper, as a PDF."""
        return base64.b64decode((await self._ask("Page.printToPDF", printBackground=True))["data"])

    async def _attach(self) -> None:
        self._opened = (await self._ask("Target.createTarget", url="about:blank"))["targetId"]
        answer = await self._ask("Target.attachToTarget", targetId=self._opened, flatten=True)
        self._target = answer["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            await self._ask(f"{domain}.enable")

    async def _close(self) -> None:
        target, self._target = self._opened, None
        await self._ask("Target.closeTarget", targetId=target)

    async def _ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._last += 1
        number = self._last
        event = self._awaited[number] = trio.Event()
        request: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if self._target is not None:
            request["sessionId"] = self._target
        await self._connection.send_message(json.dumps(request))
        await event.wait()
        answer = self._answers.pop(number)
        assert "error" not in answer, f"{method}: {answer['error']}"
        result: dict[str, Any] = answer["result"]
        return result

    async def _listen(self) -> None:
        while True:
            try:
                message = json.loads(await self._connection.get_message())
            except ConnectionClosed:
                return
            if "id" in message:
                self._answers[message["id"]] = message
                self._awaited.pop(message["id"]).set()
            else:
                self._told(message["method"], message["params"])

    def _told(self, method: str, event: dict[str, Any]) -> None:
        match method:
            case "Page.loadEventFired":
                self._loaded.set()
            case "Network.requestWillBeSent":
                self.requests.append(event["request"]["url"])
            case "Runtime.consoleAPICalled":
                self.complaints.append(f"{event['type']}: {[each.get('value') for each in event['args']]}")
            case "Runtime.exceptionThrown":
                self.complaints.append(json.dumps(event["exceptionDetails"]))
            case "Log.entryAdded":
                self.complaints.append(event["entry"]["text"])


class Browser:
    """The process; its profile lies in `folder`. Many pages may be opened in it, each apart from the others."""

    def __init__(self, folder: Path) -> None:
        self._log = folder / "chromium.log"
        profile = folder / "profile"
        with self._log.open("wb") as said:
            self._process = subprocess.Popen(
                [require_chromium(), *_OPTIONS, f"--user-data-dir={profile}", "about:blank"],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                # In a group of its own, so that its many children end with it.
                start_new_session=True,
            )
        try:
            self.url = self._address(profile / "DevToolsActivePort")
        except BaseException:
            self.end()
            raise

    def end(self) -> None:
        # Perhaps it ended by itself, which its log says more about.
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(TIMEOUT_S)

    def _address(self, port_file: Path) -> str:
        """Chromium writes its port and its path into a file as soon as it listens."""
        until = time.monotonic() + TIMEOUT_S
        while time.monotonic() < until:
            lines = port_file.read_text().splitlines() if port_file.exists() else []
            if len(lines) == 2:
                return f"ws://127.0.0.1:{lines[0]}{lines[1]}"
            if self._process.poll() is not None:
                break
            time.sleep(0.02)
        raise RuntimeError(f"chromium doesn't listen: {self._log.read_text(errors='replace')}")


@asynccontextmanager
async def open_page(browser: Browser) -> AsyncIterator[Page]:
    """An empty page. Raises TooSlowError if anything hangs."""
    with trio.fail_after(TIMEOUT_S):
        async with (
            open_websocket_url(browser.url, max_message_size=_MESSAGE_MAX) as connection,
            trio.open_nursery() as nursery,
        ):
            page = Page(connection)
            nursery.start_soon(page._listen)
            await page._attach()
            yield page
            await page._close()
            nursery.cancel_scope.cancel()
