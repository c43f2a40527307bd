"""Brands of a pack, from YAML to the domain's model."""

from collections.abc import Mapping
from typing import Final

from msgspec.structs import replace

from service.channels import registry
from service.domain.brands import USUAL_LOOK, Brand, Look
from service.domain.notice_rules import Content, Notice
from service.domain.workflow import TrackingRules, Workflow
from service.workflows.build_notices import channel_when, rungs
from service.workflows.conditions import ConditionScope
from service.workflows.schema_brands import BrandYaml
from service.workflows.schema_channels import single
from service.workflows.schema_tracking import SupportYaml

_WHITE: Final = "#ffffff"
_BLACK: Final = "#000000"


def with_brands(workflow: Workflow, yaml: Mapping[str, BrandYaml], scope: ConditionScope) -> Workflow:
    """The workflow with its brands."""
    return replace(workflow, brands={name: _brand(name, brand, workflow, scope) for name, brand in yaml.items()})


def _brand(name: str, yaml: BrandYaml, workflow: Workflow, scope: ConditionScope) -> Brand:
    look = Look(yaml.look.colour, ink_on(yaml.look.colour)) if yaml.look.colour else USUAL_LOOK
    fallback = workflow.fallback if yaml.fallback is None else yaml.fallback
    if yaml.channels:
        fallback = {failed: other for failed, other in fallback.items() if other in yaml.channels}
    return Brand(
        name=name,
        title=yaml.name,
        look=replace(look, logo=yaml.look.logo),
        senders={channel: tuple(_canonical(channel, s) for s in given) for channel, given in yaml.senders.items()},
        notices={n: _of_brand(notice, yaml, scope) for n, notice in workflow.notices.items()},
        fallback=fallback,
        reply_to=yaml.reply_to or workflow.reply_to,
        tracking=_with_support(workflow.tracking, yaml.support) if yaml.support else workflow.tracking,
    )


def _with_support(rules: TrackingRules, given: SupportYaml) -> TrackingRules:
    return replace(rules, phone=given.phone, email=given.email, hours=given.hours)


def _canonical(channel: str, sender: str) -> str:
    form = registry.channels()[channel].canonical_sender
    return form(sender) if form else sender


def _of_brand(notice: Notice, brand: BrandYaml, scope: ConditionScope) -> Notice:
    if notice.free_text:
        return notice  # sent on the channel on which the customer wrote
    own = brand.notices.get(notice.name)
    content = {locale: Content(c.sid, c.variables) for locale, c in own.whatsapp_content.items()} if own else {}
    notice = replace(notice, content={**notice.content, **content})
    if own and own.channels:
        return replace(
            notice,
            channels=tuple(dict.fromkeys(name for name, _ in single(own.channels))),
            channel_when=channel_when(own.channels, scope),
            rungs=rungs(own.channels, scope),
        )
    kept = tuple(channel for channel in brand.channels if channel in notice.channels)
    if not kept:
        return notice
    # A rung without channels is dropped.
    left = ((rung, tuple(c for c in brand.channels if c in rung.channels)) for rung in notice.rungs)
    return replace(notice, channels=kept, rungs=tuple(replace(r, channels=names) for r, names in left if names))


def ink_on(colour: str) -> str:
    """Black or white, whichever has more contrast on a colour (WCAG 2.2, contrast ratio)."""
    light = luminance(colour)
    return _WHITE if 1.05 / (light + 0.05) >= (light + 0.05) / 0.05 else _BLACK


def luminance(colour: str) -> float:
    """The relative luminance of `#rrggbb`, from 0 to 1 (WCAG 2.2)."""
    parts = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
