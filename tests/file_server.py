"""A server on this machine that delivers files, well or badly: for tests of downloads."""

import os
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from unittest.mock import patch


class Server:
    """What it has, how it behaves, and what it was asked for.

    files: contents by name.
    cut: the most bytes of a file it sends before it breaks the connection off, or None.
    silent: whether it then says nothing instead, until the client has gone.
    ranges: whether it starts where it is asked to.
    says_length: whether it says how many bytes are to come.
    """

    def __init__(self):
        self.files = {}
        self.cut = None
        self.silent = False
        self.ranges = True
        self.says_length = True
        self.asked = []  # the name and the first byte, for each request

    def answer(self, request):
        name = request.path.lstrip("/")
        start = int(request.headers["Range"].removeprefix("bytes=").rstrip("-"))
        self.asked.append((name, start))
        content = self.files.get(name)
        if content is None:
            request.send_error(404)
            return
        if self.ranges and start >= len(content):
            request.send_error(416)
            return
        if not self.ranges:
            start = 0
        request.send_response(206 if self.ranges else 200)
        if self.ranges:
            last = len(content) - 1
            request.send_header("Content-Range", f"bytes {start}-{last}/{len(content)}")
        if self.says_length:
            request.send_header("Content-Length", len(content) - start)
        request.end_headers()
        request.wfile.write(content[start:][: self.cut])
        if self.silent:
            request.connection.recv(1)


@contextmanager
def serve():
    """A running Server, with its address as `url`; gone afterwards."""
    server = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            server.answer(self)

        def log_message(self, *_):
            """Nothing: the tests look at `asked`."""

    no_proxy = patch.dict(os.environ, {"no_proxy": "*"})  # requests stay on this machine
    with no_proxy, ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        server.url = f"http://127.0.0.1:{http.server_port}/"
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            http.shutdown()
            thread.join()
