"""Print the table of the desk's tasks, as the browser tests go them: `python docs/tasks.py`."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from tests.support.hands import TOLD, seconds  # noqa: E402

TESTS: Final = {
    "test_board.py": ("take ten escalations", "take over what somebody has", "see only my own", "hand over a shift"),
    "test_desk.py": ("take back a resolved line", "find a caller and see whom to answer"),
    "test_order_page.py": ("learn why nobody was told, and what to do", "add a note for the next person"),
    "test_outage_pages.py": (
        "whom an outage touched, and tell them again", "tell all affected one thing", "hold a channel, and release it",
        "who is late most, with their orders",
    ),
    "test_words_page.py": ("change a word, have it approved, live",),
}  # fmt: skip
# Keys and clicks that it took before; None: it could not be done at the desk at all.
BEFORE: Final[dict[str, tuple[int, int] | None]] = {"take ten escalations": (20, 0)}


def measured() -> dict[str, dict[str, float]]:
    """What each task took, as its test counted it; raises where a test fails."""
    with tempfile.NamedTemporaryFile() as told:
        names = " or ".join(
            ("ten_are_taken", "two_supervisors", "an_agent_previews", "an_agent_sees", "an_outage_is", "who_is_late_most",
             "a_channel_is_held", "a_word_is_changed")
        )  # fmt: skip
        tests = [f"tests/e2e/{name}" for name in TESTS]
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests, "-k", names]
        subprocess.run(command, cwd=ROOT, env={**os.environ, TOLD: told.name}, check=True, stdout=sys.stderr)
        lines = [json.loads(line) for line in Path(told.name).read_text().splitlines()]
    return {line["task"]: line for line in lines}


def ways(keys: float, clicks: float, words: float) -> str:
    """As the table says it."""
    parts = [f"{keys:.0f} k"] * bool(keys) + [f"{clicks:.0f} c"] * bool(clicks)
    return ", ".join(parts) + (" and the words" if words else "")


def main() -> None:
    """The table, in Markdown."""
    found = measured()
    print(
        "| task | before | now | seconds before | seconds now | of them waited | test |\n|---|---|---|---|---|---|---|"
    )
    for test, tasks in TESTS.items():
        for task in tasks:
            line, before = found[task], BEFORE.get(task)
            now, waited = seconds(int(line["keys"]), int(line["clicks"])), line["waited"]
            was = (ways(*before, 0), f"{seconds(*before):.1f}") if before else ("impossible", "")
            shown = ways(line["keys"], line["clicks"], line["words"])
            print(f"| {task} | {was[0]} | {shown} | {was[1]} | {now + waited:.1f} | {waited:.1f} | `{test}` |")


if __name__ == "__main__":
    main()
