"""A model server for tests: a real one on this machine's loopback, that says what it is told to."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class ModelServer:
    """Answers chat completions from a list, in order, and remembers what it was asked."""

    def __init__(self) -> None:
        self.answers: list[str | bytes | int | None] = []
        """A text is what the model says, bytes are the whole body, a number an HTTP error, and
        ``None`` waits until the server stops."""
        self.asked: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.url = ""
        self._is_over = threading.Event()

    @contextmanager
    def running(self) -> Iterator["ModelServer"]:
        with ThreadingHTTPServer(("127.0.0.1", 0), self._handler()) as server:
            self.url = f"http://127.0.0.1:{server.server_port}/v1"
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            try:
                yield self
            finally:
                self._is_over.set()
                server.shutdown()
                thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        told = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                told.asked.append({"path": self.path, **json.loads(self.rfile.read(length))})
                told.headers.append(dict(self.headers.items()))
                told.respond(self, told.answers.pop(0))

            def log_message(self, *_: object) -> None:
                pass

        return Handler

    def respond(self, handler: BaseHTTPRequestHandler, answer: str | bytes | int | None) -> None:
        if answer is None:
            self._is_over.wait()
            return
        if isinstance(answer, int):
            handler.send_error(answer)
            return
        if isinstance(answer, str):
            message = {"role": "assistant", "content": answer}
            answer = json.dumps({"choices": [{"index": 0, "message": message}]}).encode()
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(answer)))
        handler.end_headers()
        handler.wfile.write(answer)
