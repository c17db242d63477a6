"""A small hub on this machine: the few calls of HTTP that pushing and pulling need.

A test changes what it answers with `spoil`: a function that gets the handler of a request instead
of the hub, where the path has a given text.
"""

import base64
import hashlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any
from urllib.parse import urlsplit

TOKEN = "hf_of_the_tests"
KEPT_OUTSIDE_GIT = (".safetensors", ".bin")


def git_sha1(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


@dataclass
class Repository:
    files: dict[str, bytes] = field(default_factory=lambda: {".gitattributes": b"*.safetensors\n"})
    private: bool = False
    commits: int = 0

    @property
    def commit(self) -> str:
        return hashlib.sha1(str(self.commits).encode()).hexdigest()

    def listing(self) -> dict[str, Any]:
        return {
            "id": "owner/name",
            "sha": self.commit,
            "private": self.private,
            "siblings": [listed(name, content) for name, content in self.files.items()],
        }


def listed(name: str, content: bytes) -> dict[str, Any]:
    """A file as a listing has it."""
    entry: dict[str, Any] = {
        "rfilename": name,
        "size": len(content),
        "blobId": git_sha1(content),
    }
    if name.endswith(KEPT_OUTSIDE_GIT):
        sha256 = hashlib.sha256(content).hexdigest()
        entry["lfs"] = {"sha256": sha256, "size": len(content), "pointerSize": 134}
    return entry


Spoiling = Callable[["Handler"], None]


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.repositories: dict[str, Repository] = {}
        self.uploads: dict[str, bytes] = {}
        self.requests: list[str] = []
        self.tokens: set[str | None] = set()
        self.spoiled: dict[str, Spoiling] = {}

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def put(self, name: str, files: Mapping[str, bytes], **settings: Any) -> Repository:
        """Make a repository of these files."""
        repository = Repository(**settings)
        repository.files |= files
        self.repositories[name] = repository
        return repository

    def spoil(self, path: str, spoiling: Spoiling) -> None:
        """Answer otherwise where a request's path has this text."""
        self.spoiled[path] = spoiling

    def server_bind(self) -> None:
        """Bind without asking for the name of this machine, which may take seconds."""
        TCPServer.server_bind(self)

    def handle_error(self, *_: Any) -> None:
        """Say nothing: clients of the tests break off on purpose."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        if not self._begins():
            return
        match urlsplit(self.path).path.strip("/").split("/"):
            case ["api", "models", owner, name, "revision", revision]:
                repository = self._repository(f"{owner}/{name}", revision)
                if repository is not None:
                    self.send(json.dumps(repository.listing()).encode())
            case [owner, name, "resolve", revision, file]:
                repository = self._repository(f"{owner}/{name}", revision)
                if repository is not None:
                    self.send(repository.files[file])
            case _:
                self.send(b"", status=404)

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        if not self._begins():
            return
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self.send(b'{"error": "no token"}', status=401)
            return
        match urlsplit(self.path).path.strip("/").split("/"):
            case ["api", "repos", "create"]:
                wish = json.loads(body)
                name = f"{wish['organization']}/{wish['name']}"
                self.server.put(name, {}, private=wish.get("visibility") == "private")
                self.answer({"url": f"{self.server.address}/{name}", "id": name})
            case ["api", "validate-yaml"]:
                self.answer({"errors": [], "warnings": []})
            case ["api", "models", _, _, "preupload", _]:
                files = [each["path"] for each in json.loads(body)["files"]]
                self.answer({"files": [_upload(name) for name in files]})
            case [_, _, "info", "lfs", "objects", "batch"]:
                wanted = json.loads(body)["objects"]
                place = f"{self.server.address}/lfs/"
                self.answer(
                    {
                        "transfer": "basic",
                        "objects": [
                            {**each, "actions": {"upload": {"href": place + each["oid"]}}}
                            for each in wanted
                        ],
                    }
                )
            case ["api", "models", owner, name, "commit", "main"]:
                self._take(self.server.repositories[f"{owner}/{name}"], body.splitlines())
            case _:
                self.send(b"", status=404)

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self._begins():
            self.server.uploads[self.path.rpartition("/")[2]] = body
            self.send(b"")

    def answer(self, value: object) -> None:
        self.send(json.dumps(value).encode())

    def send(
        self,
        content: bytes,
        *,
        status: int = 200,
        length: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Send an answer, maybe with a false length."""
        self.send_response(status)
        self.send_header("Content-Length", str(len(content) if length is None else length))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)
        self.close_connection = length is not None

    def _begins(self) -> bool:
        """Note the request; return whether the hub itself is to answer."""
        self.server.requests.append(f"{self.command} {self.path}")
        self.server.tokens.add(self.headers.get("Authorization"))
        for path, spoiling in self.server.spoiled.items():
            if path in self.path:
                spoiling(self)
                return False
        return True

    def _repository(self, name: str, revision: str) -> Repository | None:
        found = self.server.repositories.get(name)
        authorized = self.headers.get("Authorization") == f"Bearer {TOKEN}"
        if found is None or (found.private and not authorized):
            self.send(b'{"error": "not found"}', status=404 if authorized else 401)
            return None
        if revision not in ("main", found.commit):
            self.send(b'{"error": "no such revision"}', status=404)
            return None
        return found

    def _take(self, repository: Repository, lines: list[bytes]) -> None:
        for line in lines:
            match json.loads(line):
                case {"key": "file", "value": {"path": path, "content": content}}:
                    repository.files[path] = base64.b64decode(content)
                case {"key": "lfsFile", "value": {"path": path, "oid": oid}}:
                    repository.files[path] = self.server.uploads[oid]
        repository.commits += 1
        self.answer(
            {
                "commitUrl": f"{self.server.address}/owner/toy/commit/1",
                "commitOid": repository.commit,
            }
        )


def _upload(name: str) -> dict[str, Any]:
    mode = "lfs" if name.endswith(KEPT_OUTSIDE_GIT) else "regular"
    return {"path": name, "uploadMode": mode, "shouldIgnore": False}


@contextmanager
def serving() -> Iterator[Server]:
    """Yield a hub that listens on this machine."""
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
