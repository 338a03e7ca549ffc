"""What the guest `hello` does, with FastAPI."""

from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse

app = FastAPI()


@app.get("/{path:path}", response_class=PlainTextResponse)
async def hello(request: Request):
    query = f"?{request.url.query}" if request.url.query else ""
    return f"Hello from {request.url.path}{query}\n"
