"""Changed texts as a patch: `git apply` takes it, whatever stands in the files and however they are called."""

import subprocess
from pathlib import Path

from service.editing.patch import FileChange, patch

TEXTS = {
    "changed": ("one\ntwo\nthree\n", "one\nTWO\nthree\n"),
    "no end before": ("one\ntwo", "one\ntwo\nthree\n"),
    "no end after": ("one\ntwo\n", "one\ntwo"),
    "no end at all": ("one", "other"),
    "other line ends": ("a\u2028b\x0bc\x85d\ne\n", "a\u2028b\x0bc\x85D\ne\n"),
    "carriage returns": ("a\r\nb\r\n", "a\nb\n"),
    "hi/नया.sms": ("नमस्ते\n", "नमस्कार\n"),
    'a "quoted" name': ("x\n", "y\n"),
    "made": (None, "new\n"),
    "made without an end": (None, "new"),
    "gone": ("old\n", None),
    "same": ("same\n", "same\n"),
}


def test_git_applies_it(tmp_path: Path) -> None:
    changes = [FileChange(f"packs/my pack/{name}", was, now) for name, (was, now) in TEXTS.items()]
    for change in changes:
        if change.was is not None:
            file = tmp_path / change.path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(change.was, "utf-8", newline="")
    command = ["git", "apply", "--whitespace=nowarn", "-"]
    done = subprocess.run(command, check=False, input=patch(changes).encode(), cwd=tmp_path, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    for change in changes:
        file = tmp_path / change.path
        now = file.read_bytes().decode() if file.exists() else None
        assert now == change.now, change.path


def test_what_is_the_same_is_no_patch() -> None:
    assert patch([FileChange("a", "x\n", "x\n"), FileChange("b", None, None)]) == ""
