"""The frame of every page that a person sees: plain, without scripts, for nobody to frame."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from starlette.responses import HTMLResponse

_STYLE: Final = (
    "body{font:1.1rem/1.6 system-ui;max-width:32rem;margin:20vh auto;padding:0 1rem;"
    "overflow-wrap:anywhere}input{font:inherit;width:100%;box-sizing:border-box}"
    "button{font:inherit;padding:.4rem 1rem;margin:.3rem .5rem .3rem 0}"
)
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'; "
        "form-action 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def html_page(
    title: str,
    body: str,
    *,
    head: str = "",
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> HTMLResponse:
    """A page; `title`, `body` and `head` are HTML: what came from outside is escaped before."""
    page = (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width">{head}'
        f"<title>{title}</title><style>{_STYLE}</style><h1>{title}</h1>{body}</html>"
    )
    return HTMLResponse(page, status_code=status, headers={**_HEADERS, **(headers or {})})
