"""Packs in use: found by name and version, kept for orders under way, bundled and read again."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from service.domain.errors import Rejection
from service.workflows import packs
from service.workflows.pack_bundles import bundle, unbundle
from service.workflows.pack_text import rules
from service.workflows.packs import Pack, PackError, Packs
from tests.support.packs import ERRAND, all_packs, errand, written
from tests.support.world import ROOT


def versioned(version: str, *, moves: bool = False) -> Pack:
    pack = errand()
    return Pack(replace(pack.workflow, version=version, moves_running=moves), pack.templates)


def test_orders_go_on_by_the_version_they_began_on() -> None:
    in_use = Packs([versioned("1")])
    in_use.replace([versioned("2")])
    assert [p.workflow.version for p in in_use] == ["2"]
    assert in_use.get("errand").workflow.version == "2"
    for version, goes_on_by in (("", "2"), ("1", "1"), ("2", "2"), ("0", "2")):
        assert in_use.for_order("errand", version).workflow.version == goes_on_by
    assert [in_use.knows("errand", v) for v in ("0", "1", "2")] == [False, True, True]


def test_a_pack_that_moves_its_orders_takes_all_of_them() -> None:
    in_use = Packs([versioned("1")])
    in_use.replace([versioned("2", moves=True)])
    assert in_use.for_order("errand", "1").workflow.version == "2"
    assert in_use.knows("errand", "0")


def test_a_workflow_that_is_not_installed_is_refused_with_the_nearest() -> None:
    in_use = Packs([versioned("1")])
    assert in_use.find("errant") is None
    assert in_use.knows("errant", "1"), "there is nothing to look for"
    with pytest.raises(Rejection, match=r"data\.workflow: unknown workflow 'errant'; did you mean 'errand'"):
        in_use.get("errant")
    with pytest.raises(Rejection, match=r"data\.workflow: unknown workflow 'errant'; did you mean 'errand'"):
        in_use.for_order("errant", "1")


def test_a_bundle_is_the_pack_again_under_its_version() -> None:
    (pack,) = packs.load_all(ROOT / "templates" / "repair")
    again = unbundle(bundle(pack), "an earlier one")
    assert again.workflow == replace(pack.workflow, version="an earlier one")
    assert again.templates.names() == pack.templates.names()


def test_templates_that_are_missing_are_told_when_they_are_checked_and_not_before() -> None:
    folder = written(ERRAND)
    (pack,) = packs.build_all(folder)
    with pytest.raises(PackError, match="notice 'asked' has no sms template in 'en'"):
        packs.check_templates([pack])
    with pytest.raises(PackError, match="notice 'asked' has no email template in 'de'"):
        packs.load(folder)
    assert packs.check_templates([all_packs().get("repair")]) is None  # type: ignore[func-returns-value]


def test_one_pack_alone_and_no_pack_at_all(tmp_path: Path) -> None:
    assert [p.workflow.name for p in packs.build_all(written(ERRAND) / "errand")] == ["errand"]
    with pytest.raises(PackError, match="no pack here: a pack is a folder with a workflow"):
        packs.build_all(tmp_path)


def test_the_rules_have_one_name_as_long_as_they_are_the_same() -> None:
    assert rules() == rules()
    assert len(rules()) == 12
