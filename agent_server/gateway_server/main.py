"""`uvicorn gateway_server.main:app`: the application for a server of one's own choice.

Links are made from PUBLIC_BASE_URL, else from HOST and PORT, which must then be uvicorn's.
"""

from __future__ import annotations

from typing import Final

from starlette.types import ASGIApp

from gateway_server.compose import address_of
from gateway_server.logs import configure_logs
from gateway_server.metrics import Metrics
from gateway_server.privacy import keep_memory_private
from gateway_server.serving import application
from gateway_server.settings import read_settings, secrets_of
from gateway_server.tracing import configure_tracing


def _app() -> ASGIApp:
    keep_memory_private()
    settings = read_settings()
    configure_tracing(configure_logs(settings.log_format, secrets_of(settings)))
    return application(settings, address_of(settings, settings.port), Metrics())[1]


app: Final[ASGIApp] = _app()
