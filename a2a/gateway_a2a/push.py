"""Push notifications: what happens to a task is posted to where its account wants to hear of it.

Whoever waits for the task never waits for them: each address has a queue of its own, in which a
failed post is repeated a few times. Queues and connections are shared out by account, so that
nobody's dead addresses silence what others hear. What is in a queue when the gateway ends is not
sent; the task itself can always be read.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address
from typing import Final, NamedTuple

import httpx
import structlog
from a2a.server.tasks import PushNotificationEvent, PushNotificationSender
from a2a.types.a2a_pb2 import TaskPushNotificationConfig, TaskStatusUpdateEvent
from a2a.utils.errors import InternalError
from a2a.utils.proto_utils import to_stream_response
from a2a.utils.push_url_validator import validate_push_notification_url
from google.protobuf.json_format import MessageToDict

from gateway_a2a.progress import is_progress
from gateway_a2a.push_configs import PushConfigs

PAUSES_S: Final = (0.0, 1.0, 5.0, 25.0)
"""Before each try."""
MOST_QUEUED_BYTES: Final = 32 * 2**20
MOST_QUEUED: Final = 1_000
EACH: Final = 8
"""One account may have that part of what may be queued."""
AT_ONCE_EACH: Final = 4
"""Posts of one account."""
_TIMEOUT_S: Final = 10
_AT_ONCE: Final = 100
_TRY_AGAIN: Final = frozenset({408, 425, 429})

_log = structlog.get_logger()


async def screened(url: str) -> bool:
    """Whether a gateway may post there: only to addresses that everybody can reach."""
    return await validate_push_notification_url(url) and not _leads_inside(httpx.URL(url).host)


def _leads_inside(host: str) -> bool:
    """Whether this is an address that the SDK takes for public, though it leads back inside.

    One of a site (fec0::/10), or of 6to4, which holds an address of IPv4, any.
    """
    try:
        found = ip_address(host)
    except ValueError:  # a name: what it means is judged before each post
        return False
    return isinstance(found, IPv6Address) and (found.is_site_local or found.sixtofour is not None)


class _Address(NamedTuple):
    account_id: str
    task_id: str
    config_id: str


@dataclass(slots=True)
class _Queue:
    """What one address still has to hear, oldest first. `turns`: of all of its account's."""

    turns: asyncio.Semaphore
    waiting: deque[bytes] = field(default_factory=deque)
    worker: asyncio.Task[None] | None = None


class Notifier(PushNotificationSender):
    """Posts events to the addresses configured for their task, in their order."""

    def __init__(self, configs: PushConfigs) -> None:
        self._configs = configs
        self._client = httpx.AsyncClient(
            timeout=_TIMEOUT_S,
            limits=httpx.Limits(max_connections=_AT_ONCE),
            trust_env=False,  # a proxy would resolve the name again, to whatever it likes
        )
        self._queues: dict[_Address, _Queue] = {}

    async def send_notification(self, task_id: str, event: PushNotificationEvent) -> None:
        """Put the event into each queue; how far a run is isn't worth a request."""
        if isinstance(event, TaskStatusUpdateEvent) and is_progress(event):
            return
        addresses = await self._configs.addresses(task_id)
        if addresses:
            body = json.dumps(MessageToDict(to_stream_response(event))).encode()
            for account_id, config in addresses:
                self._put(_Address(account_id, task_id, config.id), body)

    async def aclose(self) -> None:
        """Stop posting."""
        workers = [queue.worker for queue in self._queues.values() if queue.worker]
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
        await self._client.aclose()

    def _put(self, address: _Address, body: bytes) -> None:
        mine = [queue for a, queue in self._queues.items() if a.account_id == address.account_id]
        if _full(self._queues.values(), 1) or _full(mine, EACH):
            _log.warning("push_dropped", task_id=address.task_id)
            return
        queue = self._queues.get(address)
        if queue is None:
            turns = mine[0].turns if mine else asyncio.Semaphore(AT_ONCE_EACH)
            queue = self._queues[address] = _Queue(turns)
        queue.waiting.append(body)
        if queue.worker is None:
            queue.worker = asyncio.create_task(self._work(address, queue))

    async def _work(self, address: _Address, queue: _Queue) -> None:
        try:
            while queue.waiting:
                await self._deliver(address, queue)
                queue.waiting.popleft()
        finally:
            del self._queues[address]

    async def _deliver(self, address: _Address, queue: _Queue) -> None:
        """Try a few times, each time as the configuration then is; it may be gone."""
        for number, pause_s in enumerate(PAUSES_S):
            await asyncio.sleep(pause_s)
            try:
                async with queue.turns:
                    config = await self._config(address)
                    if config is None or await self._post(config, queue.waiting[0], number):
                        return
            except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError, InternalError) as error:
                _log.info("push_failed", task_id=address.task_id, error=type(error).__name__)
        _log.warning("push_given_up", task_id=address.task_id, tries=len(PAUSES_S))

    async def _config(self, address: _Address) -> TaskPushNotificationConfig | None:
        configs = await self._configs.get_info_for_dispatch(address.task_id)
        return next((config for config in configs if config.id == address.config_id), None)

    async def _post(self, config: TaskPushNotificationConfig, body: bytes, number: int) -> bool:
        """Whether there is no more to be done: it arrived, or never will."""
        url = httpx.URL(config.url)
        pinned = await _pinned(url, number)
        if not await screened(str(pinned)):
            _log.warning("push_refused", task_id=config.task_id)
            return True
        request = self._client.build_request(
            "POST",
            pinned,
            content=body,
            headers=_headers(config, url),
            extensions={"sni_hostname": url.host},
        )
        answer = await self._client.send(request, stream=True)  # whatever it says isn't read
        await answer.aclose()
        _log.info("push_posted", task_id=config.task_id, status=answer.status_code)
        return answer.status_code < 500 and answer.status_code not in _TRY_AGAIN  # noqa: PLR2004


def _full(queues: Iterable[_Queue], parts: int) -> bool:
    """Whether these hold as much as one of so many equal `parts` may."""
    sizes = [len(body) for queue in queues for body in queue.waiting]
    return len(sizes) >= MOST_QUEUED // parts or sum(sizes) > MOST_QUEUED_BYTES // parts


async def _pinned(url: httpx.URL, number: int) -> httpx.URL:
    """The URL with an address that its name has now, another one at each try.

    What is checked is so what is connected to, whatever the name means a moment later.
    """
    port = url.port or (443 if url.scheme == "https" else 80)
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(url.host, port, type=socket.SOCK_STREAM)
    return url.copy_with(host=str(found[number % len(found)][4][0]))


def _headers(config: TaskPushNotificationConfig, url: httpx.URL) -> dict[str, str]:
    headers = {"Content-Type": "application/json", "Host": url.netloc.decode("ascii")}
    if config.token:
        headers["X-A2A-Notification-Token"] = config.token
    if config.authentication.scheme and config.authentication.credentials:
        authentication = config.authentication
        headers["Authorization"] = f"{authentication.scheme} {authentication.credentials}"
    return headers
