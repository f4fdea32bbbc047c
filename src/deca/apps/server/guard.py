"""Who may ask the server for what: hosts and origins, sizes, rates; and the headers of every answer."""

from __future__ import annotations

import time
from collections import OrderedDict
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_LOCAL = ("localhost", "127.0.0.1", "::1")
_POLICY = "; ".join(
    (
        "default-src 'none'",
        # Networks run in the page as WebAssembly.
        "script-src 'self' 'wasm-unsafe-eval'",
        "worker-src 'self'",
        "style-src 'self'",
        # What a GLB holds, and what the user chose, is shown from memory.
        "img-src 'self' blob: data:",
        "media-src 'self' blob:",
        "connect-src 'self' blob:",
        "font-src 'self'",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
# Swagger's page writes styles into its own elements.
_DOCUMENTATION_POLICY = _POLICY.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'")
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
}


def is_local(host: str) -> bool:
    """Whether an address can be reached from this machine alone."""
    return host in _LOCAL or host.startswith("127.")


class Guard:
    """Refuses what no page of this server would send, before anything reads it.

    On an address of this machine alone, requests must name it as their host: a web page whose name was made
    to point here is shut out (DNS rebinding). What changes something must come from our own page or from no
    page at all. Bodies are cut off at `most_bytes`.
    """

    def __init__(self, app: ASGIApp, host: str, most_bytes: int) -> None:
        self._app, self._most_bytes = app, most_bytes
        self._too_large = f"larger than {most_bytes / 1e6:g} MB; make the photo smaller"
        self._hosts = {*_LOCAL, host} if is_local(host) else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        policy = _DOCUMENTATION_POLICY if scope["path"] == "/docs" else _POLICY

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                sent = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    sent[name] = value
                sent["Content-Security-Policy"] = policy
                sent.setdefault("Cache-Control", "no-store")
            await send(message)

        refused = self._refusal(scope["method"], headers)
        if refused is not None:
            await refused(scope, receive, answer)
            return
        read = 0

        async def limited() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > self._most_bytes:
                raise HTTPException(413, self._too_large)
            return message

        await self._app(scope, limited, answer)

    def _refusal(self, method: str, headers: Headers) -> JSONResponse | None:
        host = headers.get("host", "")
        if self._hosts is not None and _host_name(host) not in self._hosts:
            return _error(421, "this server answers to localhost only")
        if method not in ("GET", "HEAD"):
            origin = headers.get("origin")
            if origin is not None and urlsplit(origin).netloc != host:
                return _error(403, "the request comes from another site's page")
            if headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
                return _error(403, "the request comes from another site's page")
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > self._most_bytes:
            return _error(413, self._too_large)
        return None


class Rate:
    """At most so many acts a minute for each client, any few of them at once (a token bucket)."""

    _MOST_CLIENTS = 10_000

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, client: str) -> float:
        """Count one act; 0, or the seconds to wait until there is one to be had."""
        now = time.monotonic()
        left, since = self._left.pop(client, (float(self._per_minute), now))
        left = min(self._per_minute, left + (now - since) * self._per_minute / 60)
        allowed = left >= 1
        self._left[client] = (left - allowed, now)
        if len(self._left) > self._MOST_CLIENTS:
            self._left.popitem(last=False)
        return 0.0 if allowed else (1 - left) * 60 / self._per_minute


def _host_name(host: str) -> str:
    """A Host header without its port: [::1]:8000 is ::1."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _error(status: int, detail: str) -> JSONResponse:
    return JSONResponse({"detail": detail}, status)
