"""When the background last did its work: what an operator sees of it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field


@dataclass(slots=True)
class Pulse:
    """Moments on the monotonic clock [s]; None: not yet. `violations`: of the last audit."""

    began: float = field(default_factory=time.monotonic)
    reconciled: float | None = None
    audited: float | None = None
    violations: int = 0
    failures: dict[str, int] = field(default_factory=dict)

    def reconciled_now(self) -> None:
        """The reconciler has come round."""
        self.reconciled = time.monotonic()

    def audited_now(self, violations: int) -> None:
        """The books were proved, or were not."""
        self.audited, self.violations = time.monotonic(), violations

    def failed(self, work: str) -> None:
        """A round of `work` ended in an error."""
        self.failures[work] = self.failures.get(work, 0) + 1


def age(moment: float | None) -> float | None:
    """Seconds since then."""
    return None if moment is None else time.monotonic() - moment
