"""WhatsApp's content variables as Twilio takes them: one line each, never empty, not too long."""

import unicodedata
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from service.domain.workflow import Content
from service.workflows.templates import PackTemplates, Rendered


def _rendered(tmp: Path, note: str) -> Rendered:
    (tmp / "p" / "en").mkdir(parents=True, exist_ok=True)
    (tmp / "p" / "en" / "told.whatsapp.j2").write_text("Hello")
    content = Content("HX" + "0" * 32, {"1": "{{ note }}", "2": "  {{ name }} ", "3": "{{ attributes.x }}"})
    values = {"note": note, "name": "Asha", "attributes": {"x": ""}}
    return PackTemplates(tmp / "p").render("en", "told", "whatsapp", values, content)


def test_line_ends_tabs_and_blanks_become_one_space_and_what_is_empty_is_left_out(tmp_path: Path) -> None:
    said = _rendered(tmp_path, "ring\r\nthe bell\tplease      twice\u2028and\x0bwait").content_variables
    assert said == {"1": "ring the bell please twice and wait", "2": "Asha"}


def test_joiners_of_scripts_and_emoji_stay(tmp_path: Path) -> None:
    said = _rendered(tmp_path, "क्\u200dष 👩\u200d🔧").content_variables
    assert said["1"] == "क्\u200dष 👩\u200d🔧"


@given(note=st.text(max_size=2000))
def test_no_text_of_anybody_makes_a_variable_that_twilio_refuses(note: str) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        for value in _rendered(Path(folder), note).content_variables.values():
            assert value
            assert len(value.splitlines()) == 1
            assert not any(unicodedata.category(c) == "Cc" for c in value)
            assert "  " not in value
            assert len(value) <= 1600
