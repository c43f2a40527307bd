"""Writes docs/data-model.md from the tables of the ledger (`make data-model`); `--check` says whether it is current."""

import sys
from importlib import import_module
from pathlib import Path
from typing import Final

from sqlalchemy import Column, Index, LargeBinary, Table, Uuid

from service.ledger.columns import ABOUT, LABEL, Instant, metadata

ROOT: Final = Path(__file__).parents[1]
FILE: Final = ROOT / "docs/data-model.md"
# Rows are found by these names; no foreign keys are declared, so that housekeeping and erasure go table by table.
POINTS_TO: Final = {"order_id": "orders", "notice_id": "notices", "incident_id": "incidents", "key_id": "api_keys"}
HEAD: Final = """# The data model

Made from `service/ledger/*/tables.py` by `make data-model`; not edited by hand. Times are UTC. *Sealed* columns hold bytes
that are encrypted for their row and label ([ADR 0005](adr/0005-everything-personal-is-sealed.md),
[ADR 0023](adr/0023-a-seal-needs-a-place.md)); nothing personal stands in any other. A *digest* is keyed: it finds whoever
already knows the value. No foreign keys are declared: erasure and housekeeping go table by table, in small steps.
"""


def text() -> str:
    """The whole page; raises KeyError for a table whose `info` lacks ABOUT."""
    for module in sorted((ROOT / "service/ledger").rglob("tables*.py")):
        import_module(".".join(module.relative_to(ROOT).with_suffix("").parts))
    found = sorted(metadata.tables.values(), key=lambda table: table.name)
    links = [
        f"  {POINTS_TO[column.name]} ||--o{{ {table.name} : {column.name}"
        for table in found
        for column in table.columns
        if _points(column)
    ]
    picture = "\n".join(["```mermaid", "erDiagram", *links, "```"])
    return "\n\n".join([HEAD.rstrip(), picture, *(_section(table) for table in found)]) + "\n"


def _section(table: Table) -> str:
    rows = ["| column | type | |", "|---|---|---|", *(_row(column) for column in table.columns)]
    indexes = [_index(index) for index in sorted(table.indexes, key=lambda index: str(index.name))]
    about = str(table.info[ABOUT])
    parts = [f"## {table.name}", f"{about[0].upper()}{about[1:]}.", "\n".join(rows)]
    return "\n\n".join(parts + (["\n".join(indexes)] if indexes else []))


def _row(column: Column[object]) -> str:
    words = ["primary key"] * column.primary_key
    if label := column.info.get(LABEL):
        words.append(f"sealed as `{label.name}`")
    if _points(column):
        words.append(f"of [{POINTS_TO[column.name]}](#{POINTS_TO[column.name]})")
    words += ["unique"] * bool(column.unique) + ["may be empty"] * bool(column.nullable)
    return f"| `{column.name}` | {_type(column)} | {', '.join(words)} |"


def _points(column: Column[object]) -> bool:
    return column.name in POINTS_TO and isinstance(column.type, Uuid)


def _type(column: Column[object]) -> str:
    if isinstance(column.type, Instant):
        return "time"
    if isinstance(column.type, LargeBinary):
        return "bytes" if column.type.length is None else f"{column.type.length} bytes"
    return type(column.type).__name__.lower()


def _index(index: Index) -> str:
    where = index.dialect_options["postgresql"]["where"]
    only = f", only where `{where.text}`" if where is not None else ""
    return f"* index `{index.name}`: {', '.join(f'`{column.name}`' for column in index.columns)}{only}"


def main(arguments: list[str]) -> int:
    """Write the page, or compare it; 1 where it is not current."""
    now = text()
    if "--check" not in arguments:
        FILE.write_text(now, encoding="utf-8")
        return 0
    if FILE.exists() and FILE.read_text(encoding="utf-8") == now:
        return 0
    print("docs/data-model.md is not current: run `make data-model`")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
