"""Finds mistakes in brands: impossible senders, and templates for unknown brands."""

from collections.abc import Iterator

from service.channels import registry
from service.workflows.source import Finding, Source
from service.workflows.templates import BRANDS


def check(source: Source) -> Iterator[Finding]:
    """All problems of senders, and of templates of brands."""
    y = source.yaml
    for name, brand in y.brands.items():
        for channel, senders in brand.senders.items():
            yield from _senders(source, name, channel, senders)
    for folder in sorted((source.file.parent / BRANDS).glob("*/")):
        if folder.name not in y.brands:
            known = ", ".join(y.brands) or "none"
            yield Finding(
                folder, 1, f"words for {folder.name!r}, which is not one of the pack's brands; known: {known}"
            )


def _senders(source: Source, brand: str, channel: str, senders: list[str]) -> Iterator[Finding]:
    where = ("brands", brand, "senders", channel)
    form = registry.channels()[channel].canonical_sender
    if form is None:
        yield source.problem(where, f"{brand}: no sender can be chosen for {channel}")
        return
    for sender in senders:
        try:
            form(sender)
        except ValueError as error:
            yield source.problem(where, f"{brand}: {sender!r} is no sender of {channel}: {error}")
