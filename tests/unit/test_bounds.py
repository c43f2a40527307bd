"""Whatever a pack's text says, checking and rendering it ends soon; and lines end where they were written to end."""

import re
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from jinja2 import TemplateError
from jinja2.exceptions import SecurityError

from service.cli.explaining import rule_in_words
from service.workflows.bounds import BoundedEnvironment, within_bounds
from service.workflows.durations import WorkingTime, in_words, parse_duration
from service.workflows.line_ends import keep_line_ends
from service.workflows.templates import UNRENDERABLE, PackTemplates
from service.workflows.yaml_lines import MAX_VALUES, YamlError, load
from tests.support.packs import all_packs

SOON_S = 5.0
LAUGHS = "\n".join(["a0: &a0 [x]", *(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12))])
MERGES = "\n".join(["a0: &a0 {k: x}", *(f"a{i}: &a{i} {{<<: [*a{i - 1}, *a{i - 1}]}}" for i in range(1, 60))])
DOUBLED = "{% set a = 'abcdefghij' %}" + "{% set a = a OP a %}" * 40


def templates_of(folder: Path, text: str, channel: str = "sms") -> PackTemplates:
    (folder / "pack" / "en").mkdir(parents=True)
    (folder / "pack" / "en" / f"n.{channel}.j2").write_text(text)
    return PackTemplates(folder / "pack")


def rendered(folder: Path, text: str, **values: Any) -> str:
    return templates_of(folder, text).render("en", "n", "sms", {"locale": "en", **values}).text


def test_no_marks_of_direction_within_tags_and_styles_of_html() -> None:
    arabic = "\u0645\u062d\u0645\u062f"
    html = "<p title='{{ x }}'>{{ x }}</p><style>p { content: '{{ x }}' }</style>{% for y in [x] %}{{ y ~ '!' }}{% endfor %}"
    with within_bounds("ltr"):
        said = BoundedEnvironment(autoescape=True).from_string(html).render(x=arabic)
        plain = BoundedEnvironment(autoescape=False).from_string("{{ x }}").render(x=arabic)
    assert arabic in plain
    assert plain != arabic, "isolated"
    assert said.startswith(f"<p title='{arabic}'>{plain}</p><style>p {{ content: '{arabic}' }}</style>")
    assert said.count(arabic) == 4


@pytest.mark.parametrize(
    "text",
    [
        "{{ 'a' * 10**9 }}",
        "{{ 10**9 * 'a' }}",
        "{{ ['a'] * 10**9 }}",
        "{{ 9**9**9**9 }}",
        "{% set n = 10**30 %}" + "{% set n = n * n %}" * 40 + "{{ n }}",
        DOUBLED.replace("OP", "+") + "{{ a }}",
        DOUBLED.replace("OP", "~") + "{{ a }}",
        "{% set a = 'ab' %}" + "{% set a = a | replace('a', 'ab' * 1000) %}" * 8,
        "{% set a = 'ab' * 9000 %}{{ a | list | join(a) }}",
        "{% set a %}x{% endset %}" + "{% set a %}{{ a }}{{ a }}{% endset %}" * 40,
        "{% set s = 'a' * 100000 %}{% for a in s %}{% for b in s %}{% for c in s %}{% endfor %}{% endfor %}{% endfor %}",
        "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(60) }}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{{ '%1000000000d' % 1 }}",
        "{{ '{:1000000000}'.format(1) }}",
        "{{ 'a'.ljust(10**9) }}",
        "{{ 'a'.zfill(10**9) }}",
        "{{ 'a\t'.expandtabs(10**9) }}",
        "{{ 1.5 | round(10**9, 'ceil') }}",
    ],
)
def test_a_template_that_would_run_away_is_refused(tmp_path: Path, text: str) -> None:
    began = time.process_time()
    with pytest.raises(UNRENDERABLE):
        rendered(tmp_path, text)
    assert time.process_time() - began < SOON_S


@pytest.mark.parametrize(
    ("call", "text"),
    [
        ("'{:,.2f}'.format(1234.5)", "1,234.50"),
        ("'{x:03d}{0:*>5}'.format('a', x=7)", "007****a"),
        ("'{x}'.format_map({'x': 1})", "1"),
        ("('<b>{}</b>' | safe).format('<i>')", "<b>&lt;i&gt;</b>"),
    ],
)
def test_texts_are_formatted(tmp_path: Path, call: str, text: str) -> None:
    assert rendered(tmp_path, "{{ " + call + " }}") == text


@pytest.mark.parametrize(
    "call",
    ["'{:1000}'.format(1)", "'{:{w}}'.format(1, w=10**9)", "'{:.99999f}'.format(1.5)", "'{x:9999}'.format_map({'x': 1})",
     "('{:1000}' | safe).format(1)", "'{0.__class__.__name__}'.format(1)", "'a'.center(3)"],
)  # fmt: skip
def test_methods_that_pad_to_any_width_are_refused_before_they_run(tmp_path: Path, call: str) -> None:
    with pytest.raises(SecurityError):
        rendered(tmp_path, "{{ " + call + " }}")


@pytest.mark.parametrize("filter_", ["center(10**9)", "indent(10**9)", "slice(10**9) | list", "batch(10**9, 1) | list"])
def test_filters_that_pad_to_any_width_do_not_exist(tmp_path: Path, filter_: str) -> None:
    with pytest.raises(TemplateError, match="No filter named"):
        rendered(tmp_path, "{{ 'a' | " + filter_ + " }}")


def test_what_people_write_works_within_the_bounds(tmp_path: Path) -> None:
    text = (
        "{% for p in people %}{{ loop.index }}/{{ loop.length }} {{ p | upper }}{% if not loop.last %}, {% endif %}"
        "{% else %}none{% endfor %}; {{ people | join(' and ') }}; {{ 'a-b' | replace('-', '+') }};"
        " {{ 2 * 3 + 2 ** 4 % 5 }}; {{ 2.345 | round(2) }}; {{ 'x' ~ 1 }}"
    )
    assert rendered(tmp_path, text, people=["Asha", "Ravi"]) == (
        "1/2 ASHA, 2/2 RAVI; Asha and Ravi; a+b; 7; 2.35; x1" if round(2.345, 2) == 2.35 else
        "1/2 ASHA, 2/2 RAVI; Asha and Ravi; a+b; 7; 2.34; x1"
    )  # fmt: skip


@pytest.mark.parametrize(
    "text", [LAUGHS, MERGES, "a: &a [*a]", "[" * 5000 + "]" * 5000], ids=["values", "merges", "endless", "deep"]
)
def test_aliases_of_aliases_are_refused_at_once(tmp_path: Path, text: str) -> None:
    (tmp_path / "workflow.yaml").write_text(text)
    began = time.process_time()
    with pytest.raises(YamlError):
        load(tmp_path / "workflow.yaml")
    assert time.process_time() - began < SOON_S


def test_aliases_as_people_use_them_are_read(tmp_path: Path) -> None:
    (tmp_path / "workflow.yaml").write_text("usual: &usual {within: 4h}\na: {<<: *usual, in: x}\nb: *usual\n")
    value, lines = load(tmp_path / "workflow.yaml")
    assert value["a"] == {"within": "4h", "in": "x"}
    assert value["b"] == value["usual"]
    assert lines["b",] == 3
    assert MAX_VALUES > 10_000


@pytest.mark.parametrize(
    ("text", "reads"),
    [
        ("On its way{% if eta %}, at noon{% endif %}\n{{ link }}", "On its way, at noon\nL"),
        ("Hello{# said twice #}\n{{ link }}", "Hello\nL"),
        ("{% if eta %}\nOn its way\n{% endif %}\n{{ link }}", "On its way\nL"),
        ("{% if eta %}{% if link %}\nOn its way\n{% endif %}{% endif %}\n{{ link }}", "On its way\nL"),
        ("On its way {%- if eta -%}\n now{% endif %}\n{{ link }}", "On its waynow\nL"),
        ("{% if eta %}A{% else %}B{% endif %}\r\n{{ link }}", "A\nL"),
    ],
)
def test_a_line_ends_where_it_was_written_to_end(tmp_path: Path, text: str, reads: str) -> None:
    assert rendered(tmp_path, text, eta=True, link="L") == reads
    assert keep_line_ends(text).count("\n") == text.count("\n")


@pytest.mark.parametrize(
    ("locale", "reads"), [("en", "3:30 PM"), ("en-GB", "15:30"), ("de", "15:30"), ("en-IN", "3:30 pm")]
)
def test_all_times_of_a_message_are_written_in_one_way(tmp_path: Path, locale: str, reads: str) -> None:
    at = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
    said = rendered(
        tmp_path, "{{ at | moment }} / {{ at | time }}", at=at, locale=locale, zone=ZoneInfo("Asia/Kolkata")
    ).replace("\u202f", " ")
    moment, clock = said.split(" / ")
    assert clock == reads
    assert moment.endswith(f", {reads}")


@pytest.mark.parametrize(
    ("length", "words"),
    [
        (timedelta(days=2), "2 days"),
        (timedelta(minutes=90), "1 hour 30 minutes"),
        (timedelta(days=14), "2 weeks"),
        (timedelta(days=10), "10 days"),
        (timedelta(seconds=61), "1 minute 1 second"),
        (timedelta(0), "no time"),
        (WorkingTime(days=3), "3 working days"),
        (WorkingTime(hours=1), "1 working hour"),
    ],
)
def test_a_length_is_said_in_words(length: timedelta | WorkingTime, words: str) -> None:
    assert in_words(length) == words
    if isinstance(length, timedelta) and length:
        assert parse_duration(words) == length


def test_explain_says_promises_in_words() -> None:
    said = [rule_in_words(spec) for pack in all_packs() for spec in pack.workflow.clocks.values()]
    assert not [words for words in said if re.search(r"\d:\d\d", words)]
    assert any("10 minutes" in words or "2 days" in words for words in said)
