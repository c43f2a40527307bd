"""WhatsApp's content variables as Twilio takes them: one line each, never empty, not too long."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.channels.medium import Rendered
from service.domain.notice_rules import Content
from service.workflows.templates import PackTemplates


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory) -> PackTemplates:
    """A pack of one template."""
    folder = tmp_path_factory.mktemp("pack")
    (folder / "en").mkdir()
    (folder / "en" / "told.whatsapp.j2").write_text("Hello")
    return PackTemplates(folder)


def _rendered(templates: PackTemplates, note: str) -> Rendered:
    content = Content("HX" + "0" * 32, {"1": "{{ note }}", "2": "  {{ name }} ", "3": "{{ attributes.x }}"})
    values = {"note": note, "name": "Asha", "attributes": {"x": ""}}
    return templates.render("en", "told", "whatsapp", values, content)


def test_line_ends_tabs_and_blanks_become_one_space_and_what_is_empty_is_left_out(templates: PackTemplates) -> None:
    said = _rendered(templates, "ring\r\nthe bell\tplease      twice\u2028and\x0bwait").content_variables
    assert said == {"1": "ring the bell please twice and wait", "2": "Asha"}


def test_joiners_of_scripts_and_emoji_stay(templates: PackTemplates) -> None:
    said = _rendered(templates, "क्\u200dष 👩\u200d🔧").content_variables
    assert said["1"] == "क्\u200dष 👩\u200d🔧"


@given(note=st.text(max_size=2000))
def test_no_text_of_anybody_makes_a_variable_that_twilio_refuses(templates: PackTemplates, note: str) -> None:
    for value in _rendered(templates, note).content_variables.values():
        assert value
        assert len(value.splitlines()) == 1
        assert not any(unicodedata.category(c) == "Cc" for c in value)
        assert "  " not in value
        assert len(value) <= 1600
