"""How often: each key, each address. Counted by all processes together where there is a Redis."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv6Network
from typing import TYPE_CHECKING, Final

import structlog
from anyio import to_thread

from gateway_tools.exceptions import Bound, RateLimitedError

if TYPE_CHECKING:  # the library takes long to import, and longer with Redis: only who needs it pays
    from limits import RateLimitItem
    from limits.strategies import FixedWindowRateLimiter

_PATIENCE_S: Final = 0.25  # a request waits no longer for Redis
_REST_S: Final = 10  # how long a Redis that failed isn't asked
_IPV6_PREFIX: Final = 64  # one customer's network: he chooses what stands behind it
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Standing:
    """What is left of a bound: `left` of `limit` in what remains of the window, `resets_in_s`."""

    bound: Bound
    limit: int
    window_s: int
    left: int
    resets_in_s: int


class Rates:
    """Counts calls in windows that begin with the first one; so a refusal knows when it ends.

    `bounds`: those that hold, by name. `redis_url`: where the counts are shared. When that Redis is
    down or slow each process counts for itself, as it does without one.
    """

    def __init__(self, bounds: Mapping[Bound, RateLimitItem], redis_url: str | None = None) -> None:
        self._bounds = bounds
        self._own = _in_memory() if bounds else None
        self._shared = _in_redis(redis_url) if bounds and redis_url else None
        self._silent_until = -math.inf

    async def spend(self, bound: Bound, who: str) -> Standing | None:
        """Count one more call; how it stands then, None where nothing bounds it.

        Raises:
            RateLimitedError: there was none left.

        """
        item = self._bounds.get(bound)
        if item is None:
            return None
        if self._shared is None:
            standing, kept = self._count_here(item, bound, who)
        else:
            standing, kept = await to_thread.run_sync(self._count, item, bound, who)
        if not kept:
            raise RateLimitedError(bound, item.amount, item.get_expiry(), standing.resets_in_s)
        return standing

    def refused(self, error: RateLimitedError) -> Standing:
        """How it stands for who was refused."""
        item = self._bounds[error.bound]
        return Standing(error.bound, item.amount, item.get_expiry(), 0, error.retry_after_s)

    def _count_here(self, item: RateLimitItem, bound: Bound, who: str) -> tuple[Standing, bool]:
        assert self._own is not None
        return _count(self._own, item, bound, who)

    def _count(self, item: RateLimitItem, bound: Bound, who: str) -> tuple[Standing, bool]:
        from limits.errors import StorageError  # noqa: PLC0415  see above

        assert self._shared is not None
        now = time.monotonic()
        if now < self._silent_until:
            return self._count_here(item, bound, who)
        try:
            counted = _count(self._shared, item, bound, who)
        except StorageError as error:
            if self._silent_until < 0:
                _log.warning("rate_limits_not_shared", error=str(error)[:200])
            self._silent_until = now + _REST_S
            return self._count_here(item, bound, who)
        if self._silent_until > 0:
            _log.info("rate_limits_shared_again")
            self._silent_until = -math.inf
        return counted


def network_of(address: str) -> str:
    """What is counted as one address: an IPv4 address, or the /64 around an IPv6 one."""
    if ":" not in address:
        return address
    return str(IPv6Network((address, _IPV6_PREFIX), strict=False))


def _count(
    limiter: FixedWindowRateLimiter, item: RateLimitItem, bound: Bound, who: str
) -> tuple[Standing, bool]:
    kept = limiter.hit(item, bound, who)
    stats = limiter.get_window_stats(item, bound, who)
    resets_in_s = max(1, math.ceil(stats.reset_time - time.time()))
    return Standing(bound, item.amount, item.get_expiry(), stats.remaining, resets_in_s), kept


def _in_memory() -> FixedWindowRateLimiter:
    from limits.storage import MemoryStorage  # noqa: PLC0415  see above
    from limits.strategies import FixedWindowRateLimiter  # noqa: PLC0415

    return FixedWindowRateLimiter(MemoryStorage())


def _in_redis(url: str) -> FixedWindowRateLimiter:
    from limits.storage import RedisStorage  # noqa: PLC0415  see above
    from limits.strategies import FixedWindowRateLimiter  # noqa: PLC0415
    from redis.backoff import NoBackoff  # noqa: PLC0415
    from redis.retry import Retry  # noqa: PLC0415

    storage = RedisStorage(
        url,
        key_prefix="fmu-gateway",
        wrap_exceptions=True,
        socket_timeout=_PATIENCE_S,
        socket_connect_timeout=_PATIENCE_S,
        retry=Retry(NoBackoff(), 0),  # type: ignore[arg-type]  # handed on to redis as it is
    )
    return FixedWindowRateLimiter(storage)
