"""Remarks on valid templates: higher cost or worse display than necessary, and files that are never used."""

from collections.abc import Iterator

from jinja2.meta import find_referenced_templates

from service.channels.registry import medium_of
from service.domain.notice_rules import Notice
from service.domain.workflow import Workflow
from service.workflows import cldr
from service.workflows.lint_templates import channels_with_templates, samples
from service.workflows.packs import Pack
from service.workflows.source import Finding
from service.workflows.templates import LAYOUTS, UNRENDERABLE


def remarks(pack: Pack) -> Iterator[Finding]:
    """Remarks for each template with full data, and for layouts of one text direction only."""
    workflow, templates = pack.workflow, pack.templates
    undirected, seen = set(), set()
    for brand in ("", *workflow.brands):
        lived = workflow.for_brand(brand)
        for notice, channel, locale in _templates_of(lived):
            found = templates.find(locale, notice.name, channel, brand)
            if found is None or found.name in seen:
                continue
            seen.add(found.name)
            _, values = next(samples(lived, notice, locale, brand))
            content = lived.content_in(notice, locale)
            try:
                rendered = templates.render(locale, notice.name, channel, values, content)
            except UNRENDERABLE:
                continue
            if remark := medium_of(channel).remark(rendered):
                yield Finding(templates.folder / found.name, 1, remark)
            if rendered.html and cldr.direction(found.locale) == "rtl" and 'dir="rtl"' not in rendered.html:
                undirected.add(found.locale)
    for locale in sorted(undirected):
        yield Finding(
            templates.folder.parent / LAYOUTS / "email.html.j2",
            1,
            f'mails in {locale} are not laid out from right to left; write `<html dir="{{{{ dir }}}}">`',
        )


def unused(pack: Pack) -> Iterator[Finding]:
    """Files that no message is made from, most often with misspelt names."""
    workflow, templates = pack.workflow, pack.templates
    known = set(templates.names())
    used = {
        found.name
        for brand in ("", *workflow.brands)
        for notice, channel, locale in _templates_of(workflow.for_brand(brand))
        if (found := templates.find(locale, notice.name, channel, brand))
    }
    frontier = set(used)
    while frontier:
        inner = find_referenced_templates(templates.parse(templates.text(frontier.pop())))
        added = {name for name in inner if name in known} - used
        used |= added
        frontier |= added
    for name in sorted(known - used):
        remark = "no message is made from it: the pack has no such notice, channel or language"
        yield Finding(templates.folder / name, 1, f"{remark}; <locale>/<notice>.<channel>.j2")


def _templates_of(workflow: Workflow) -> Iterator[tuple[Notice, str, str]]:
    for notice in workflow.notices.values():
        for channel in channels_with_templates(workflow, notice):
            yield from ((notice, channel, locale) for locale in workflow.locales)
