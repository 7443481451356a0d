"""Archives and descriptions made to hurt: each is refused or read, in bounded time and memory."""

from __future__ import annotations

import io
import resource
import stat
import struct
import time
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from fmus import compiled

from gateway_simulation import exceptions as e
from gateway_simulation.archive import Limits, inspect

pytestmark = pytest.mark.skipif(not compiled.available(), reason="no C compiler")

XML = "modelDescription.xml"
GOOD = compiled.description("driven")
MB = 2**20
SECONDS = 10


@contextmanager
def cheaply() -> Iterator[None]:
    """Few CPU seconds, and not much more memory than the process ever had."""
    began, before = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert time.process_time() - began < SECONDS
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 512 * 1024  # KiB


@contextmanager
def within(megabytes: int) -> Iterator[None]:
    """Memory that Python allocates meanwhile."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < megabytes * MB
    finally:
        tracemalloc.stop()


def packed(entries: dict[str, bytes | str], **attributes: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as file:
        for name, content in entries.items():
            entry = zipfile.ZipInfo(name)
            entry.compress_type = zipfile.ZIP_DEFLATED
            for attribute, value in attributes.items():
                setattr(entry, attribute, value)
            file.writestr(entry, content)
    return buffer.getvalue()


def patched(data: bytes, signature: bytes, offset: int, form: str, *values: int) -> bytes:
    """`data` with values written into its last record of that kind."""
    changed = bytearray(data)
    struct.pack_into(form, changed, data.rfind(signature) + offset, *values)
    return bytes(changed)


def fmu() -> bytes:
    return compiled.fmu("driven")


def central(data: bytes, offset: int, form: str, *values: int) -> bytes:
    return patched(data, b"PK\x01\x02", offset, form, *values)


def overlapping() -> bytes:
    """One kernel of zeros that a thousand entries of the directory share."""
    name, kernel = b"resources/k", zlib.compress(bytes(15 * MB), 9)[2:-4]
    crc = zlib.crc32(bytes(15 * MB))
    sizes = struct.pack("<III", crc, len(kernel), 15 * MB)
    local = b"PK\x03\x04" + struct.pack("<HHHHH", 20, 0, 8, 0, 0) + sizes
    body = local + struct.pack("<HH", len(name) + 3, 0) + name + b"000" + kernel
    directory = b"".join(
        b"PK\x01\x02" + struct.pack("<HHHHHH", 20, 20, 0, 8, 0, 0) + sizes
        + struct.pack("<HHHHHII", len(name) + 3, 0, 0, 0, 0, 0, 0) + name + b"%03d" % i
        for i in range(60)
    )  # fmt: skip
    end = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 60, 60, len(directory), len(body), 0)
    return body + directory + end


def nested() -> bytes:
    """Archives in archives, the innermost a bomb: nobody opens them."""
    inner = packed({"zeros": bytes(64 * MB)})
    for _ in range(6):
        inner = packed({f"{i}.zip": inner for i in range(16)})
    return inner


def zip64() -> bytes:
    """Sizes that only an extra field tells: 2^62 bytes."""
    name = b"modelDescription.xml"
    extra = struct.pack("<HHQQ", 1, 16, 2**62, 10)
    sizes = struct.pack("<III", 0, 0xFFFFFFFF, 0xFFFFFFFF)
    fixed = struct.pack("<HHHHHH", 45, 45, 0, 8, 0, 0)
    directory = (
        b"PK\x01\x02" + fixed + sizes
        + struct.pack("<HHHHHII", len(name), len(extra), 0, 0, 0, 0, 0) + name + extra
    )  # fmt: skip
    end = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 1, 1, len(directory), 64, 0)
    return bytes(64) + directory + end


Attack = Callable[[], bytes]
BOMBS: dict[str, tuple[Attack, type[e.ArchiveError]]] = {
    "overlapping": (overlapping, e.UnsafeArchiveError),
    "nested": (nested, e.MissingModelDescriptionError),
    "dense": (lambda: packed({XML: GOOD, "resources/0": bytes(200 * MB)}), e.ArchiveBombError),
    "dense description": (lambda: packed({XML: b" " * (40 * MB)}), e.ArchiveBombError),
    "long description": (lambda: packed({XML: b" " * (16 * MB + 1)}), e.ArchiveError),
    "many": (lambda: packed({f"r/{i}": b"" for i in range(11_000)}), e.ArchiveBombError),
    "zip64": (zip64, e.ArchiveBombError),
    "device": (
        lambda: packed({"resources/null": ""}, external_attr=(stat.S_IFCHR | 0o666) << 16),
        e.UnsafeArchiveError,
    ),
    "fifo": (
        lambda: packed({"resources/pipe": ""}, external_attr=(stat.S_IFIFO | 0o666) << 16),
        e.UnsafeArchiveError,
    ),
    "long name": (lambda: packed({"resources/" + "x" * 60_000: ""}), e.UnsafeArchiveError),
    "deep name": (lambda: packed({"a/" * 30_000 + "x": ""}), e.UnsafeArchiveError),
    "hidden name": (lambda: packed({"resources/gnp.\u202eexe": ""}), e.UnsafeArchiveError),
    "zero-width name": (lambda: packed({"resources/a\u200b": ""}), e.UnsafeArchiveError),
    "drive": (lambda: packed({"C:evil": ""}), e.UnsafeArchiveError),
    "dot dot": (lambda: packed({"resources/../../x": ""}), e.UnsafeArchiveError),
    "root": (lambda: packed({"/x": ""}), e.UnsafeArchiveError),
    "backslash": (lambda: packed({"resources\\..\\x": ""}), e.UnsafeArchiveError),
    "encrypted": (lambda: central(fmu(), 8, "<H", 1), e.UnsafeArchiveError),
    "bzip2": (lambda: central(fmu(), 10, "<H", 12), e.UnsafeArchiveError),
    "lzma": (lambda: central(fmu(), 10, "<H", 14), e.UnsafeArchiveError),
    "method 99": (lambda: central(fmu(), 10, "<H", 99), e.UnsafeArchiveError),
    "wrong crc": (lambda: central(fmu(), 16, "<I", 1), e.NotAnArchiveError),
    "far away": (lambda: central(fmu(), 42, "<I", 2**31), e.NotAnArchiveError),
    "local header": (lambda: fmu().replace(b"PK\x03\x04", b"PK\x03\x05"), e.NotAnArchiveError),
    "no directory": (
        lambda: patched(fmu(), b"PK\x05\x06", 16, "<I", 2**32 - 2),
        e.NotAnArchiveError,
    ),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_of_an_archive_is_refused_cheaply(bomb: str) -> None:
    make, kind = BOMBS[bomb]
    data = make()
    with cheaply(), within(64), pytest.raises(kind):
        inspect(data, Limits())


def repeated(part: str, times: int) -> str:
    return "".join(part.replace("#", str(i)) for i in range(times))


def with_variables(text: str) -> str:
    return GOOD.replace("<ModelVariables>", f"<ModelVariables>{text}")


def before_variables(text: str) -> str:
    return GOOD.replace("<ModelVariables>", f"{text}<ModelVariables>")


def with_root(text: str) -> str:
    return GOOD.replace("guid=", f"{text} guid=")


def doctype(text: str) -> str:
    head, end, body = GOOD.partition("?>")
    return head + end + text + body


LAUGHS = "<!DOCTYPE l [<!ENTITY l0 'ha'>" + repeated("<!ENTITY m# '&l0;&l0;'>", 20) + "]>"
QUADRATIC = f"<!DOCTYPE q [<!ENTITY q '{'x' * 100_000}'>]>"
ITEMS = (
    "<TypeDefinitions><SimpleType name='T'><Enumeration>"
    + repeated("<Item name='i#' value='#'/>", 100_000)
    + "</Enumeration></SimpleType></TypeDefinitions>"
)
CHOICES = repeated(
    "<ScalarVariable name='c#' valueReference='#'><Enumeration declaredType='T'/></ScalarVariable>",
    10_000,
)
REFUSED: dict[str, Callable[[], str | bytes]] = {
    "billion laughs": lambda: doctype(LAUGHS),
    "quadratic blowup": lambda: doctype(QUADRATIC),
    "parameter entity": lambda: doctype("<!DOCTYPE p [<!ENTITY % p SYSTEM 'file:///x'> %p;]>"),
    "external entity": lambda: doctype("<!DOCTYPE x [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>"),
    "external dtd": lambda: doctype("<!DOCTYPE x SYSTEM 'http://192.0.2.1/x.dtd'>"),
    "undeclared entity": lambda: with_root("author='&nothing;'"),
    "deep": lambda: before_variables("<a>" * 100_000),
    "wide": lambda: before_variables("<a/>" * 500_000),
    "many variables": lambda: with_variables(
        repeated("<ScalarVariable name='v#' valueReference='#'><Real/></ScalarVariable>", 60_000)
    ),
    "many aliases": lambda: with_variables("<Alias name='a'/>" * 60_000),
    "items times variables": lambda: before_variables(ITEMS).replace(
        "<ModelVariables>", f"<ModelVariables>{CHOICES}"
    ),
    "huge attribute": lambda: with_root(f"author='{'x' * 12 * MB}'"),
    "huge array": lambda: GOOD.replace('fmiVersion="2.0"', 'fmiVersion="3.0"'),
    "utf-7": lambda: GOOD.replace("UTF-8", "utf-7"),
    "unknown encoding": lambda: GOOD.replace("UTF-8", "x-nothing"),
    "ebcdic": lambda: GOOD.encode("cp037"),
    "utf-32": lambda: GOOD.replace("UTF-8", "utf-32").encode("utf-32"),
    "not its encoding": lambda: GOOD.encode("utf-16"),
    "no utf-8": lambda: GOOD.encode().replace(b'"driven"', b'"\xff\xfe"'),
    "nul": lambda: GOOD.replace("driven", "dri\0ven"),
    "two roots": lambda: GOOD + "<fmiModelDescription/>",
    "open comment": lambda: before_variables("<!--" + "-" * MB),
    "open cdata": lambda: before_variables("<![CDATA[" + "]" * MB),
}


@pytest.mark.parametrize("attack", REFUSED)
def test_a_description_made_to_hurt_is_refused_cheaply(attack: str) -> None:
    xml = REFUSED[attack]()
    data = compiled.archive(xml, b"", "driven")  # type: ignore[arg-type]
    with cheaply(), pytest.raises(e.ArchiveError) as caught:
        inspect(data, Limits())
    assert not isinstance(caught.value, e.UnsupportedPlatformError), "it was read"


READ: dict[str, Callable[[], str]] = {
    "many attributes": lambda: with_root(repeated(" a#='1'", 300_000)),
    "many namespaces": lambda: with_root(repeated(" xmlns:n#='u#'", 200_000)),
    "xinclude": lambda: before_variables(
        "<VendorAnnotations><Tool name='t'><i:include xmlns:i='http://www.w3.org/2001/XInclude' "
        "href='file:///etc/passwd' parse='text'/></Tool></VendorAnnotations>"
    ),
    "schema location": lambda: with_root(
        "xmlns:s='http://www.w3.org/2001/XMLSchema-instance' "
        "s:noNamespaceSchemaLocation='http://192.0.2.1/x.xsd'"
    ),
    "stylesheet": lambda: doctype("<?xml-stylesheet href='http://192.0.2.1/x.xsl'?>"),
    "long comment": lambda: before_variables(f"<!--{'x' * 4 * MB}-->"),
    "long cdata": lambda: before_variables(f"<![CDATA[{' ' * 4 * MB}]]>"),
    "many problems": lambda: with_variables("<x a='1' b='2'/>" * 100_000),
}


@pytest.mark.parametrize("oddity", READ)
def test_an_odd_description_is_read_without_asking_anybody(oddity: str) -> None:
    data = compiled.archive(READ[oddity](), compiled.binary("driven"), "driven")
    with cheaply():
        inspection = inspect(data, Limits())
    assert "root:" not in repr(inspection)
    assert len(inspection.problems) <= 10
    assert all(len(problem) <= 300 for problem in inspection.problems)
