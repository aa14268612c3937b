"""A real server of one file, in a thread: with ranges or without, cutting off, changing, refusing."""

from __future__ import annotations

import contextlib
import functools
import http.server
import re
import threading


class Server(http.server.BaseHTTPRequestHandler):
    """Serves `content` under any name; a test changes what it does."""

    content = b""
    etag = '"one"'
    ranges = True
    cut_at = None  # bytes after which the connection breaks
    answers = 200
    location = None
    asked: list  # the headers of each request
    address = ""

    def do_GET(self):
        self.asked.append(dict(self.headers))
        if self.answers != 200:
            self.send_response(self.answers)
            if self.location:
                self.send_header("Location", self.location)
            self.end_headers()
            return
        content, start = self.content, 0
        match = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if self.ranges and match and self.headers.get("If-Range", self.etag) == self.etag:
            start = int(match[1])
            if start >= len(content):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(content)}")
                self.end_headers()
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(content) - start))
        if self.etag:
            self.send_header("ETag", self.etag)
        self.end_headers()
        with contextlib.suppress(ConnectionError):  # who asked may have gone
            self.wfile.write(content[start : self.cut_at])

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def serving(content, name="w.pyth"):
    """A server's handler, to be changed while it serves; its `address` is that of the file."""
    handler = type("Handler", (Server,), {"content": content, "asked": []})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    handler.address = f"http://127.0.0.1:{server.server_port}/{name}"
    thread = threading.Thread(target=functools.partial(server.serve_forever, poll_interval=0.01))
    thread.start()
    try:
        yield handler
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
