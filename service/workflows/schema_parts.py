"""The schema of parts: which orders may be parts, and how the whole's status follows from theirs."""

from typing import Annotated

from pydantic import Field

from service.workflows.schema_conditions import WhenYaml
from service.workflows.schema_words import DataPath, Ident, Idents, YamlModel


class PartRuleYaml(YamlModel):
    """The whole enters `to` if all of this holds; names are statuses or stages of the parts."""

    to: Ident
    all: Annotated[Idents, Field(description="every part is in one of these, and all expected parts are known")] = []
    any: Annotated[Idents, Field(description="at least one part is in one of these")] = []
    none: Annotated[Idents, Field(description="no part is in one of these")] = []
    when: Annotated[WhenYaml | None, Field(description="a condition on the whole; `parts.delivered` counts parts")] = (
        None
    )


class PartsYaml(YamlModel):
    """An order of this workflow may have parts. The first rule that holds applies."""

    of: Annotated[Idents, Field(description="the workflows of parts; default: this one")] = []
    expected: Annotated[DataPath | None, Field(description="the expected number of parts")] = None
    rules: list[PartRuleYaml] = []
