"""Previews and checks a draft, as `stagebell check` does, with a time limit."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Final

from msgspec import Struct, structs

from service.channels.medium import Rendered
from service.channels.registry import medium_of
from service.domain import asking
from service.domain.json_object import JsonObject
from service.domain.order import Order
from service.domain.snapshots import snapshot
from service.domain.workflow import Workflow
from service.editing.places import TextPlace
from service.pacing import aside
from service.prices import Prices, country_of
from service.workflows.bounds import within_time
from service.workflows.lint_templates import sample_asked, samples
from service.workflows.packs import Pack, problems_of, with_texts
from service.workflows.templates import UNRENDERABLE
from service.workflows.values import MASK, Links, TextReader, template_values

# The longest template of the shipped packs has 824 characters; only mails may be long.
MOST_LETTERS: Final = 10_000
# CPU time for all texts of a notice; those of the shipped packs take a tenth of a second.
WITHIN_S: Final = 3.0
# As long as a tracking link is.
_LINK: Final = "https://track.example/t/" + "x" * 30


class TextProblem(Struct, frozen=True):
    """A mistake in a text; `line` is 1-based."""

    line: int
    problem: str


class TextPreview(Struct, frozen=True):
    """A text as its reader sees it. `segments`: 0 where they do not apply. `each`: its cost, where prices are known."""

    title: str = ""
    text: str = ""
    segments: int = 0
    each: str = ""
    remark: str = ""
    problem: str = ""


class Reading(Struct, frozen=True):
    """The data that texts are rendered with: a sample, or an order. `prices`: to show what each would cost.

    `asked`: the agent's input; sample values where none is given.
    """

    brand: str
    prices: Prices
    order: Order | None = None
    asked: Mapping[str, Any] = {}


def problems_in(pack: Pack, notice: str, texts: Mapping[str, str | None]) -> dict[str, list[TextProblem]]:
    """The mistakes in the notice's texts with these changes, by file; the notice's own under the empty name."""
    found: dict[str, list[TextProblem]] = {
        file: [TextProblem(1, f"is longer than {MOST_LETTERS:,} characters")]
        for file, text in texts.items()
        if text is not None and len(text) > MOST_LETTERS
    }
    if found:
        return found
    with within_time(WITHIN_S):
        for finding in problems_of(with_texts(pack, texts), notice):
            inside = finding.file.is_relative_to(pack.templates.folder)
            file = finding.file.relative_to(pack.templates.folder).as_posix() if inside else ""
            problem = TextProblem(finding.line, finding.message)
            # A missing text is a problem of the notice.
            found.setdefault("" if file == "workflow.yaml" else file, []).append(problem)
    return found


def seen(pack: Pack, notice: str, places: Iterable[TextPlace], reading: Reading) -> dict[str, TextPreview]:
    """Each of these texts as rendered; missing ones are left out."""
    there = [place for place in places if pack.templates.text_of(place.file) is not None]
    with within_time(WITHIN_S):
        return {place.file: _seen(pack, notice, place, reading) for place in there}


async def look(
    pack: Pack, notice: str, places: Iterable[TextPlace], texts: Mapping[str, str | None], reading: Reading
) -> tuple[dict[str, list[TextProblem]], dict[str, TextPreview]]:
    """Check and render these texts in a thread."""

    def work() -> tuple[dict[str, list[TextProblem]], dict[str, TextPreview]]:
        problems = problems_in(pack, notice, texts)
        too_long = any(text is not None and len(text) > MOST_LETTERS for text in texts.values())
        return problems, {} if too_long else seen(with_texts(pack, texts), notice, places, reading)

    return await aside(work)


def _seen(pack: Pack, notice: str, place: TextPlace, reading: Reading) -> TextPreview:
    workflow, medium = pack.workflow.for_brand(place.brand), medium_of(place.channel)
    spec = workflow.notices[notice]
    values, address = _values(workflow, notice, place, reading)
    try:
        rendered = pack.templates.render(
            place.locale, notice, place.channel, values, workflow.content_in(spec, place.locale)
        )
    except UNRENDERABLE as error:
        return TextPreview(problem=str(error) or type(error).__name__)
    country = country_of(address) or workflow.region or ""
    price = reading.prices.per_part(place.channel, country) * medium.paid_parts(rendered)
    return TextPreview(
        rendered.title,
        rendered.text,
        medium.parts(rendered),
        _price(reading.prices, price),
        _remark(medium.remark(rendered), rendered),
        medium.problem(rendered),
    )


def _remark(dear: str, rendered: Rendered) -> str:
    """Further remarks for the author."""
    approved = (
        f"outside a conversation WhatsApp says its approved template {rendered.content_sid}, whatever stands here"
        if rendered.content_sid
        else ""
    )
    return "; ".join(part for part in (dear, approved) if part)


def _price(prices: Prices, amount: Decimal) -> str:
    return f"{(cost := prices.cost(amount)).amount} {cost.currency}" if amount else ""


def _values(workflow: Workflow, notice: str, place: TextPlace, reading: Reading) -> tuple[JsonObject, str]:
    """The template's values, and the address that the message would go to; codes and links are masked."""
    spec = workflow.notices[notice]
    if reading.order is None:
        _, sample = next(samples(workflow, spec, place.locale, place.brand))
        chosen = workflow.brands.get(place.brand)
        asked = asking.values(spec, reading.asked) if reading.asked else sample["asked"]
        return {**sample, "brand": chosen.title if chosen else reading.brand, "asked": asked}, ""
    order = reading.order
    people = [p for audience in spec.audiences for p in order.people(audience)]
    reader = people[0] if people else None
    facts = structs.replace(snapshot(order, workflow), asked=sample_asked(spec), brand=place.brand)
    values = template_values(
        workflow,
        notice,
        facts,
        TextReader(
            spec.audiences[0],
            place.locale,
            timezone=(reader.timezone or "") if reader else "",
            name=reader.name if reader else "",
            region=workflow.region or "",
        ),
        brand=reading.brand,
        links=Links(_LINK),
        secrets={spec.secret: MASK} if spec.secret else {},
    )
    return values, (reader.phone or "") if reader else ""
