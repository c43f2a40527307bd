"""The schema of what an agent fills in for a manual notice."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from service.domain.attributes import AttributeType
from service.workflows.schema_words import AttributeName, DataPath, Titles, YamlModel


class AskYaml(YamlModel):
    """A value that the agent fills in; without a valid `default` it is required."""

    type: AttributeType
    title: Titles = {}
    default: Annotated[DataPath | None, Field(description="the value to use if the agent gives none, such as eta")] = (
        None
    )
    ahead: Annotated[bool, Field(description="a date in the future; a default in the past is ignored")] = False


def _typed(value: Any) -> Any:
    return {"type": value} if isinstance(value, str) else value


Asks = dict[AttributeName, Annotated[AskYaml, BeforeValidator(_typed, json_schema_input_type=AttributeType | AskYaml)]]
