"""The little server: the page, its files, and the two headers that allow a page threads with shared memory."""

from __future__ import annotations

import shutil
import webbrowser
from collections.abc import Mapping, Sequence
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

import typer

from dptscope.errors import DptscopeError
from dptscope_page.document import Content, served_page

LOCAL = ("localhost", "127.0.0.1")
HEADERS = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cache-Control": "no-store",  # the next run may have another model under the same name
    "X-Content-Type-Options": "nosniff",
}


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], page: bytes, paths: Mapping[str, Path]) -> None:
        self.page = page
        self.paths = paths
        super().__init__(address, _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer with the page, or one of its files; nothing else on this machine can be asked for."""
        if self.server.server_address[0] == "127.0.0.1" and not self._asks_for_this_machine():
            self.send_error(403)  # another site's name that leads here
            return
        path = self.server.paths.get(self.path)
        if path is None and self.path != "/":
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Type", "application/octet-stream" if path else "text/html; charset=utf-8")
        self.send_header("Content-Length", str(path.stat().st_size if path else len(self.server.page)))
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.end_headers()
        with suppress(ConnectionError):  # the page was closed in the middle
            if path is None:
                self.wfile.write(self.server.page)
            else:
                with path.open("rb") as file:
                    shutil.copyfileobj(file, self.wfile, 1 << 20)

    def _asks_for_this_machine(self) -> bool:
        return (self.headers.get("Host") or "").partition(":")[0] in LOCAL

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def serve_page(inside: Sequence[Content], host: str, port: int, browse: bool) -> None:
    """Serve until Ctrl-C.

    Raises:
        DptscopeError: the port is taken, or the name is none of this machine's.
    """
    addresses = [(content, f"/files/{index}/{quote(content.name)}") for index, content in enumerate(inside)]
    paths = {address: content.path for content, address in addresses}
    bound = "127.0.0.1" if host in LOCAL else host
    try:
        server = _Server((bound, port), served_page(addresses), paths)
    except OSError as error:
        raise DptscopeError(f"cannot serve at {host}, port {port} ({error.strerror or error})") from error
    with server:
        where = f"http://{host}:{server.server_address[1]}"
        typer.echo(f"{where} (Ctrl-C ends it)")
        if browse:
            webbrowser.open(where)
        server.serve_forever()
