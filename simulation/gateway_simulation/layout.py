"""The result of a run as it lies in the block that the server and the run's process share.

The server makes the block, a sealed anonymous file of fixed size, before the run; the process maps
it and writes; the server copies it once the process has ended and believes nothing in it that it
can't check. Little-endian, in this order:

====== =============================== =======================================================
offset content                         meaning
====== =============================== =======================================================
0      8 bytes `FMUGATE1`              written last: without it nothing else counts
8      u32 status                      a `Status`
12     u32 message length              bytes of the message that count
16     u64 rows                        rows that count, at most the block's capacity
24     u64 events                      events that count, at most `MAX_EVENTS`
64     message, 32 KiB                 UTF-8 JSON: details of a failure, statistics, log lines
32832  float64[MAX_EVENTS]             times of events [s]
112832 float64[capacity][1 + columns]  row by row: time [s], then the columns in order
====== =============================== =======================================================
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import Final

MAGIC: Final = b"FMUGATE1"
HEADER: Final = struct.Struct("<8sIIQQ")
MESSAGE_OFFSET: Final = 64
MESSAGE_BYTES: Final = 32 * 1024
EVENTS_OFFSET: Final = MESSAGE_OFFSET + MESSAGE_BYTES
MAX_EVENTS: Final = 10_000
ROWS_OFFSET: Final = EVENTS_OFFSET + 8 * MAX_EVENTS
LOG_BYTES: Final = 64 * 1024


class Status(IntEnum):
    """How a run ended, as its process says."""

    OK = 0
    MODEL_FAILED = 1
    MODEL_TERMINATED = 2
    EVENT_ITERATION = 3
    STEP_REFUSED = 4
    SOLVER_FAILED = 5
    NON_FINITE = 6
    TOO_MANY_EVENTS = 7
    OUT_OF_MEMORY = 8
    ENGINE_FAILED = 9


def size(capacity: int, columns: int) -> int:
    """Bytes of a block for `capacity` rows of time and `columns` values."""
    return ROWS_OFFSET + 8 * capacity * (1 + columns)
