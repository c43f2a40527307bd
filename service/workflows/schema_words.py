"""Common types of the schema of a pack's YAML."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

DataPath = Annotated[str, Field(pattern=r"^[a-z_][A-Za-z0-9_]*(\.[A-Za-z0-9_]+)*$", description="such as attributes.x")]
AttributeName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", description="without dots")]
Ident = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]

OptOutWord = Annotated[str, Field(pattern=r"[^\W\d_]", max_length=80, description="letters, in any case")]


def one_or_many(value: Any) -> Any:
    """A single name stands for a list of one."""
    return [value] if isinstance(value, str) else value


# RFC 5646, §2.1, without tags that are never names of folders.
Language = Annotated[
    str, Field(pattern=r"^[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*$", description="such as en, pt-BR, es-419, zh-Hant")
]
Languages = Annotated[list[Language], BeforeValidator(one_or_many, json_schema_input_type=Language | list[Language])]
Idents = Annotated[list[Ident], BeforeValidator(one_or_many, json_schema_input_type=Ident | list[Ident])]
Titles = dict[str, str]


class YamlModel(BaseModel):
    """Unknown keys are rejected, as most are misspelt."""

    model_config = ConfigDict(extra="forbid", frozen=True)
