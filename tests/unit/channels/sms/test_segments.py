"""SMS segments, as carriers cut them: equal to npm's sms-segments-calculator."""

import json
import random
import shutil
import subprocess
from pathlib import Path

import pytest

from service.channels.sms.graphemes import graphemes
from service.channels.sms.segments import measure

ROOT = Path(__file__).parents[3]
REFERENCE = ROOT / "support" / "segments"
CASES: list[tuple[str, str, int]] = json.loads((ROOT / "data" / "segments.json").read_text("ascii"))


def _span(first: int, last: int) -> str:
    return "".join(map(chr, range(first, last + 1)))


SCRIPTS = {
    "latin": "abc XYZ09@£$¥èéùìòÇØøÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ!\"#¤%&'()*+,-./:;<=>?¡ÄÖÑÜ§¿äöñüà\n\r\f^{}\\[~]|€",
    "devanagari": _span(0x900, 0x97F) + "\u200d ",
    "arabic": _span(0x600, 0x6FE) + " ",
    "han and hangul": _span(0x4E00, 0x4E7F) + _span(0xAC00, 0xAC3F) + _span(0x1100, 0x11FF),
    "thai and marks": _span(0xE01, 0xE5A) + _span(0x300, 0x32F) + "abc\r\n",
    "emoji": _span(0x1F300, 0x1F6FE) + _span(0x1F900, 0x1F9FE) + "\u200d\ufe0f" * 80 + _span(0x1F1E6, 0x1F1FF) * 5
    + _span(0x1F3FB, 0x1F3FF) * 20 + "👨👩👦❤" * 20,
}  # fmt: skip


def texts(count: int, seed: int = 1) -> list[str]:
    """Random texts of six scripts, most of them near a segment's border."""
    rng = random.Random(seed)
    found = []
    for _ in range(count):
        script = SCRIPTS[rng.choice(sorted(SCRIPTS))]
        plain = rng.random() < 0.3
        alphabet = script[:20] if plain else script
        length = rng.choice([rng.randint(0, 90), rng.randint(60, 200), rng.randint(130, 400)])
        found.append("".join(rng.choice(script if rng.random() < 0.05 else alphabet) for _ in range(length)))
    return found


@pytest.mark.parametrize(("text", "encoding", "count"), CASES, ids=range(len(CASES)))
def test_segments_of_known_texts(text: str, encoding: str, count: int) -> None:
    found = measure(text)
    assert (found.encoding, found.count) == (encoding, count)
    assert "".join(graphemes(text)) == text


def test_an_extension_character_never_stands_astride_two_segments() -> None:
    assert measure("a" * 152 + "€" + "a" * 152).count == 3
    assert measure("a" * 66 + "😀" + "ж" * 66).count == 3


@pytest.mark.long
def test_5000_random_texts_are_cut_as_the_reference_cuts_them(tmp_path: Path) -> None:
    shutil.copytree(REFERENCE, tmp_path, dirs_exist_ok=True)
    subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=tmp_path, check=True, capture_output=True)
    asked = texts(5000)
    answer = subprocess.run(
        ["node", "count.js"], cwd=tmp_path, check=True, capture_output=True, input=json.dumps(asked).encode()
    )
    reference = [tuple(said) for said in json.loads(answer.stdout)]
    ours = [(found.encoding, found.count) for found in map(measure, asked)]
    different = [ascii(t) for t, a, b in zip(asked, ours, reference, strict=True) if a != b]
    assert different == []
