"""One name is one team across packs, and whoever has addresses is said."""

from datetime import timedelta
from pathlib import Path

import pytest

from service.relay.teams import in_words, unheard
from service.workflows import packs
from service.workflows.packs import PackError
from tests.support.events import NOON
from tests.support.packs import all_packs

MINUTE = timedelta(minutes=1)
PACK = """
workflow: {name}
title: T
locales: [en]
timezone: {zone}
stages: {{one: {{title: {{en: One}}}}, end: {{title: {{en: End}}}}}}
statuses: {{waiting: {{stage: one}}, over: {{stage: end, final: true}}}}
transitions: {{path: [waiting, over]}}
clocks: {{slow: {{kind: dwell, in: waiting, within: 1h, escalate: {{reason: slow}}}}}}
teams:
  tech: {{{team}}}
calls: {{{calls}}}
reasons: {{slow: {{team: tech, title: {{en: Slow}}}}}}
"""


def _folder(tmp: Path, *said: tuple[str, str, str]) -> Path:
    for n, (team, calls, zone) in enumerate(said):
        (tmp / f"pack{n}").mkdir(parents=True)
        (tmp / f"pack{n}" / "workflow.yaml").write_text(PACK.format(name=f"pack{n}", team=team, calls=calls, zone=zone))
    return tmp


@pytest.mark.parametrize(
    ("one", "other", "key"),
    [
        ('title: Tech, digest_at: "09:00"', 'title: Tech, digest_at: "10:00"', "digest_at"),
        ("title: Tech", "title: Engineers", "title"),
        ("title: Tech, remind_every: 1h", "title: Tech, remind_every: 2h", "remind_every"),
        ("title: Tech, levels: [{after: 1h, to: lead}]", "title: Tech, levels: [{after: 2h, to: lead}]", "levels"),
        (
            'title: Tech, quiet_hours: {start: "22:00", end: "07:00"}',
            'title: Tech, quiet_hours: {start: "22:00", end: "08:00"}',
            "quiet_hours",
        ),
    ],
)
def test_two_packs_that_differ_about_a_team_are_named_both(tmp_path: Path, one: str, other: str, key: str) -> None:
    folder = _folder(tmp_path, (one, "", "UTC"), (other, "", "UTC"))
    with pytest.raises(PackError) as refused:
        packs.load(folder)
    (problem,) = refused.value.problems
    assert key in problem.message
    assert str(problem).startswith(f"{folder / 'pack1' / 'workflow.yaml'}:11:")
    assert f"{folder / 'pack0' / 'workflow.yaml'}:11" in problem.message


def test_a_time_of_day_is_another_in_another_zone(tmp_path: Path) -> None:
    folder = _folder(tmp_path, *(('title: Tech, digest_at: "09:00"', "", z) for z in ("Europe/Berlin", "Asia/Kolkata")))
    with pytest.raises(PackError, match="timezone is Asia/Kolkata here and Europe/Berlin"):
        packs.load(folder)


def test_what_one_pack_declares_holds_in_all_and_calls_are_a_pack_s_own(tmp_path: Path) -> None:
    folder = _folder(
        tmp_path,
        ('title: Tech, digest_at: "09:00", remind_every: 1h', "", "Asia/Kolkata"),
        ("title: Tech", "tech: {levels: [{after: 5m, to: lead}]}", "UTC"),
    )
    loaded = packs.load(folder)
    first, second = (loaded.get(f"pack{n}").workflow.teams["tech"] for n in (0, 1))
    assert (second.digest_at, second.timezone) == (first.digest_at, first.timezone) == ("09:00", "Asia/Kolkata")
    assert (first.remind_every is None, second.remind_every) == (False, None)
    assert [v.to for v in second.levels] == ["lead"]


def test_the_shipped_packs_know_the_same_teams() -> None:
    by_name: dict[str, set[tuple[str, str, str]]] = {}
    for pack in all_packs():
        for team in pack.workflow.teams.values():
            by_name.setdefault(team.name, set()).add(
                (team.title, team.digest_at, team.timezone if team.digest_at else "")
            )
    assert all(len(said) == 1 for said in by_name.values())


def test_addresses_that_nobody_has_and_levels_without_any_are_said() -> None:
    workflows = [p.workflow for p in all_packs()]
    assert unheard(workflows, []) == []
    problems = unheard(workflows, ["finance", "head of finance", "suprvisor"])
    assert any("'suprvisor'; did you mean 'supervisor'?" in p for p in problems)
    assert any("level 'supervisor' of 'finance' has no addresses" in p for p in problems)
    assert not any("head of finance" in p for p in problems)


def test_days_and_hours_late_are_said_in_words() -> None:
    data = {"reason": "slow", "severity": "low", "workflow": "w", "order_id": "O", "due": NOON.isoformat()}
    for minutes, said in ((0, "Due now"), (12, "12 min late"), (75, "1 h 15 min late"), (60 * 49, "2 d 1 h late")):
        _, text = in_words({"type": "escalation.reminded", "data": data}, "https://d", NOON + minutes * (MINUTE))
        assert said in text


def test_a_resolved_call_is_no_call_for_help() -> None:
    data = {"reason": "slow", "severity": "critical", "workflow": "w", "order_id": "O", "why": "the order moved on"}
    title, text = in_words({"type": "escalation.resolved", "data": data}, "https://d", NOON)
    assert title.startswith("resolved: slow, order O")
    assert "the order moved on" in text
