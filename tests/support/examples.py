"""How many examples a property is tried with: all of them by `make test-long`, a twentieth of them by `make test`."""

import os

LONG = os.environ.get("STAGEBELL_TEST_LONG") == "1"
FEWEST = 40


def examples(in_the_long_form: int) -> int:
    """That many in the long form, else a twentieth, but never so few that the property says nothing."""
    return in_the_long_form if LONG else max(FEWEST, in_the_long_form // 20)
