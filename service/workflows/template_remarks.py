"""What of a pack's templates is dearer or shows worse than it need, though nothing is wrong with it."""

from collections.abc import Iterator

from jinja2 import TemplateError

from service.channels.registry import medium_of
from service.workflows import cldr
from service.workflows.lint import Finding
from service.workflows.lint_templates import samples, told_over
from service.workflows.packs import Pack
from service.workflows.templates import LAYOUTS, UNRENDERABLE


def remarks(pack: Pack) -> Iterator[Finding]:
    """Of each template with full data; and of a layout that lays out one direction only."""
    workflow, templates = pack.workflow, pack.templates
    undirected = set()
    for notice in workflow.notices.values():
        for channel in told_over(workflow, notice):
            for locale in workflow.locales:
                found = templates.find(locale, notice.name, channel)
                if found is None or found.locale != locale:
                    continue
                _, values = next(samples(workflow, notice, locale))
                content = workflow.content_in(notice, locale)
                try:
                    rendered = templates.render(locale, notice.name, channel, values, content)
                except (TemplateError, *UNRENDERABLE):
                    continue
                if said := medium_of(channel).remark(rendered):
                    yield Finding(templates.folder / found.name, 1, said)
                if rendered.html and cldr.direction(locale) == "rtl" and 'dir="rtl"' not in rendered.html:
                    undirected.add(locale)
    for locale in sorted(undirected):
        yield Finding(
            templates.folder.parent / LAYOUTS / "email.html.j2",
            1,
            f'mails in {locale} are not laid out from right to left; write `<html dir="{{{{ dir }}}}">`',
        )
