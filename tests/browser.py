"""A headless Chromium to try a page in, as a reader would: with its keys and its mouse."""

import base64
import itertools
import json
import os
import subprocess
import sys

FLAGS = (
    "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-quic --remote-debugging-pipe"
)
# The browser reads commands from its file 3, and answers on its file 4.
START = """
import os, sys
for file, number in zip(sys.argv[1:3], (3, 4)):
    os.dup2(int(file), number)
os.execvp(sys.argv[3], sys.argv[3:])
"""
KEYS = {
    "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40,
    "Home": 36, "End": 35, "Tab": 9, "Enter": 13, " ": 32,
}  # fmt: skip


class Browser:
    """One tab; `errors` is what went wrong in it, `requests` what it asked for."""

    def __init__(self, command, profile):
        (read, self._to), (self._from, write) = os.pipe(), os.pipe()
        self._process = subprocess.Popen(
            [sys.executable, "-c", START, str(read), str(write),
             command, *FLAGS.split(), f"--user-data-dir={profile}", "about:blank"],
            pass_fds=(read, write), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(read)
        os.close(write)
        self._numbers = itertools.count(1)
        self._unread = b""
        self._session = None
        self.errors, self.requests = [], []
        self._loaded = False
        (tab,) = (t for t in self.send("Target.getTargets")["targetInfos"] if t["type"] == "page")
        self._session = self.send("Target.attachToTarget", targetId=tab["targetId"], flatten=True)[
            "sessionId"
        ]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")

    def close(self):
        self._process.terminate()
        self._process.wait()
        os.close(self._to)
        os.close(self._from)

    def send(self, method, **parameters):
        """Give a command, and wait for its result."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return answer["result"]

    def _read(self):
        while b"\0" not in self._unread:
            more = os.read(self._from, 1 << 20)
            assert more, "the browser has ended"
            self._unread += more
        message, _, self._unread = self._unread.partition(b"\0")
        message = json.loads(message)
        method, about = message.get("method"), message.get("params", {})
        if method == "Page.loadEventFired":
            self._loaded = True
        elif method == "Network.requestWillBeSent":
            self.requests.append(about["request"]["url"])
        elif method in ("Runtime.exceptionThrown", "Log.entryAdded", "Runtime.consoleAPICalled"):
            self.errors.append(about)
        elif method == "Page.javascriptDialogOpening":
            self.errors.append(about)
            self.send("Page.handleJavaScriptDialog", accept=True)
        return message

    def open(self, url, width=1280, height=800, *, dark=False, phone=False):
        """Open a page; wait until it is there."""
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=2 if phone else 1, mobile=phone)  # fmt: skip
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        calm = {"name": "prefers-reduced-motion", "value": "reduce"}
        self.send("Emulation.setEmulatedMedia", features=[scheme, calm])
        self.errors, self.requests, self._loaded = [], [], False
        self.send("Page.navigate", url=url)
        while not self._loaded:
            self._read()

    def run(self, expression):
        """The value of a JavaScript expression in the page."""
        done = self.send(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in done, done
        return done["result"].get("value")

    def press(self, key):
        """Press a key and let it go."""
        text = {"Enter": "\r", " ": " "}.get(key, "")
        for kind in ("keyDown" if text else "rawKeyDown", "keyUp"):
            more = {"text": text} if kind == "keyDown" else {}
            self.send("Input.dispatchKeyEvent", type=kind, key=key,
                      windowsVirtualKeyCode=KEYS[key], **more)  # fmt: skip

    def click(self, selector):
        """Click into the middle of an element, where it is on the screen."""
        x, y = self.run(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            "e.scrollIntoView({block: 'center', inline: 'center'});"
            "const r = e.getBoundingClientRect();"
            "return [r.x + r.width / 2, r.y + r.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def screenshot(self, path):
        with open(path, "wb") as file:
            file.write(base64.b64decode(self.send("Page.captureScreenshot")["data"]))
