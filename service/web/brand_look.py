"""A brand's look on customers' pages: styles, logo, and the Content-Security-Policy that allows them."""

import base64
import hashlib
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

from msgspec import Struct

from service.domain.brands import USUAL_LOOK, Look
from service.domain.workflow import Workflow
from service.workflows.build_brands import ink_on, luminance

# The contrast of text on white (WCAG 2.2, success criterion 1.4.3).
_LEAST_CONTRAST: Final = 4.5


class PageBrand(Struct, frozen=True):
    """A brand as a page shows it. `style`: CSS, empty where the page's own suffices. `csp`: the page's policy."""

    title: str
    logo: str = ""
    style: str = ""

    def policy(self, usual: str) -> str:
        """The page's Content-Security-Policy, which allows these styles by their hash and the logo by its host."""
        directives = usual
        if self.style:
            digest = base64.b64encode(hashlib.sha256(self.style.encode()).digest()).decode()
            directives = directives.replace("style-src 'self'", f"style-src 'self' 'sha256-{digest}'")
        if self.logo:
            host = "://".join(urlsplit(self.logo)[:2])
            directives = directives.replace("img-src 'self'", f"img-src 'self' {host}")
        return directives


def brand_of(workflow: Workflow | None, name: str, usual: str) -> PageBrand:
    """Of an order; `usual`: the service's own name, for those of no brand of the pack."""
    brand = workflow.brands.get(name) if workflow else None
    return PageBrand(brand.title, brand.look.logo, _style(brand.look)) if brand else PageBrand(usual)


@lru_cache(maxsize=256)
def _style(look: Look) -> str:
    if look.colour == USUAL_LOOK.colour:
        return ""
    light = _legible(look.colour)
    return (
        f":root{{--bell:{light};--bell-ink:{ink_on(light)}}}"
        "@media(prefers-color-scheme:dark)"
        f"{{:root{{--bell:color-mix(in srgb,{look.colour} 45%,#fff);--bell-ink:#111}}}}"
    )


def _legible(colour: str) -> str:
    """The colour, darkened as far as text in it needs on a light page."""
    parts = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    while 1.05 / (luminance(colour) + 0.05) < _LEAST_CONTRAST:
        parts = [int(part * 0.9) for part in parts]
        colour = "#" + "".join(f"{part:02x}" for part in parts)
    return colour
