"""Notifications of an app, through Firebase Cloud Messaging."""

from typing import Final

from service.channels.channel import Channel, Surroundings
from service.channels.medium import TitledMedium
from service.channels.port import Provider
from service.channels.push.settings import PushSettings


def _providers(settings: PushSettings, around: Surroundings) -> list[Provider]:
    from service.channels.push.provider import FcmProvider  # loaded only where it is used: what signs takes its time

    if settings.fcm_credentials is None:
        return []
    return [FcmProvider(settings.fcm_credentials, settings.fcm_base_url, around.concurrent, around.timeout_s)]


PUSH: Final = Channel(
    name="push",
    title="App push",
    address="push_tokens",
    settings=PushSettings,
    is_ready=lambda settings: settings.fcm_credentials is not None,
    needs="FCM_CREDENTIALS",
    providers=_providers,
    medium=TitledMedium(),
    tells="sent",
)
