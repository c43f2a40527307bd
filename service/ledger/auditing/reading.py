"""Reading the audit log: filtered search, full export, and verification line by line."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from msgspec import Struct
from sqlalchemy import ColumnElement, func, or_, select

from service.domain.json_object import JsonObject
from service.keyring import Keyring, SealBroken
from service.ledger.auditing.chain import Chain, Head, SaltedName
from service.ledger.auditing.lines import HEAD, KINDS, content_of, head_of, name_key, person_key, who_key
from service.ledger.auditing.tables import AUDIT_NAME, audit_head, audit_lines, audit_names
from service.ledger.database.transaction import Transaction

PAGE: Final = 1000
MOST_PROBLEMS: Final = 50
ERASED: Final = "(erased)"
_name_decoder: Final = msgspec.json.Decoder(SaltedName)


class AuditFilter(Struct, frozen=True):
    """Which lines. Empty fields do not filter; `act` is an action's name or its first words, `person` an address.

    `acts`: only actions with these names or beginning with them.
    """

    who: str = ""
    act: str = ""
    order: str = ""
    person: str = ""
    since: datetime | None = None
    until: datetime | None = None
    before_seq: int = 0
    limit: int = 100
    acts: tuple[str, ...] = ()


class LoggedLine(Struct, frozen=True):
    """One line with its names, as far as they are not erased. `about`: keyed digests of the people concerned."""

    seq: int
    at: datetime
    who: str
    role: str
    origin: str
    act: str
    workflow: str
    order_id: str
    about: list[str]
    detail: JsonObject
    digest: str
    subject: str = ""


class ChainVerdict(Struct, frozen=True):
    """The result of a verification: how many lines are intact, the chain's head, and what is wrong."""

    lines: int
    head: str
    names_erased: int
    problems: list[str]


def _conditions(keyring: Keyring, w: AuditFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if w.who:
        keys = [who_key(keyring, f"{kind}{w.who}") for kind in ("", *KINDS)]
        found.append(audit_lines.c.seq.in_(select(audit_names.c.seq).where(audit_names.c.key.in_(keys))))
    if w.person:
        named = select(audit_names.c.seq).where(audit_names.c.key == person_key(keyring, w.person))
        found.append(audit_lines.c.seq.in_(named))
    if w.act:
        found.append(_is_act(w.act))
    if w.acts:
        found.append(or_(*map(_is_act, w.acts)))
    if w.order:
        found.append(audit_lines.c.order_name == w.order)
    if w.since is not None:
        found.append(audit_lines.c.at >= w.since)
    if w.until is not None:
        found.append(audit_lines.c.at < w.until)
    return found


def _is_act(act: str) -> ColumnElement[bool]:
    longer = (audit_lines.c.act.startswith(f"{act}{end}", autoescape=True) for end in (".", " "))
    return or_(audit_lines.c.act == act, *longer)


async def search(tx: Transaction, wanted: AuditFilter) -> list[LoggedLine]:
    """The newest matching lines first, up to the filter's limit."""
    query = select(audit_lines).where(*_conditions(tx.keyring, wanted)).order_by(audit_lines.c.seq.desc())
    if wanted.before_seq:
        query = query.where(audit_lines.c.seq < wanted.before_seq)
    rows = (await tx.execute(query.limit(wanted.limit))).all()
    return await _named(tx, rows)


async def oldest_first(tx: Transaction, wanted: AuditFilter) -> AsyncIterator[LoggedLine]:
    """All matching lines, oldest first, loaded by pages."""
    last = 0
    while True:
        query = select(audit_lines).where(*_conditions(tx.keyring, wanted), audit_lines.c.seq > last)
        rows = (await tx.execute(query.order_by(audit_lines.c.seq).limit(PAGE))).all()
        for line in await _named(tx, rows):
            yield line
        if len(rows) < PAGE:
            return
        last = rows[-1].seq


async def _named(tx: Transaction, rows: Sequence[Any]) -> list[LoggedLine]:
    names = await _names(tx, [r.seq for r in rows])
    return [_line(r, {part: kept.name for part, kept in names.get(r.seq, {}).items() if kept}) for r in rows]


def _line(row: Any, names: dict[str, str]) -> LoggedLine:
    promised = msgspec.json.decode(row.commitments)
    return LoggedLine(
        seq=row.seq,
        at=row.at,
        who=names.get("who", ERASED),
        role=row.role,
        origin=names.get("from", ERASED if "from" in promised else ""),
        act=row.act,
        workflow=row.workflow,
        order_id=row.order_name,
        about=[names.get(part, ERASED) for part in sorted(promised) if part.startswith("about")],
        detail=msgspec.json.decode(row.detail),
        digest=row.digest.hex(),
        subject=names.get("subject", ERASED if "subject" in promised else ""),
    )


async def _names(
    tx: Transaction, seqs: Sequence[int], *, findable: bool = False
) -> dict[int, dict[str, SaltedName | None]]:
    """Names by line and part; None if a sealed value does not open or, with `findable`, does not match its digest."""
    found: dict[int, dict[str, SaltedName | None]] = {}
    if not seqs:
        return found
    query = select(audit_names).where(audit_names.c.seq.between(min(seqs), max(seqs)))
    for row in await tx.execute(query):
        try:
            kept = _name_decoder.decode(tx.keyring.unseal(row.sealed_name, AUDIT_NAME.of(row.seq, row.part)))
        except (SealBroken, msgspec.DecodeError):
            kept = None
        if findable and kept and name_key(tx.keyring, row.part, kept.name) != row.key:
            kept = None
        found.setdefault(row.seq, {})[row.part] = kept
    return found


async def verify(tx: Transaction, expected: str = "") -> ChainVerdict:
    """Verify the whole chain. `expected`: a head noted elsewhere, `NUMBER:DIGEST`, which must be in it."""
    stored = await head_of(tx)
    chain = Chain(tx.keyring)
    problems: list[str] = []
    if stored is None:
        if (await tx.execute(select(func.count()).select_from(audit_lines))).scalar_one():
            problems.append("the head record is missing")
        if expected:
            problems.append(f"line {expected.partition(':')[0]}, noted elsewhere, is missing: there are no lines")
        return ChainVerdict(0, "", 0, problems)
    head, seal = stored
    if chain.seal(head) != seal:
        problems.append("the head record was changed")
    walk = _Walk(chain, head, expected, problems)
    last = 0
    while len(problems) < MOST_PROBLEMS:
        query = select(audit_lines).where(audit_lines.c.seq > last, audit_lines.c.seq <= head.seq)
        rows = (await tx.execute(query.order_by(audit_lines.c.seq).limit(PAGE))).all()
        names = await _names(tx, [r.seq for r in rows], findable=True)
        for row in rows:
            walk.step(row, names.get(row.seq, {}))
        if len(rows) < PAGE:
            break
        last = rows[-1].seq
    walk.end()
    if await _lines_beyond_the_head(tx):
        problems.append("there are lines after the chain's end that are not part of the chain")
    return ChainVerdict(walk.whole, f"{head.seq}:{head.digest.hex()}", walk.erased, problems)


async def _lines_beyond_the_head(tx: Transaction) -> bool:
    """In one statement, as lines and the head are written together meanwhile."""
    end = select(audit_head.c.seq).where(audit_head.c.id == HEAD).scalar_subquery()
    return (await tx.execute(select(audit_lines.c.seq).where(audit_lines.c.seq > end).limit(1))).first() is not None


class _Walk:
    """Steps along the lines, oldest first, and collects problems."""

    def __init__(self, chain: Chain, head: Head, expected: str, problems: list[str]) -> None:
        self._chain, self._head, self._problems = chain, head, problems
        self._expected = expected
        self._next, self._digest = head.first, head.checkpoint
        self.whole = self.erased = 0

    def step(self, row: Any, names: dict[str, SaltedName | None]) -> None:
        if row.seq < self._next:
            self._problems.append(f"line {row.seq} is before the chain's beginning")
            return
        if row.seq > self._next:
            self._missing(self._next, row.seq - 1)
        elif self._chain.next(self._digest, content_of(row)) == row.digest and self._fits(row, names):
            self.whole += 1
        else:
            self._problems.append(f"line {row.seq} was changed, or the line before it")
        self._next, self._digest = row.seq + 1, bytes(row.digest)
        noted, _, digest = self._expected.partition(":")
        if noted == str(row.seq):
            if digest and digest != row.digest.hex():
                self._problems.append(f"line {row.seq} is not the one that was noted elsewhere")
            self._expected = ""

    def _fits(self, row: Any, names: dict[str, SaltedName | None]) -> bool:
        """Whether the names beside the line match its commitments; erased ones are counted."""
        promised: dict[str, str] = msgspec.json.decode(row.commitments)
        self.erased += len(promised.keys() - names.keys())
        return all(kept is not None and kept.commitment() == promised.get(part) for part, kept in names.items())

    def _missing(self, first: int, last: int) -> None:
        which = f"line {first} is" if first == last else f"lines {first} to {last} are"
        self._problems.append(f"{which} missing")

    def end(self) -> None:
        if len(self._problems) >= MOST_PROBLEMS:
            self._problems.append("there may be more problems; verification stopped here")
            return
        if self._next <= self._head.seq:
            self._missing(self._next, self._head.seq)
        elif self._digest != self._head.digest:
            self._problems.append(f"the head record does not match the last line, {self._head.seq}")
        if not self._problems and self.erased != self._head.names_erased:
            self._problems.append(
                f"{self.erased} names are missing, but erasure removed {self._head.names_erased}: "
                "others were removed by somebody else"
            )
        noted = self._expected.partition(":")[0]
        if noted and (not noted.isdigit() or int(noted) >= self._head.first):
            self._problems.append(f"line {noted}, noted elsewhere, is missing")
