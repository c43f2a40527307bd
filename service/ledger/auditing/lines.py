"""Writes and erases audit lines: chained in commit order, with sealed names beside them that can be erased."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from msgspec import Struct, structs
from sqlalchemy import delete, func, select, update

from service.domain.address_keys import both_forms
from service.domain.control_characters import one_line
from service.keyring import Keyring
from service.ledger.auditing.chain import Chain, Head, LineContent, canonical_json, salted
from service.ledger.auditing.tables import AUDIT_NAME, audit, audit_head, audit_lines, audit_names
from service.ledger.database.sets import NewRow, Rows, insert_missing, insert_rows
from service.ledger.database.transaction import Transaction
from service.ledger.orders.records import seal_json

HEAD: Final = 1
TAKEN_OVER: Final = 500
FORGOTTEN: Final = 5000
# Prefixes of callers' names in lines.
KINDS: Final = ("key:", "oidc:", "cli:")


class AuditLine(Struct, frozen=True):
    """One access or action. `who` with its prefix, such as `key:NAME`; `origin`: an IP address or a machine's name.

    `people`: addresses of people concerned, stored as keyed digests. `detail`: anything else, nothing personal.
    `subject`: the caller whom an action concerns, such as a revoked key, with its prefix.
    """

    who: str
    role: str
    act: str
    workflow: str = ""
    order_id: str = ""
    origin: str = ""
    people: tuple[str, ...] = ()
    detail: Mapping[str, Any] = {}
    subject: str = ""


def who_key(keyring: Keyring, who: str) -> bytes:
    """Digest for finding the lines that a caller caused."""
    return keyring.digest("audit-who", one_line(who).lower())


def person_key(keyring: Keyring, address: str) -> bytes:
    """Digest for finding the lines about a person, however their address is written."""
    return keyring.digest("audit-about", both_forms(one_line(address))[0])


def name_key(keyring: Keyring, part: str, name: str) -> bytes:
    """Digest for finding a line by a name in it; `part`: which part of the line (who, from, subject, about)."""
    if part == "from":
        return keyring.digest("audit-from", name)
    return who_key(keyring, name) if part in ("who", "subject") else bytes.fromhex(name)


async def write_audit(tx: Transaction, lines: Sequence[AuditLine], now: datetime) -> None:
    """Append these lines in the running transaction. Call it last: other writers wait from here until its commit."""
    if not lines:
        return
    chain, head = Chain(tx.keyring), await _locked_head(tx)
    rows: Rows = []
    names: Rows = []
    for line in lines:
        content, parts = _content(tx.keyring, line, head.seq + 1, now)
        names += parts
        head = structs.replace(head, seq=content.seq, digest=chain.next(head.digest, content))
        rows.append(_row(content, head.digest))
    await insert_rows(tx, audit_lines, rows)
    await insert_rows(tx, audit_names, names)
    await _move_head(tx, chain, head)


def _content(keyring: Keyring, line: AuditLine, seq: int, now: datetime) -> tuple[LineContent, Rows]:
    found = [("who", line.who)]
    if line.origin:
        found.append(("from", line.origin))
    if line.subject:
        found.append(("subject", line.subject))
    for n, address in enumerate(line.people):
        found.append((f"about{n or ''}", person_key(keyring, address).hex()))
    commitments, rows = {}, []
    for part, name in found:
        kept = salted(name)
        commitments[part] = kept.commitment()
        sealed = seal_json(keyring, kept, AUDIT_NAME.of(seq, part))
        rows.append({"seq": seq, "part": part, "key": name_key(keyring, part, name), "sealed_name": sealed})
    content = LineContent(
        seq,
        now,
        line.role,
        line.act,
        line.workflow,
        line.order_id,
        canonical_json(line.detail),
        canonical_json(commitments),
    )
    return content, rows


def _row(content: LineContent, digest: bytes) -> NewRow:
    return {
        "seq": content.seq,
        "at": content.at,
        "role": content.role,
        "act": content.act,
        "workflow": content.workflow,
        "order_name": content.order_id,
        "detail": content.detail,
        "commitments": content.commitments,
        "digest": digest,
    }


def content_of(row: Any) -> LineContent:
    """The content of a stored line."""
    return LineContent(row.seq, row.at, row.role, row.act, row.workflow, row.order_name, row.detail, row.commitments)


async def head_of(tx: Transaction) -> tuple[Head, bytes] | None:
    """The chain's head and its digest; None before the first line."""
    row = (await tx.execute(select(audit_head).where(audit_head.c.id == HEAD))).one_or_none()
    return _head(row) if row else None


def _head(row: Any) -> tuple[Head, bytes]:
    head = Head(row.seq, bytes(row.digest), row.first, bytes(row.checkpoint), row.names_erased)
    return head, bytes(row.seal)


async def _locked_head(tx: Transaction) -> Head:
    """The head, locked until the commit, so that lines are numbered in the order of their commits."""
    query = select(audit_head).where(audit_head.c.id == HEAD).with_for_update()
    row = (await tx.execute(query)).one_or_none()
    if row is None:
        await insert_missing(tx, audit_head, [_head_row(Head(), b"")])
        row = (await tx.execute(query)).one()
    return _head(row)[0]


def _head_row(head: Head, seal: bytes) -> NewRow:
    return {"id": HEAD, "seal": seal, **structs.asdict(head)}


async def _move_head(tx: Transaction, chain: Chain, head: Head) -> None:
    await tx.execute(update(audit_head).where(audit_head.c.id == HEAD).values(_head_row(head, chain.seal(head))))


async def erase_names(tx: Transaction, addresses: Iterable[str]) -> int:
    """Erase these addresses as names of callers and of people concerned; returns how many names were erased.

    The chain stays intact; the number of erased names is part of its head, so that no others can be removed unnoticed.
    """
    forms = {form for a in addresses for form in (one_line(a), *both_forms(one_line(a)))}
    keys = {who_key(tx.keyring, f"{kind}{form}") for form in forms for kind in ("", *KINDS)}
    keys |= {person_key(tx.keyring, form) for form in forms}
    head = await _locked_head(tx)
    gone: Any = await tx.execute(delete(audit_names).where(audit_names.c.key.in_(keys)))
    if gone.rowcount:
        head = structs.replace(head, names_erased=head.names_erased + gone.rowcount)
        await _move_head(tx, Chain(tx.keyring), head)
    return int(gone.rowcount)


async def chain_earlier_lines(tx: Transaction, now: datetime) -> int:
    """Chain lines of earlier releases, oldest first, some at a time; returns how many. `detail` has their time."""
    query = select(audit).order_by(audit.c.at, audit.c.id).limit(TAKEN_OVER).with_for_update(skip_locked=True)
    rows = (await tx.execute(query)).all()
    if rows:
        await tx.execute(delete(audit).where(audit.c.id.in_([r.id for r in rows])))
        lines = [
            AuditLine(
                r.who if r.who.startswith(KINDS) else f"earlier:{r.who}",
                r.role,
                r.act,
                r.workflow,
                r.order_name,
                detail={"written": r.at.isoformat()},
            )
            for r in rows
        ]
        await write_audit(tx, lines, now)
    return len(rows)


async def delete_before(tx: Transaction, before: datetime) -> int:
    """Delete the oldest lines, if written before `before`, some at a time; returns how many."""
    head = await _locked_head(tx)
    kept = select(func.min(audit_lines.c.seq)).where(audit_lines.c.at >= before)
    first = (await tx.execute(kept)).scalar_one_or_none() or head.seq + 1
    first = min(first, head.first + FORGOTTEN)
    if first <= head.first:
        return 0
    last = (await tx.execute(select(audit_lines.c.digest).where(audit_lines.c.seq == first - 1))).scalar()
    if last is None:
        return 0
    query = select(audit_lines.c.commitments).where(audit_lines.c.seq < first)
    promised = sum(len(msgspec.json.decode(c)) for c in (await tx.execute(query)).scalars())
    await tx.execute(delete(audit_lines).where(audit_lines.c.seq < first))
    gone: Any = await tx.execute(delete(audit_names).where(audit_names.c.seq < first))
    erased = head.names_erased - (promised - gone.rowcount)
    moved = structs.replace(head, first=first, checkpoint=bytes(last), names_erased=erased)
    await _move_head(tx, Chain(tx.keyring), moved)
    return first - head.first
