"""Chromium without a window, driven over a pipe by its DevTools protocol: no driver to install."""

from __future__ import annotations

import base64
import fcntl
import io
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

PATIENCE_S = 60.0
"""The software renderer compiles shaders and the page builds its meshes: seconds on a busy core."""

needs_chromium = pytest.mark.skipif(
    shutil.which("chromium") is None and not os.environ.get("CI"),
    reason="chromium is missing; on Debian install it with: apt install chromium",
)


class Page:
    """One page, as somebody with a mouse and a keyboard has it."""

    process: subprocess.Popen[bytes]

    def __init__(self, to_browser: int, from_browser: int) -> None:
        self._to, self._from = to_browser, from_browser
        self._number, self._buffer = 0, b""
        self._session: str | None = None
        self.said: list[str] = []  # errors and warnings of the page
        self.asked: list[str] = []  # addresses that it wanted to load
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = session["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Ask the browser something and wait for its answer."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            self._note(answer)
            if answer.get("id") == self._number:
                assert "error" not in answer, (method, answer["error"])
                return dict(answer["result"])

    def open(self, path: Path) -> None:
        """Show a file, and wait until its scripts have run."""
        self.call("Page.navigate", url=path.as_uri())
        self.wait(f"document.readyState === 'complete' && location.href === '{path.as_uri()}'")

    def go(self, address: str) -> None:
        """Open an address, whatever it answers."""
        self.call("Page.navigate", url=address)
        self.wait("document.readyState === 'complete'")

    def value(self, script: str) -> Any:
        """What an expression is worth in the page."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def wait(self, script: str) -> None:
        end = time.monotonic() + PATIENCE_S
        while not self.value(script):
            assert time.monotonic() < end, f"it never came true: {script}"
            time.sleep(0.05)

    def click(self, x: float, y: float) -> None:
        """Press and release the left button at a place of the window."""
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def click_on(self, selector: str) -> None:
        """Click the middle of an element, which must be in sight."""
        self.value(f"document.querySelector({selector!r}).scrollIntoView({{block: 'center'}})")
        box = self.value(
            f"(() => {{ const b = document.querySelector({selector!r}).getBoundingClientRect();"
            "return [b.x + b.width / 2, b.y + b.height / 2]; })()"
        )
        self.click(*box)

    def press(self, key: str, *, shift: bool = False) -> None:
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, modifiers=8 if shift else 0)

    def write(self, text: str) -> None:
        """Type a text into what has the focus."""
        self.call("Input.insertText", text=text)

    def picture(self) -> NDArray[np.uint8]:
        """What the window shows, (rows, columns, 3), after all that was asked for is drawn."""
        self.call(
            "Runtime.evaluate",
            expression="new Promise(r => requestAnimationFrame(() => requestAnimationFrame(r)))",
            awaitPromise=True,
        )
        shot = base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])
        return np.asarray(Image.open(io.BytesIO(shot)).convert("RGB"))

    def _note(self, answer: dict[str, Any]) -> None:
        method, params = answer.get("method"), answer.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.said.append(str(params["exceptionDetails"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] == "error":
            entry = params["entry"]
            self.said.append(" ".join(filter(None, (entry["text"], entry.get("url")))))
        elif method == "Network.requestWillBeSent":
            self.asked.append(params["request"]["url"])

    def _next(self) -> dict[str, Any]:
        end = time.monotonic() + PATIENCE_S
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._from], [], [], max(0.0, end - time.monotonic()))
            assert ready, "chromium does not answer"
            part = os.read(self._from, 1 << 20)
            assert part, "chromium has ended"
            self._buffer += part
        message, self._buffer = self._buffer.split(b"\0", 1)
        return dict(json.loads(message))


@contextmanager
def chromium(
    *flags: str, size_px: tuple[int, int] = (1280, 800), webgl: bool = True
) -> Iterator[Page]:
    """A browser with one page; it draws on the processor, the same on every machine."""
    drawing = ["--enable-unsafe-swiftshader", "--use-gl=angle", "--use-angle=swiftshader"]
    command = [
        "chromium", "--headless=new", "--remote-debugging-pipe", "--no-sandbox", "--no-first-run",
        "--disable-extensions", "--disable-background-networking", "--hide-scrollbars",
        "--force-device-scale-factor=1", f"--window-size={size_px[0]},{size_px[1]}",
        *(drawing if webgl else ["--disable-3d-apis"]), *flags,
    ]  # fmt: skip
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        command.append(f"--user-data-dir={home}")
        process, to_browser, from_browser = _started(command, home)
        try:
            page = Page(to_browser, from_browser)
            page.process = process
            page.call(
                "Emulation.setDeviceMetricsOverride", width=size_px[0], height=size_px[1],
                deviceScaleFactor=1, mobile=False,
            )  # fmt: skip
            yield page
        finally:
            for end in (to_browser, from_browser):
                os.close(end)
            with suppress(ProcessLookupError):  # a test killed it
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _started(command: Sequence[str], home: str) -> tuple[subprocess.Popen[bytes], int, int]:
    """The browser, which reads from its file 3 and writes to its file 4, and our ends of both."""
    read_end, to_browser = os.pipe()
    from_browser, write_end = os.pipe()
    theirs = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (read_end, write_end)]

    def places() -> None:
        os.dup2(theirs[0], 3)
        os.dup2(theirs[1], 4)

    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=places,
        pass_fds=(3, 4),
        start_new_session=True,
        env={**os.environ, "HOME": home},
    )
    for end in (read_end, write_end, *theirs):
        os.close(end)
    return process, to_browser, from_browser
