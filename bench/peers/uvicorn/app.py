"""What the guest `mixed` does, as an ASGI app: /spin loops forever, anything else is answered at once."""


async def app(scope, receive, send):
    while scope["path"] == "/spin":
        pass
    body = b"ok\n" if scope["path"] == "/health" else b"hello\n"
    headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
