"""What outsiders wrote does nothing to a terminal."""

import io

import pytest
from rich.console import Console
from rich.table import Table

from service.cli.shown import add_row, plain


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2Jgone", "\\x1b[2Jgone"),
        ("\x9b2J", "\\x9b2J"),
        ("\x1b]52;c;aGk=\x07", "\\x1b]52;c;aGk=\\x07"),
        ("abc\u202edcb", "abc\\u202edcb"),
        ("over\rwritten\b", "over\\rwritten\\x08"),
        ("a\u2028b\ud800", "a\\u2028b\\ud800"),
        ("two\nlines\tand नमस्\u200dते, José", "two\nlines\tand नमस्\u200dते, José"),
    ],
)
def test_what_would_act_is_spelled_out(text: str, shown: str) -> None:
    assert plain(text) == shown


def test_cells_hold_no_markup() -> None:
    table = Table("reason", box=None)
    for reason in ("re[/red]", "[link=file:///etc/passwd]x[/link]", "[red]hi"):
        add_row(table, reason)
    console = Console(file=io.StringIO(), width=80)
    console.print(table)
    assert "re[/red]" in console.file.getvalue()  # type: ignore[attr-defined]
    assert "[link=file:///etc/passwd]x[/link]" in console.file.getvalue()  # type: ignore[attr-defined]
    assert "[red]hi" in console.file.getvalue()  # type: ignore[attr-defined]
