"""Servers of files on loopback, in threads of their own: HTTP(S) with a few bad habits, and FTP."""

import base64
import ssl
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from attrs import define, field

USER, PASSWORD = "up/loader", "s3cr:t@"
URL_USER = "up%2Floader:s3cr%3At%40@"
LARGE_BYTES = 3 * 2**20


@define(eq=False)
class WebServer:
    """`files` by path; what was uploaded is in `received` by path. `url` has no slash at its end."""

    url: str = ""
    files: dict[str, bytes] = field(factory=dict)
    received: dict[str, bytes] = field(factory=dict)
    requests: list[str] = field(factory=list)
    puts: bool = True
    most_at_once: int = 0
    at_once: int = 0
    lock: threading.Lock = field(factory=threading.Lock)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    known: WebServer

    def do_GET(self) -> None:
        known, path = self.known, self.path.partition("?")[0]
        known.requests.append(f"GET {self.path}")
        with known.lock:
            known.at_once += 1
            known.most_at_once = max(known.most_at_once, known.at_once)
        try:
            self._get(path)
        finally:
            with known.lock:
                known.at_once -= 1

    def _get(self, path: str) -> None:
        if path == "/moved":
            self._answer(302, b"", Location="/firmware.bin")
        elif path == "/round":
            self._answer(302, b"", Location="/round")
        elif path == "/elsewhere":
            self._answer(302, b"", Location="gopher://127.0.0.1/")
        elif path == "/cut":
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"x" * 10)
            self.close_connection = True
        elif path == "/private" and self.headers["Authorization"] != _basic():
            self._answer(401, b"", WWW_Authenticate='Basic realm="x"')
        elif path in self.known.files:
            time.sleep(0.002)
            self._answer(200, self.known.files[path])
        else:
            self._answer(404, b"nothing")

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.known.requests.append(f"PUT {self.path}")
        if not self.known.puts:
            self._answer(405, b"")
        elif self.path.startswith("/private") and self.headers["Authorization"] != _basic():
            self._answer(403, b"")
        elif self.path.startswith("/full"):
            self._answer(507, b"")
        else:
            self.known.received[self.path] = body
            self._answer(201, b"")

    def do_POST(self) -> None:
        self.known.requests.append(f"POST {self.path}")
        self.known.received[self.path] = self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(200, b"")

    def _answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def _basic() -> str:
    return "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


class _Server(ThreadingHTTPServer):
    request_queue_size = 256

    def handle_error(self, *_: object) -> None:
        """A peer that goes away is what some tests are about."""


@contextmanager
def web_server(tls: ssl.SSLContext | None = None) -> Iterator[WebServer]:
    known = WebServer()
    server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"known": known}))
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    known.url = f"{'http' if tls is None else 'https'}://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield known
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def ftp_server(folder: Path) -> Iterator[int]:
    """FTP of this folder, for `USER` to read and write and for anybody to read; gives the port."""
    with warnings.catch_warnings():
        # It stands on asyncore, which Python deprecates.
        warnings.simplefilter("ignore", DeprecationWarning)
        from pyftpdlib.authorizers import DummyAuthorizer
        from pyftpdlib.handlers import FTPHandler
        from pyftpdlib.servers import FTPServer

    authorizer = DummyAuthorizer()
    authorizer.add_user(USER, PASSWORD, str(folder), perm="elrw")
    authorizer.add_anonymous(str(folder))
    handler = type("Handler", (FTPHandler,), {"authorizer": authorizer, "auth_failed_timeout": 0})
    server = FTPServer(("127.0.0.1", 0), handler)
    stopping = threading.Event()

    def serve() -> None:
        while not stopping.is_set():
            server.serve_forever(timeout=0.01, blocking=False)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield server.socket.getsockname()[1]
    finally:
        stopping.set()
        thread.join()
        server.close_all()
