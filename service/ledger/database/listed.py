"""`column IN (...)` for prebuilt statements: on PostgreSQL the values are one array parameter.

SQLAlchemy renders an `IN` anew at every execution, with a parameter for each value. That costs more than finding
the rows, and every number of values is another statement to prepare.
"""

from typing import Any, Final

from sqlalchemy import ARRAY, ColumnElement, any_, bindparam
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import sqltypes
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.visitors import InternalTraversal


class Listed(ColumnElement[bool]):
    """Whether `column` is one of the values of the parameter `name`, a non-empty list."""

    inherit_cache = True
    type = sqltypes.BOOLEANTYPE
    _traverse_internals: Final = [  # type: ignore[misc]
        ("column", InternalTraversal.dp_clauseelement),
        ("name", InternalTraversal.dp_string),
    ]

    def __init__(self, column: ColumnElement[Any], name: str) -> None:
        self.column = column
        self.name = name


@compiles(Listed)
def _in(element: Listed, compiler: SQLCompiler, **options: Any) -> str:
    return str(compiler.process(element.column.in_(bindparam(element.name, expanding=True)), **options))


@compiles(Listed, "postgresql")
def _any(element: Listed, compiler: SQLCompiler, **options: Any) -> str:
    values = bindparam(element.name, type_=ARRAY(element.column.type))
    return str(compiler.process(element.column == any_(values), **options))


def listed(column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
    """The condition for a prebuilt statement; pass the values as parameter `name`, `padded` for SQLite."""
    return Listed(column, name)
