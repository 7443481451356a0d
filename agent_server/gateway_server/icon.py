"""The gateway's icon: a decaying oscillation, as so many models compute it."""

from __future__ import annotations

from typing import Final

PATH: Final = "/icon.svg"
MEDIA_TYPE: Final = "image/svg+xml"
SVG: Final = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64">'
    '<rect width="64" height="64" rx="12" fill="#123a5c"/>'
    '<path d="M8 32C12 4 16 4 20 32S28 54 32 32 38 18 42 32 48 39 50 32 54 30 56 32" '
    'fill="none" stroke="#7fd6ff" stroke-width="4" stroke-linecap="round"/></svg>'
)
