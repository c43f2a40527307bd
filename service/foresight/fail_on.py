"""`--fail-on`: the condition under which a back-test fails, such as `breaches>+5%`, `cost>100`."""

import operator
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Final

from msgspec import Struct

NAMES: Final = ("messages", "breaches", "escalations", "cost")
_OPERATORS: Final[Mapping[str, Callable[[Decimal, Decimal], bool]]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "=": operator.eq,
    "==": operator.eq,
    "!=": operator.ne,
}
_FORM: Final = re.compile(r"\s*([a-z]+)\s*(>=|<=|==|!=|>|<|=)\s*([+-]?[0-9]+(?:\.[0-9]+)?)\s*(%?)\s*")


class Condition(Struct, frozen=True):
    """The condition on the change of `name`, in numbers or in percent of the old value."""

    name: str
    sign: str
    number: Decimal
    in_percent: bool

    def is_met(self, was: Decimal, would_be: Decimal) -> bool:
        """Whether this change meets the condition. A change from zero exceeds any percentage."""
        change = would_be - was
        if self.in_percent:
            change = change / was * 100 if was else change * Decimal("Infinity") if change else change
        return _OPERATORS[self.sign](change, self.number)


def condition(text: str) -> Condition:
    """Parse `NAME OP NUMBER[%]`; raises ValueError."""
    if not (found := _FORM.fullmatch(text)) or found[1] not in NAMES:
        raise ValueError(
            f"{text!r} is not NAME OP NUMBER[%], such as 'breaches>+5%'; NAME is one of {', '.join(NAMES)}, and means"
            f" the change; OP is one of {' '.join(_OPERATORS)}"
        )
    return Condition(found[1], found[2], Decimal(found[3]), bool(found[4]))
