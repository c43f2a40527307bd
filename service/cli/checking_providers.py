"""`stagebell check --providers`: whether the WhatsApp templates that packs name are approved."""

import asyncio
from pathlib import Path

import typer

from service import settings as settings_module
from service.channels.twilio.approvals import approvals
from service.workflows.packs import inspect


def check_templates(directory: Path | None) -> int:
    """Print the state of each template at each account that sends WhatsApp; the exit code: 1 if one is not usable."""
    settings = settings_module.load()
    packs, _ = inspect(directory or settings.workflows)
    used: dict[str, str] = {}
    for w in (pack.workflow for pack in packs):
        for notice in w.notices.values():
            for locale, content in notice.content.items():
                used.setdefault(content.sid, f"{w.name}/{notice.name} in {locale}")
    accounts = [a for a in settings.twilio_accounts() if a.whatsapp_from]
    if not used:
        typer.echo("whatsapp: no pack names a template")
        return 0
    if not accounts:
        typer.echo("whatsapp: packs name templates, but no account sends WhatsApp (TWILIO_WHATSAPP_FROM): not checked")
        return 1
    bad = 0
    for account in accounts:
        for found in asyncio.run(approvals(account, used)):
            why = f": {found.why}" if found.why else ""
            typer.echo(f"twilio:{account.account_sid[-6:]} {found.sid} {used[found.sid]}: {found.status}{why}")
            bad += not found.is_good
    if bad:
        typer.echo(f"{bad} of them cannot be used: outside of the 24 hours their notices use the fallback")
    return 1 if bad else 0
