"""The smallest useful handler in Python for WASI 0.3: `Hello from /path?query`, as `hello3` does in Rust.

Claim: a component that carries a whole interpreter is served like any other.
"""

import componentize_py_async_support
import wit_world
from componentize_py_async_support.streams import ByteStreamWriter
from componentize_py_types import Ok
from wit_world import exports
from wit_world.imports.wasi_http_types import Fields, Request, Response


class Handler(exports.Handler):
    async def handle(self, request: Request) -> Response:
        text = f"Hello from {request.get_path_with_query() or '/'}\n".encode()
        headers = Fields.from_list(
            [
                ("content-type", b"text/plain; charset=utf-8"),
                ("content-length", str(len(text)).encode()),
            ]
        )
        body, contents = wit_world.byte_stream()
        end, trailers = wit_world.result_option_wasi_http_types_fields_wasi_http_types_error_code_future(
            lambda: Ok(None)
        )
        with end:
            response, _sent = Response.new(headers, contents, trailers)
        # Closed without a value, `end` has said that no trailers follow.
        # The head leaves when this function returns; the body follows it.
        componentize_py_async_support.spawn(write(body, text))
        return response


async def write(body: ByteStreamWriter, text: bytes) -> None:
    with body:
        await body.write_all(text)
