"""What numbers depend on beside the model, and the model before it may have changed.

`restore_arithmetic` of the native core is its twin.
"""

from __future__ import annotations

import ctypes
import locale
from typing import Final

_LIBM: Final = ctypes.CDLL("libm.so.6")
_LIBC: Final = ctypes.CDLL(None)
_DEFAULT: Final = ctypes.c_void_p(-1)
"""FE_DFL_ENV, and LC_GLOBAL_LOCALE."""
_LOCALE: Final = locale.setlocale(locale.LC_ALL)


def restore() -> None:
    """Rounding, what becomes of the smallest numbers, how texts of numbers are read."""
    _LIBM.fesetenv(_DEFAULT)
    _LIBC.uselocale(_DEFAULT)
    if locale.setlocale(locale.LC_ALL) != _LOCALE:
        locale.setlocale(locale.LC_ALL, _LOCALE)
