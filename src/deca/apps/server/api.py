"""The server's API and its page as one application."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import shutil
import tempfile
import zipfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import IO, Annotated, Any, Literal

from fastapi import FastAPI, Form, HTTPException, Request, Response, UploadFile
from fastapi.responses import FileResponse, StreamingResponse
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel
from starlette.datastructures import UploadFile as ReceivedFile

from deca.animation.presets import PRESETS
from deca.apps.server.guard import Guard, Rate
from deca.apps.server.heads import FILES, Heads, HeadStore
from deca.apps.server.jobs import Jobs, JobState
from deca.apps.server.tasks import Decoder, Describe, Prepare, Quality, Task, TaskError, Track
from deca.apps.server.workers import QueueFullError, WorkerPool
from deca.io.files import data_file

FileName = Literal[
    "head.glb",
    "coarse.obj",
    "coarse.mtl",
    "detail.obj",
    "detail.mtl",
    "texture.png",
    "albedo.png",
    "normal.png",
    "displacement.png",
    "sheet.png",
    "parameters.json",
    "landmarks.json",
    "photo.jpg",
]
assert set(FileName.__args__) == set(FILES)
_LOG = logging.getLogger("uvicorn.error")  # the server's own
_SWEEP_SECONDS = 300
_HEARTBEAT_SECONDS = 15.0
_BLOCK = 1 << 20
_FOREVER = "public, max-age=31536000, immutable"  # names of built files change with their content


@dataclass(frozen=True)
class Limits:
    """What the server bears: sizes in bytes, times in seconds."""

    upload_bytes: int = 25_000_000
    uploads_per_minute: int = 120
    keep_seconds: float = 86_400.0


class Listed(BaseModel):
    """A head that everyone may see."""

    id: str
    name: str


class About(BaseModel):
    """What this server is and does."""

    version: str
    uploads: bool
    """Whether photos can be sent."""
    heads: list[Listed]
    """With `deca view`: the heads of the folder."""
    presets: dict[str, dict[str, float]]
    """Expressions by name: strengths of actions, one without a side for both."""
    upload_bytes: int
    keep_hours: float


class Movement(BaseModel):
    """How a face moves: weights of actions, and what joints turn beyond them (axis-angle, radians)."""

    expression: dict[str, float]
    jaw: tuple[float, float, float]
    eyes: tuple[tuple[float, float, float], tuple[float, float, float]]
    """Left, right."""
    pose: tuple[float, float, float]
    box: tuple[float, float, float, float]
    """Left, top, right, bottom of the face in the picture, each in [0, 1]."""


class Problem(BaseModel):
    """What is wrong, in one line."""

    detail: str


def make_app(
    heads: Heads,
    store: HeadStore | None,
    makers: WorkerPool | None,
    helpers: WorkerPool,
    host: str,
    limits: Limits,
) -> FastAPI:
    """The application. `store` and `makers` are those of a server that takes photos; `helpers` answer short
    questions."""
    jobs = Jobs(store, makers) if store is not None and makers is not None else None

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        sweeping = asyncio.create_task(_sweep(store, jobs, limits)) if store and jobs else None
        if makers:
            makers.submit(Prepare("fit"))
        yield
        if sweeping:
            sweeping.cancel()
        for pool in (makers, helpers):
            if pool:
                await asyncio.to_thread(pool.close)

    app = FastAPI(
        title="deca",
        version=version("deca"),
        description="Photos of faces in, animatable heads out: POST a photo, follow its job, fetch its head.",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    app.add_middleware(Guard, host=host, most_bytes=limits.upload_bytes)
    desk = _Desk(heads, helpers)
    if jobs is not None and store is not None:
        _add_jobs(app, jobs, store, Rate(limits.uploads_per_minute))
    _add_heads(app, desk)

    @app.get("/api/about", tags=["server"])
    async def about() -> About:
        """What this server is and does."""
        listed = [Listed(id=head_id, name=name) for head_id, name in heads.listed().items()]
        return About(
            version=version("deca"),
            uploads=jobs is not None,
            heads=listed,
            presets={name: dict(actions) for name, actions in PRESETS.items()},
            upload_bytes=limits.upload_bytes,
            keep_hours=limits.keep_seconds / 3600,
        )

    _add_page(app)
    return app


class _Desk:
    """Short questions to the helpers, as HTTP knows them."""

    def __init__(self, heads: Heads, helpers: WorkerPool) -> None:
        self._heads, self._helpers = heads, helpers
        self._decoder: bytes | None = None

    def folder(self, head_id: str) -> Path:
        folder = self._heads.folder(head_id)
        if folder is None:
            raise HTTPException(404, "no such head; results are deleted after a time")
        return folder

    async def ask(self, task: Task) -> Any:
        try:
            return await asyncio.wrap_future(self._helpers.submit(task))
        except QueueFullError:
            raise _busy(1) from None
        except TaskError as error:
            raise HTTPException(422, str(error)) from None

    async def decoder(self) -> bytes:
        # The same for all heads, so it is made once.
        content = self._decoder or await self.ask(Decoder())
        self._decoder = content
        return content


def _add_jobs(app: FastAPI, jobs: Jobs, store: HeadStore, rate: Rate) -> None:
    refusals: dict[int | str, dict[str, Any]] = {
        413: {"model": Problem, "description": "The photo is too large."},
        429: {"model": Problem, "description": "Too many photos from this client; see Retry-After."},
        503: {"model": Problem, "description": "Too many photos are waiting; see Retry-After."},
    }
    unknown: dict[int | str, dict[str, Any]] = {404: {"model": Problem, "description": "No such job."}}

    @app.post("/api/jobs", status_code=202, responses=refusals, tags=["jobs"])
    async def add_job(
        request: Request, response: Response, photo: UploadFile, quality: Annotated[Quality, Form()] = "fit"
    ) -> JobState:
        """Send a photo; the largest face in it is reconstructed. Follow the job by its id."""
        if wait := rate.take(request.client.host if request.client else ""):
            raise HTTPException(
                429, "too many photos in a minute; wait a little", {"Retry-After": str(int(wait) + 1)}
            )
        job_id, work = store.new_work()
        try:
            await asyncio.to_thread(_keep, photo, work / "photo")
            state = jobs.add(job_id, work, work / "photo", shown_name(photo.filename), quality)
        except QueueFullError:
            store.drop_work(job_id)
            raise _busy(10) from None
        except BaseException:
            store.drop_work(job_id)
            raise
        response.headers["Location"] = f"/api/jobs/{job_id}"
        return state

    @app.get("/api/jobs/{job_id}", responses=unknown, tags=["jobs"])
    async def job_state(job_id: str) -> JobState:
        """What a job is at. Once it is done, its head has the same id."""
        return _known(jobs.state(job_id))

    @app.get("/api/jobs/{job_id}/events", responses=unknown, tags=["jobs"], response_class=StreamingResponse)
    async def job_events(job_id: str) -> StreamingResponse:
        """The same as server-sent events: one at once, one for each change, and none after `done` or
        `failed`."""
        _known(jobs.state(job_id))

        async def events() -> AsyncIterator[str]:
            async for state in jobs.states(job_id, _HEARTBEAT_SECONDS):
                yield ": still there\n\n" if state is None else f"data: {state.model_dump_json()}\n\n"

        return StreamingResponse(events(), media_type="text/event-stream")

    @app.delete("/api/jobs/{job_id}", status_code=204, responses=unknown, tags=["jobs"])
    async def delete_job(job_id: str) -> None:
        """Cancel a job, or delete its head."""
        if not jobs.delete(job_id):
            raise HTTPException(404, "no such job")


def _add_heads(app: FastAPI, desk: _Desk) -> None:
    unknown: dict[int | str, dict[str, Any]] = {404: {"model": Problem, "description": "No such head."}}
    wrong: dict[int | str, dict[str, Any]] = {
        422: {"model": Problem, "description": "No usable photo, or no face in it."},
        503: {"model": Problem, "description": "Too much to do; see Retry-After."},
    }

    @app.get("/api/heads/{head_id}", responses=unknown, tags=["heads"])
    async def head_files(head_id: str) -> list[str]:
        """The names of a head's files."""
        folder = desk.folder(head_id)
        return [name for name in FILES if (folder / name).is_file()]

    @app.get(
        "/api/heads/{head_id}/files/{name}", responses=unknown, tags=["heads"], response_class=FileResponse
    )
    async def head_file(head_id: str, name: FileName) -> FileResponse:
        """One file of a head."""
        path = desk.folder(head_id) / name
        if not path.is_file():
            raise HTTPException(404, f"this head has no {name}")
        return FileResponse(path, media_type=FILES[name])

    @app.get(
        "/api/heads/{head_id}/archive.zip",
        responses=unknown,
        tags=["heads"],
        response_class=StreamingResponse,
    )
    async def head_archive(head_id: str) -> StreamingResponse:
        """All files of a head in one."""
        archive, size = await asyncio.to_thread(_archive, desk.folder(head_id))
        headers = {"Content-Length": str(size), "Content-Disposition": 'attachment; filename="head.zip"'}
        return StreamingResponse(_blocks(archive), media_type="application/zip", headers=headers)

    @app.get("/api/heads/{head_id}/figure.safetensors", responses=unknown, tags=["heads"])
    async def head_figure(head_id: str) -> Response:
        """What the page needs beside head.glb: relief, identity components, parameters as tensors."""
        content = await desk.ask(Describe(desk.folder(head_id)))
        return Response(content, media_type="application/octet-stream")

    @app.get("/api/decoder.onnx", tags=["heads"])
    async def decoder(request: Request) -> Response:
        """The default head's detail decoder: jaw, expression and detail code to displacement, metres."""
        content = await desk.decoder()
        tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
        headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(content, media_type="application/octet-stream", headers=headers)

    @app.post("/api/movement", responses=wrong, tags=["heads"])
    async def movement(photo: UploadFile) -> Movement:
        """How the largest face in a picture moves, to drive another head; nothing is kept."""
        task = Track(await photo.read(), shown_name(photo.filename))
        return Movement(**await desk.ask(task))


def _add_page(app: FastAPI) -> None:
    page = data_file("page/index.html").parent

    class Built(StaticFiles):
        def file_response(self, *arguments: Any, **options: Any) -> Response:
            response = super().file_response(*arguments, **options)
            response.headers["Cache-Control"] = _FOREVER
            return response

    @app.get("/", include_in_schema=False)
    async def index() -> FileResponse:
        return FileResponse(page / "index.html", headers={"Cache-Control": "no-cache"})

    @app.get("/docs", include_in_schema=False)
    async def documentation() -> FileResponse:
        return FileResponse(page / "docs.html", headers={"Cache-Control": "no-cache"})

    @app.get("/favicon.svg", include_in_schema=False)
    async def icon() -> FileResponse:
        return FileResponse(page / "favicon.svg")

    app.mount("/assets", Built(directory=page / "assets"))


def shown_name(name: str | None) -> str:
    """A client's name for a file, fit to be shown in one line; it is never used as a path."""
    shown = "".join(letter for letter in Path(name or "").name if letter.isprintable())[:80]
    return shown or "the photo"


async def _sweep(store: HeadStore, jobs: Jobs, limits: Limits) -> None:
    while True:
        await asyncio.sleep(min(_SWEEP_SECONDS, limits.keep_seconds / 2))
        try:
            await asyncio.to_thread(store.sweep)
        except OSError:
            _LOG.exception("old results cannot be deleted; trying again later")
        jobs.forget(limits.keep_seconds)


def _keep(photo: ReceivedFile, path: Path) -> None:
    with open(path, "wb") as stream:
        shutil.copyfileobj(photo.file, stream, _BLOCK)


def _archive(folder: Path) -> tuple[IO[bytes], int]:
    """An archive in a file without a name, which is gone as soon as it is closed, and its size in bytes."""
    stream = tempfile.TemporaryFile()  # noqa: SIM115 - whoever sends it closes it
    with zipfile.ZipFile(stream, "w") as archive:
        for name in FILES:
            if (folder / name).is_file():
                kind = zipfile.ZIP_STORED if name.endswith(("png", "jpg", "glb")) else zipfile.ZIP_DEFLATED
                archive.write(folder / name, name, kind, compresslevel=1)
    size = stream.tell()
    stream.seek(0)
    return stream, size


def _blocks(stream: IO[bytes]) -> Iterator[bytes]:
    with stream:
        while block := stream.read(_BLOCK):
            yield block


def _busy(seconds: int) -> HTTPException:
    return HTTPException(503, "too much to do at the moment; try again soon", {"Retry-After": str(seconds)})


def _known(state: JobState | None) -> JobState:
    if state is None:
        raise HTTPException(404, "no such job; results are deleted after a time")
    return state
