"""The schema of brands: their names, senders, look and texts."""

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from service.mail_address import canonical_mail
from service.workflows.schema_channels import Channel, Channels
from service.workflows.schema_tracking import SupportYaml
from service.workflows.schema_words import Ident, YamlModel, one_or_many

MailAddress = Annotated[str, AfterValidator(lambda text: canonical_mail(text) if text else "")]
Senders = Annotated[
    list[str], BeforeValidator(one_or_many, json_schema_input_type=str | list[str]), Field(min_length=1)
]


class ContentYaml(YamlModel):
    """A WhatsApp template approved by the provider."""

    sid: Annotated[str, Field(pattern=r"^HX[0-9a-fA-F]{32}$")]
    variables: dict[str, str] = {}


class LookYaml(YamlModel):
    """The look of mails and pages."""

    colour: Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$", description="such as #14532d")] = ""
    logo: Annotated[str, Field(pattern=r"^(https://[^\s\"'<>;,]+)?$", description="the URL of a picture")] = ""


class BrandNoticeYaml(YamlModel):
    """How a brand changes a notice."""

    channels: Annotated[Channels, Field(description="replaces the notice's channels")] = []
    whatsapp_content: dict[str, ContentYaml] = {}


class BrandYaml(YamlModel):
    """A brand; orders choose it by `data.brand`."""

    name: Annotated[str, Field(min_length=1, max_length=100, description="the name in messages and on pages")]
    look: LookYaml = LookYaml()
    reply_to: MailAddress = ""
    support: Annotated[SupportYaml | None, Field(description="on the tracking page, replaces the pack's")] = None
    senders: Annotated[
        dict[Channel, Senders],
        Field(description="the sender by channel; a list has one for each provider, the preferred one's first"),
    ] = {}
    channels: Annotated[
        list[Channel], Field(description="the only channels of this brand's notices, in this order")
    ] = []
    fallback: Annotated[dict[Channel, Channel] | None, Field(description="replaces the pack's")] = None
    notices: dict[Ident, BrandNoticeYaml] = {}
