"""What a decision may change of its order, and in which types."""

from typing import get_type_hints

from service.domain.draft import OrderChanges
from service.domain.order import Order

# Given once, kept until the end; or only merged from what events say.
GIVEN = {"id", "workflow", "reference", "created", "stage_since", "eta", "appointment", "price", "brand", "data_times"}


def test_changes_are_fields_of_the_order_in_its_types() -> None:
    changes, order = get_type_hints(OrderChanges), get_type_hints(Order)
    assert set(changes) | GIVEN == set(order)
    assert changes == {name: hint for name, hint in order.items() if name not in GIVEN}
