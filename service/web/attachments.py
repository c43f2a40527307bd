"""Files that go with notes: uploaded before the note that names them, downloaded by those who may see them.

What is given out is a download and nothing else: no browser shows it as a page of ours (OWASP, "File Upload Cheat
Sheet"; RFC 6266 for its name).
"""

import re
from datetime import timedelta
from functools import partial
from typing import Final
from urllib.parse import quote
from uuid import UUID

from aiohttp import web
from msgspec import Struct, structs

from service.attachments.kinds import kind_of
from service.attachments.s3 import StoreUnavailable
from service.dispatch.file_links import read_file_token
from service.domain.control_characters import one_line
from service.domain.errors import Rejection
from service.domain.order import Order
from service.domain.seeing import own_ids
from service.ledger.attachments import storing
from service.ledger.attachments.storing import LEDGER, StoredFile
from service.ledger.database.engine import new_uuid
from service.ledger.orders.locking import find
from service.ledger.orders.views import changes_since
from service.orders import NoSuchOrder
from service.web.audited import noted
from service.web.auth import scope_of
from service.web.clients import refuse_guess
from service.web.context import CONTEXT
from service.web.orders import order_ref
from service.web.params import answer, uuid_of
from service.web.party_view import lines_seen, viewer_of
from service.web.problems import Problem
from service.web.schemas.acts import ActOrder
from service.web.uploads import Upload, body_file, once_by_file

SHOWN_FOR: Final = timedelta(hours=24)
CSP: Final = "default-src 'none'; sandbox; frame-ancestors 'none'"
# Characters of a file name.
LONGEST_NAME: Final = 200
# Bidirectional controls, which can disguise a file's extension (Unicode TR 36, §2.7),
# and halves of surrogate pairs, which are no characters.
_MISLEADING: Final = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_FILENAME: Final = re.compile(r"filename\*?=(?:UTF-8'')?\"?([^\";]{1,200})", re.IGNORECASE)


class AttachmentAnswer(Struct):
    """A file stored for the order, which a note names by its `id`. `digest`: SHA-256 of its content."""

    id: str
    name: str
    type: str
    size: int
    digest: str


async def post_attachment(request: web.Request) -> web.StreamResponse:
    """Store a file of up to 5 MB for the order: the body is the file, `name` its name.

    Its kind is judged by what is in it. A note names it then (`{"act": "note", "note": {"text": …, "attachments":
    [{"id": …}]}}`); what no note has named for a day is forgotten. It is never changed.
    """
    order = await _order(request)
    async with body_file(request) as upload:
        return await once_by_file(request, upload, partial(_post, order=order, upload=upload))


async def _post(request: web.Request, order: Order, upload: Upload) -> web.StreamResponse:
    found = _FILENAME.search(request.headers.get("Content-Disposition", ""))
    named = structs.replace(upload, name=upload.name or (found[1] if found else ""))
    file = await keep(request, order, named)
    return answer(AttachmentAnswer(**structs.asdict(file.attached)), 201)


async def keep(request: web.Request, order: Order, upload: Upload) -> StoredFile:
    """Store the file; raises Problem for a file that is not accepted."""
    content = upload.file.read()
    name = one_line(_MISLEADING.sub("", upload.name).replace("\\", "/").rpartition("/")[2])[:LONGEST_NAME].strip(". ")
    try:
        kind = kind_of(content, name, upload.type)
    except Rejection as rejection:
        raise Problem(415, "Unsupported media type", rejection.reason) from None
    context = request.app[CONTEXT]
    noted(request, type=kind, size=len(content))
    file = StoredFile(
        id=new_uuid(), order_id=order.id, name=name or "file", type=kind, size=len(content),
        digest=bytes.fromhex(upload.digest), store=LEDGER, stored=context.orders.time.now(), taken=None, public=False,
    )  # fmt: skip
    try:
        await context.attachments.keep(file, content)
    except StoreUnavailable as error:
        raise Problem(503, "Unavailable", f"{error}; try again") from None
    return file


async def with_files(request: web.Request, act_order: ActOrder) -> ActOrder:
    """The act with the details of the files that its note names, for those to whom the act is published."""
    if not act_order.note or not act_order.note.attachments:
        return act_order
    ids = [i for a in act_order.note.attachments if (i := _uuid(a.id))]
    async with request.app[CONTEXT].orders.ledger.reading() as tx:
        known = await storing.files(tx, ids)
    named = tuple(known[i].attached if (i := _uuid(a.id)) in known else a for a in act_order.note.attachments)
    return structs.replace(act_order, note=structs.replace(act_order.note, attachments=named))


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


async def _order(request: web.Request) -> Order:
    async with request.app[CONTEXT].orders.ledger.reading() as tx:
        order = await find(tx, *order_ref(request), scope=scope_of(request))
    if order is None:
        raise NoSuchOrder
    return order


async def get_attachment(request: web.Request) -> web.StreamResponse:
    """A file of the order, as a download."""
    order, file_id = await _order(request), uuid_of(request.match_info["id"], "attachment")
    file = await _file(request, file_id)
    if file is None or file.order_id != order.id or not await _is_shown(request, order, file):
        raise Problem(404, "No such attachment", "the order has no file with this id, or not any more")
    return await _download(request, file)


async def _is_shown(request: web.Request, order: Order, file: StoredFile) -> bool:
    """Whether the caller may see the file: staff see every file, parties those of the notes that they see."""
    viewer = viewer_of(request)
    if viewer is None:
        return True
    async with request.app[CONTEXT].orders.ledger.reading() as tx:
        lines = await changes_since(tx, order.id, 0, scope=viewer.scope)
    seen = lines_seen(lines, viewer.role, own_ids(order, viewer.role, viewer.scope))
    return any(named["id"] == str(file.id) for line in seen for named in line.get("attachments", ()))


async def get_linked_file(request: web.Request) -> web.StreamResponse:
    """Download a file that a message links to, while the link is valid."""
    context = request.app[CONTEXT]
    file_id = read_file_token(context.orders.keyring, request.match_info["token"], context.orders.time.now())
    file = await _file(request, file_id) if file_id else None
    # No link was ever sent for internal notes, or for notes that nobody was told of.
    if file is None or not file.public:
        raise await refuse_guess(request, Problem(404, "No such page", "the link is not valid, or not valid any more"))
    return await _download(request, file)


async def _file(request: web.Request, file_id: UUID) -> StoredFile | None:
    async with request.app[CONTEXT].orders.ledger.reading() as tx:
        return await storing.file(tx, file_id)


async def _download(request: web.Request, file: StoredFile) -> web.Response:
    try:
        content = await request.app[CONTEXT].attachments.content(file)
    except StoreUnavailable as error:
        raise Problem(503, "Unavailable", f"{error}; try again") from None
    if content is None:
        raise Problem(404, "No such attachment", "the file is gone")
    plain = re.sub(r"[^A-Za-z0-9._ -]", "_", file.name)
    headers = {
        "Content-Disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(file.name, safe='')}",
        "Content-Security-Policy": CSP,
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",
        "X-Robots-Tag": "noindex, nofollow",
    }
    charset = "utf-8" if file.type.startswith("text/") else None
    return web.Response(body=content, content_type=file.type, charset=charset, headers=headers)
