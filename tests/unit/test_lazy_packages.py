"""Packages that are loaded lazily or unloaded."""

import sys
from datetime import date
from pathlib import Path

import pytest

from service.lazy_packages import load_lazily, unload
from service.workflows import public_holidays


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A package that imports both of its modules when it is imported itself; its name."""
    folder = tmp_path / "a_large_package"
    folder.mkdir()
    (folder / "__init__.py").write_text("from a_large_package import one, other\nNAME = one.NAME\n")
    (folder / "one.py").write_text("NAME = 'one'\n")
    (folder / "other.py").write_text("from a_large_package.one import NAME\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, folder.name, raising=False)
    return folder.name


def _loaded(package: str) -> set[str]:
    return {name.partition(".")[2] for name in sys.modules if name.startswith(f"{package}.")}


def test_one_module_comes_without_the_others_until_the_package_is_asked(package: str) -> None:
    load_lazily(package)
    from a_large_package.one import NAME  # type: ignore[import-not-found]

    assert (NAME, _loaded(package)) == ("one", {"one"})
    import a_large_package  # type: ignore[import-not-found]

    assert not hasattr(a_large_package, "__nothing__")
    assert (a_large_package.NAME, _loaded(package)) == ("one", {"one", "other"})
    assert not hasattr(a_large_package, "nothing")
    load_lazily(package)
    assert sys.modules[package] is a_large_package
    unload(package)
    assert package not in sys.modules
    assert not _loaded(package)


def test_a_module_that_is_named_as_a_part_of_its_package_is_imported(package: str) -> None:
    load_lazily(package)
    import a_large_package

    assert (a_large_package.other.NAME, _loaded(package)) == ("one", {"one", "other"})
    unload(package)


def test_holidays_of_a_place_are_known_and_the_package_is_let_go() -> None:
    years = range(2026, 2027)
    assert date(2026, 1, 26) in public_holidays.public_holidays("IN", None, years)
    # Guam's are those of the United States, whose module it imports.
    assert date(2026, 7, 4) in public_holidays.public_holidays("GU", None, years)
    with pytest.raises(NotImplementedError):
        public_holidays.public_holidays("XX", None, years)
    public_holidays.done()
    assert "holidays" not in sys.modules
    assert date(2026, 11, 30) in public_holidays.public_holidays("GB", "SCT", years)
    public_holidays.done()
