"""`deca serve` and `deca view`: the application on an address, until Ctrl-C."""

from __future__ import annotations

import socket
import threading
import webbrowser
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from rich.console import Console

from deca.apps.errors import UsageError
from deca.apps.server.api import Limits, make_app
from deca.apps.server.heads import HeadStore, ViewedHeads
from deca.apps.server.options import AddressOptions, ServeOptions, ViewOptions
from deca.apps.server.work import run_worker
from deca.apps.server.workers import WorkerPool
from deca.io.asset_records import assets_folder

_JOB_SECONDS = 300.0
"""A photo that takes longer is given up; the very first one compiles for a while."""
_MOST_QUESTIONS = 16


def serve(options: ServeOptions, console: Console) -> None:
    """Take photos until Ctrl-C; UsageError for an address or a folder that cannot be had."""
    _check(options)
    with _listening(options.host, options.port) as listener:
        limits = Limits(
            upload_bytes=int(options.max_megabytes * 1e6),
            uploads_per_minute=options.uploads_per_minute,
            keep_seconds=options.keep_hours * 3600,
        )
        store = HeadStore(options.store or _results_folder(), limits.keep_seconds)
        makers = WorkerPool(run_worker, options.workers, options.max_waiting, _JOB_SECONDS)
        app = make_app(store, store, makers, _helpers(), options.host, limits)
        try:
            _run(app, listener, options, console)
        finally:
            store.close()


def view(options: ViewOptions, console: Console) -> None:
    """Show heads of a folder until Ctrl-C; UsageError for an address that cannot be had, or no head."""
    heads = ViewedHeads(options.folder)
    with _listening(options.host, options.port) as listener:
        app = make_app(heads, None, None, _helpers(), options.host, Limits())
        _run(app, listener, options, console)


def _results_folder() -> Path:
    return assets_folder() / "served"


def _helpers() -> WorkerPool:
    return WorkerPool(run_worker, 1, _MOST_QUESTIONS, _JOB_SECONDS)


def _check(options: ServeOptions) -> None:
    for name in ("workers", "max_waiting", "uploads_per_minute", "keep_hours", "max_megabytes"):
        if getattr(options, name) <= 0:
            raise UsageError(f"--{name.replace('_', '-')} {getattr(options, name)}: must be more than zero")


def _listening(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=256)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"{host}:{port}: cannot listen there ({reason}); name another --port") from None


def _run(app: FastAPI, listener: socket.socket, options: AddressOptions, console: Console) -> None:
    port = listener.getsockname()[1]
    shown = "localhost" if options.host in ("127.0.0.1", "0.0.0.0", "::", "::1") else options.host
    address = f"http://{shown}:{port}/"
    # Streams of events would otherwise keep a stopped server waiting.
    config = uvicorn.Config(app, log_level="warning", server_header=False, timeout_graceful_shutdown=2)
    server = uvicorn.Server(config)
    console.print(f"deca: {address} (Ctrl-C stops it)", highlight=False)
    if not options.no_browser:
        # The socket listens already: the browser's question waits until the server runs.
        threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
    server.run(sockets=[listener])
