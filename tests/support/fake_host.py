"""A host on the loopback address that speaks as much of the Hugging Face hub's interface as its client needs, and serves
the files of a release with ETag, Range and If-Range. Either can be made to break off, to lie, or to be gone."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
LARGE_SUFFIXES = (".safetensors", ".pth", ".bin")  # kept under their SHA-256, as the hub does


@dataclass
class Host:
    """What is served, and how it misbehaves.

    Attributes:
        repositories: ``("model" | "space", "OWNER/NAME")`` to file name to content.
        releases: file name to content, below ``/releases/``.
        cut: file name to how often a download of it is still cut in half.
        changed: file name to other content of the same length: what is sent in its place.
        requests: method, path and Range of every request.
    """

    repositories: dict[tuple[str, str], dict[str, bytes]] = field(default_factory=dict)
    releases: dict[str, bytes] = field(default_factory=dict)
    cut: dict[str, int] = field(default_factory=dict)
    changed: dict[str, bytes] = field(default_factory=dict)
    requests: list[tuple[str, str, str | None]] = field(default_factory=list)
    url: str = ""

    def ranges(self, name: str) -> list[str | None]:
        """The Range of each download of a file, in order."""
        return [asked for method, path, asked in self.requests if method == "GET" and path.endswith(name)]


@contextmanager
def serving(host: Host) -> Iterator[Host]:
    """Serve on a free port until the end of the block."""

    class Handler(_Handler):
        served = host

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    host.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield host
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    served: Host
    protocol_version = "HTTP/1.1"

    def log_message(self, *_arguments: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, body: bool) -> None:
        path = unquote(urlsplit(self.path).path)
        self.served.requests.append((self.command, path, self.headers.get("Range")))
        parts = path.strip("/").split("/")
        if parts[0] == "releases":
            self.send_file(parts[-1], self.served.releases.get(parts[-1]), body, {})
        elif parts[0] == "api":
            self.send_listing(parts, body)
        else:
            kind = "space" if parts[0] == "spaces" else "model"
            owner, name, _resolve, _revision, *file = parts[1:] if kind == "space" else parts
            files = self.served.repositories.get((kind, f"{owner}/{name}"))
            if files is None:
                self.send_error_code("RepoNotFound")
                return
            self.send_file("/".join(file), files.get("/".join(file)), body, {"X-Repo-Commit": COMMIT})

    def send_listing(self, parts: list[str], body: bool) -> None:
        """``api/models/OWNER/NAME/revision/…`` and ``…/tree/…``."""
        kind, name, what, revision = parts[1].removesuffix("s"), f"{parts[2]}/{parts[3]}", parts[4], parts[5]
        files = self.served.repositories.get((kind, name))
        if files is None:
            self.send_error_code("RepoNotFound")
        elif revision not in ("main", COMMIT):
            self.send_error_code("RevisionNotFound")
        elif what == "revision":
            self.send_json({"id": name, "sha": COMMIT, "siblings": [{"rfilename": file} for file in files]}, body)
        else:
            self.send_json([_entry(file, content) for file, content in files.items()], body)

    def send_json(self, value: object, body: bool) -> None:
        content = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body:
            self.wfile.write(content)

    def send_error_code(self, code: str) -> None:
        self.send_response(404)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def send_file(self, name: str, content: bytes | None, body: bool, headers: dict[str, str]) -> None:
        if content is None:
            self.send_error_code("EntryNotFound")
            return
        tag = f'"{_identity(name, content)}"'
        sent = self.served.changed.get(name, content)
        start = 0
        asked = self.headers.get("Range", "")
        if asked.startswith("bytes=") and self.headers.get("If-Range", tag) == tag:
            start = int(asked.removeprefix("bytes=").split("-")[0])
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(sent) - 1}/{len(sent)}")
        for header, value in {**headers, "ETag": tag, "Content-Length": str(len(sent) - start)}.items():
            self.send_header(header, value)
        self.end_headers()
        if not body:
            return
        if self.served.cut.get(name, 0) > 0:
            self.served.cut[name] -= 1
            self.wfile.write(sent[start : start + (len(sent) - start) // 2])
            self.wfile.flush()
            self.close_connection = True
            self.connection.close()
            return
        self.wfile.write(sent[start:])


def _identity(name: str, content: bytes) -> str:
    if name.endswith(LARGE_SUFFIXES):
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def _entry(name: str, content: bytes) -> dict[str, object]:
    entry: dict[str, object] = {
        "type": "file",
        "path": name,
        "size": len(content),
        "oid": _identity(name, content)[:40],
    }
    if name.endswith(LARGE_SUFFIXES):
        entry["lfs"] = {"oid": _identity(name, content), "size": len(content), "pointerSize": 134}
    return entry
