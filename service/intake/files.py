"""Files that an event's note names: they must be stored for the order, and then belong to the note."""

from collections.abc import Sequence
from uuid import UUID

from msgspec import structs

from service.domain.errors import Rejection
from service.domain.events import Event
from service.domain.order import OrderRef
from service.ledger.attachments import storing
from service.ledger.attachments.storing import StoredFile
from service.unit_of_work import UnitOfWork


async def with_files(u: UnitOfWork, event: Event) -> tuple[Event, Sequence[StoredFile]]:
    """The event with the details of its note's files; raises Rejection for one that is not stored for the order."""
    note = event.data.note
    if note is None or not note.attachments:
        return event, ()
    order = u.order(OrderRef(event.data.workflow, event.reference))
    ids = [_uuid(a.id) for a in note.attachments]
    known = await storing.files(u.tx, (i for i in ids if i))
    found: list[StoredFile] = []
    for n, file_id in enumerate(ids):
        file = known.get(file_id) if file_id else None
        if file is None or order is None or file.order_id != order.id:
            raise Rejection(
                f"data.note.attachments[{n}]: no file with this id is stored for the order; upload it first"
            )
        if file.taken is not None:
            raise Rejection(f"data.note.attachments[{n}]: the file goes with another note already")
        found.append(structs.replace(file, public=note.public))
    named = structs.replace(note, attachments=tuple(f.attached for f in found))
    return structs.replace(event, data=structs.replace(event.data, note=named)), found


def take_files(u: UnitOfWork, files: Sequence[StoredFile]) -> None:
    """Assign the files to the order's latest note."""
    for file in files:
        storing.attach(u.changes.writes, [file.id], u.now, public=file.public)


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
