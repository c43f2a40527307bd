"""The files of a notice's texts: for each language and channel, and those of brands."""

from collections.abc import Iterator

from msgspec import Struct

from service.domain.notice_rules import Notice
from service.domain.workflow import Workflow
from service.workflows.lint_templates import channels_with_templates
from service.workflows.packs import Pack
from service.workflows.templates import BRANDS


class TextPlace(Struct, frozen=True):
    """One text of a notice. `file`: below the pack's folder."""

    file: str
    channel: str
    locale: str
    brand: str = ""


def worded_notices(workflow: Workflow) -> list[Notice]:
    """The notices whose texts are in templates, which those of agents' own answers are not."""
    return [n for n in workflow.notices.values() if not n.free_text and channels_with_templates(workflow, n)]


def places_of(workflow: Workflow, notice: str) -> Iterator[TextPlace]:
    """Every place where the notice may have a text, whether there is one or not."""
    for brand in ("", *workflow.brands):
        lived = workflow.for_brand(brand)
        spec = lived.notices.get(notice)
        if spec is None or spec.free_text:
            continue
        folder = f"{BRANDS}/{brand}/" if brand else ""
        for channel in channels_with_templates(lived, spec):
            for locale in workflow.locales:
                yield TextPlace(f"{folder}{locale}/{notice}.{channel}.j2", channel, locale, brand)


def shown_places(pack: Pack, notice: str, written: Iterator[str] | tuple[str, ...] = ()) -> list[TextPlace]:
    """The places to show: all of the pack's own, and those of brands with a text, or with one being `written`."""
    also = frozenset(written)
    return [
        place
        for place in places_of(pack.workflow, notice)
        if not place.brand or place.file in also or pack.templates.text_of(place.file) is not None
    ]
