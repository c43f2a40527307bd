"""When a back-test stops a change."""

from decimal import Decimal

import pytest

from service.foresight.fail_on import condition


@pytest.mark.parametrize(
    ("text", "was", "would_be", "met"),
    [
        ("breaches>+5%", 100, 106, True),
        ("breaches>+5%", 100, 105, False),
        ("breaches > 5 %", 0, 1, True),
        ("breaches>5%", 0, 0, False),
        ("messages<-10%", 100, 89, True),
        ("cost>=0.50", "1.00", "1.50", True),
        ("escalations!=0", 3, 2, True),
        ("escalations=0", 3, 3, True),
        ("messages>10", 100, 110, False),
        ("messages<=-1", 2, 1, True),
    ],
)
def test_a_condition_looks_at_the_change(text: str, was: object, would_be: object, met: bool) -> None:
    assert condition(text).is_met(Decimal(str(was)), Decimal(str(would_be))) is met


@pytest.mark.parametrize("text", ["", "breaches", "breaches>", "breaches>lots", "wonders>1", "breaches>5%%", "cost=>1"])
def test_what_is_none_says_how_to_write_one(text: str) -> None:
    with pytest.raises(ValueError, match=r"NAME OP NUMBER\[%\]"):
        condition(text)
