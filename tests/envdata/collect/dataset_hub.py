"""A small server that speaks the hub's wire format for one public dataset, over real HTTP: listing, heads and files."""

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "a" * 40


@contextmanager
def serving(name: str, files: Mapping[str, bytes], paths: list[str]) -> Iterator[str]:
    """Serve the dataset `name` with `files` by path in its repository; yields the endpoint.

    `paths` takes down what was asked for.
    """
    api, resolve = f"/api/datasets/{name}", f"/datasets/{name}/resolve/"

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            paths.append(self.path)
            path = self.path.partition("?")[0]
            if path in (api, f"{api}/revision/main", f"{api}/revision/{COMMIT}"):
                siblings = [{"rfilename": file} for file in files]
                self._json({"id": name, "sha": COMMIT, "siblings": siblings, "private": False, "tags": []})
            elif path.startswith(f"{api}/tree/"):
                self._json(self._tree(path.removeprefix(f"{api}/tree/").partition("/")[2]))
            elif path.startswith(resolve):
                self._file(path.removeprefix(resolve).partition("/")[2])
            else:
                self._send(404, b"{}", {"X-Error-Code": "RepoNotFound"})

        do_HEAD = do_GET  # noqa: N815 - the server's own name

        def _tree(self, folder: str) -> list[dict[str, object]]:
            if not folder:
                return [{"type": "directory", "oid": "d" * 40, "size": 0, "path": "data"}]
            return [
                {"type": "file", "oid": _oid(content), "size": len(content), "path": file}
                for file, content in files.items()
                if file.startswith(f"{folder}/")
            ]

        def _file(self, file: str) -> None:
            if file in files:
                self._send(200, files[file], {"ETag": f'"{_oid(files[file])}"', "X-Repo-Commit": COMMIT})
            else:
                self._send(404, b"", {"X-Error-Code": "EntryNotFound"})

        def _json(self, content: object) -> None:
            self._send(200, json.dumps(content).encode(), {"Content-Type": "application/json"})

        def _send(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
            self.send_response(status)
            for header, value in headers.items():
                self.send_header(header, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _oid(content: bytes) -> str:
    return hashlib.sha1(content).hexdigest()
