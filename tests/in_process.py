"""The native core in this very process, for models that are known to be harmless."""

from __future__ import annotations

import ctypes
import mmap

from gateway_simulation import native


def load_sundials() -> None:
    """Load CVODE, before any model."""
    failed = native.library().core_load_sundials(str(native.sundials_folder()).encode())
    assert failed is None, failed


def run(order: mmap.mmap, result: mmap.mmap) -> None:
    """Run `order` into the zeroed block `result`, both as `layout` describes them."""
    places = (ctypes.addressof(ctypes.c_char.from_buffer(block)) for block in (order, result))
    native.library().core_run(*places)
