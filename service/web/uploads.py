"""Uploaded files: held in an unnamed temporary file while they are processed, idempotent by their content."""

import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from hashlib import sha256
from typing import BinaryIO, Final, cast

from aiohttp import web
from aiohttp.web_request import FileField
from msgspec import Struct

from service.web.once import key_of, once
from service.web.params import form_of
from service.web.problems import Problem

# Longer than reading any file within the size limit takes.
LEASE: Final = timedelta(minutes=15)
_CHUNK: Final = 64 * 1024
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Upload(Struct, frozen=True):
    """An uploaded file. `digest`: SHA-256; `name`, `type` and `charset` are as its sender declared them."""

    file: BinaryIO
    size: int
    digest: str
    name: str
    type: str
    charset: str = ""


@asynccontextmanager
async def body_file(request: web.Request) -> AsyncIterator[Upload]:
    """The request's body as a file; raises HTTPRequestEntityTooLarge above the route's limit."""
    most, size, digest = request._client_max_size, 0, sha256()
    with tempfile.TemporaryFile() as file:
        async for chunk in request.content.iter_chunked(_CHUNK):
            size += len(chunk)
            if most and size > most:
                raise web.HTTPRequestEntityTooLarge(max_size=most, actual_size=size)
            digest.update(chunk)
            file.write(chunk)
        file.seek(0)
        name, charset = request.query.get("name", ""), request.charset or ""
        yield Upload(cast(BinaryIO, file), size, digest.hexdigest(), name, request.content_type, charset)


async def form_file(request: web.Request, field: str) -> Upload:
    """The file of a form; raises Problem where none was chosen."""
    await form_of(request, files=True)
    found = (await request.post()).get(field)
    if not isinstance(found, FileField) or not found.filename:
        raise Problem(422, "Not accepted", f"{field}: choose a file")
    digest, size = sha256(), 0
    while chunk := found.file.read(_CHUNK):
        digest.update(chunk)
        size += len(chunk)
    found.file.seek(0)
    return Upload(cast(BinaryIO, found.file), size, digest.hexdigest(), found.filename, found.content_type)


async def once_by_file(request: web.Request, upload: Upload, handler: Handler) -> web.StreamResponse:
    """Run `handler` once for the `Idempotency-Key` that came with this file; raises Problem."""
    key = key_of(request)
    if key is None:
        return await handler(request)
    parts = [request.method, request.path_qs, f"{upload.type} {upload.charset}".strip(), upload.digest]
    return await once(request, f"header {key}", parts, handler, lease=LEASE)
