"""Brings letters of the outbox to the outside, one after the other, as often as it takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

import structlog

from gateway_payments import outbox
from gateway_payments.exceptions import OutsideUnavailableError
from gateway_payments.outbox import Letter
from gateway_storage.database import Database

Deliver = Callable[[Letter, datetime], None]

_AT_ONCE: Final = 50  # letters in one round

_log = structlog.get_logger()


class HopelessLetterError(Exception):
    """Sending this again by itself would be wrong, or useless: an operator has to look."""


class Courier:
    """Sends letters of some kinds; `deliver` does for each kind, outside of transactions.

    It returns once the letter has certainly arrived; it raises OutsideUnavailableError where
    nobody knows, and HopelessLetterError where it shouldn't be tried again.
    """

    def __init__(self, database: Database, deliver: Mapping[str, Deliver]) -> None:
        self._database = database
        self._deliver = deliver

    def send(self, now: datetime) -> int:
        """Send some of the letters that are due; how many arrived.

        When nobody answers outside, the rest waits for the next round.
        """
        with self._database.read() as db:
            waiting = outbox.due(db, tuple(self._deliver), now, _AT_ONCE)
        arrived = 0
        for letter_id in waiting:
            with self._database.write() as db:
                letter = outbox.take(db, letter_id, now)
            if letter is None:
                continue
            try:
                arrived += self._try(letter, now)
            except OutsideUnavailableError:
                break
        return arrived

    def _try(self, letter: Letter, now: datetime) -> bool:
        """Send one and note how that went. Raises OutsideUnavailableError, noted too."""
        try:
            self._deliver[letter.kind](letter, now)
        except HopelessLetterError as error:
            _log.error("letter_stuck", letter=letter.id, reason=str(error))
            with self._database.write() as db:
                outbox.stuck(db, letter.id, str(error))
            return False
        except OutsideUnavailableError as error:
            with self._database.write() as db:
                outbox.failed(db, letter, error.reason, now)
            raise
        with self._database.write() as db:
            outbox.sent(db, letter.id, now)
        return True
