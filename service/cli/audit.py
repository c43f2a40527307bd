"""`stagebell audit`: verify the chain, export the lines."""

import csv
import sys
from datetime import UTC, datetime

import msgspec
import typer

from service.cli.auditing import keep
from service.cli.running import open_ledger
from service.ledger.auditing import reading as audit_reading
from service.ledger.auditing.reading import AuditFilter, LoggedLine

COLUMNS = LoggedLine.__struct_fields__
# Characters with which a spreadsheet would read a cell as a formula (OWASP, CSV injection).
FORMULA = ("=", "+", "-", "@", "\t", "\r")


async def verify(expected: str) -> int:
    """Say whether the chain is complete and unchanged; the exit code."""
    async with open_ledger() as ledger:
        for _ in range(2):
            async with ledger.reading() as tx:
                found = await audit_reading.verify(tx, expected)
            if not found.problems:
                break  # otherwise try again: retention may have deleted lines meanwhile
    for problem in found.problems:
        typer.echo(problem, err=True)
    if found.problems:
        return 1
    typer.echo(f"{found.lines} lines, whole; {found.names_erased} names erased")
    typer.echo("Keep this where nobody with access to the database can change it, for `audit verify --expect`:")
    typer.echo(found.head or "0:")
    return 0


def moment(name: str, text: str | None) -> datetime | None:
    """A day or moment, in UTC where it has no zone; exits with an error for anything else."""
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        typer.echo(f"{name}: a day or moment such as 2026-01-31 or 2026-01-31T08:00:00Z is expected", err=True)
        sys.exit(1)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


async def export(since: datetime | None, until: datetime | None, *, as_csv: bool) -> int:
    """Print all lines, oldest first, as JSON lines or CSV; the exit code."""
    if since and until and until <= since:
        typer.echo("--until: must be after --since", err=True)
        return 1
    async with open_ledger() as ledger:
        async with ledger.transaction() as tx:
            await keep(tx, "audit.exported")
        writer = csv.writer(sys.stdout)
        if as_csv:
            writer.writerow(COLUMNS)
        async with ledger.reading() as tx:
            wanted = AuditFilter(since=since, until=until)
            async for line in audit_reading.oldest_first(tx, wanted):
                if as_csv:
                    writer.writerow(_cells(line))
                else:
                    sys.stdout.write(msgspec.json.encode(line).decode() + "\n")
    return 0


def _cells(line: LoggedLine) -> list[str]:
    row = msgspec.to_builtins(line)
    texts = [v if isinstance(v, str) else msgspec.json.encode(v).decode() for v in (row[c] for c in COLUMNS)]
    return [f"'{t}" if t.startswith(FORMULA) else t for t in texts]
