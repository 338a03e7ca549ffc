"""The smallest useful handler in Python: `Hello from /path?query`, as `hello` does in Rust.

Claim: a component that carries a whole interpreter is served like any other.
"""

from componentize_py_types import Ok
from wit_world import exports
from wit_world.imports.wasi_http_types import (
    Fields,
    IncomingRequest,
    OutgoingBody,
    OutgoingResponse,
    ResponseOutparam,
)

# The most that `blocking-write-and-flush` takes at a time.
CHUNK_BYTES_MAX = 4096


class IncomingHandler(exports.IncomingHandler):
    def handle(self, request: IncomingRequest, response_out: ResponseOutparam) -> None:
        text = f"Hello from {request.path_with_query() or '/'}\n".encode()
        headers = Fields.from_list(
            [
                ("content-type", b"text/plain; charset=utf-8"),
                ("content-length", str(len(text)).encode()),
            ]
        )
        response = OutgoingResponse(headers)
        body = response.body()
        # The head leaves now; what follows is streamed.
        ResponseOutparam.set(response_out, Ok(response))

        with body.write() as stream:
            for start in range(0, len(text), CHUNK_BYTES_MAX):
                stream.blocking_write_and_flush(text[start : start + CHUNK_BYTES_MAX])
        OutgoingBody.finish(body, None)
