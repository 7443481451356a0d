"""What a check finds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's: what was checked, what is so, and what to do about it."""

    what: str
    told: str
    passed: bool = True
    remedy: str | None = None

    @property
    def lines(self) -> Iterator[str]:
        """As it is printed."""
        yield f"{'ok  ' if self.passed else 'FAIL'} {self.what:11} {self.told}"
        if self.remedy:
            yield f"     {'':11} -> {self.remedy}"


Check = Callable[[], Iterable[Finding]]


def findings_of(what: str, check: Check) -> Iterator[Finding]:
    """What `check` finds; where it breaks down itself, that, so that the others still run."""
    try:
        yield from check()
    except Exception as error:  # noqa: BLE001  a check tells, whatever it was
        told = f"{type(error).__name__}: {error}"
        yield Finding(what, told, passed=False, remedy="mend this, then run the doctor again")
