"""A stand-in for a schema registry: the part of Confluent's API that is used, over HTTP."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class RegistryDouble:
    """Serves while the block runs; `compatible` is what it answers when asked."""

    def __init__(self) -> None:
        self.schemas: dict[int, str] = {}
        self.subjects: dict[str, list[int]] = {}
        self.compatible = True
        double = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                schema = double.schemas.get(int(self.path.rsplit("/", 1)[-1]))
                self._answer(
                    *((200, {"schema": schema}) if schema else (404, {"error_code": 40403}))
                )

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                subject = self.path.split("/subjects/")[1].split("/")[0]
                if self.path.startswith("/compatibility"):
                    known = subject in double.subjects
                    self._answer(
                        *((200, {"is_compatible": double.compatible}) if known else (404, {}))
                    )
                else:
                    self._answer(200, {"id": double.register(subject, body["schema"])})

            def _answer(self, status: int, body: dict[str, Any]) -> None:
                data = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def register(self, subject: str, schema: str) -> int:
        for schema_id, known in self.schemas.items():
            if known == schema:
                return schema_id
        schema_id = len(self.schemas) + 1
        self.schemas[schema_id] = schema
        self.subjects.setdefault(subject, []).append(schema_id)
        return schema_id

    def __enter__(self) -> "RegistryDouble":
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._server.shutdown()
        self._server.server_close()
