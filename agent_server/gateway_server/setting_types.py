"""What a setting's text may be: each type refuses the rest in words that an operator can act on."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

from gateway_server.clients import networks_of

if TYPE_CHECKING:
    from limits import RateLimitItem

OFF: Final = "off"
LEAST_SECRET: Final = 16
"""Bytes of the key under tokens and tickets."""
_DATABASES: Final = ("postgresql://", "postgres://", "postgresql+psycopg://", "sqlite:///")
_HOST: Final = re.compile(r"[^\s/@?#*]+")
_LEAST_TOKEN: Final = 8


def parsed_rate(text: str) -> RateLimitItem:
    """`20/hour`. Raises ValueError."""
    from limits import parse  # noqa: PLC0415  takes long, and a gateway of one's own has no limits

    return parse(text)


def _words(value: object) -> object:
    return tuple(re.findall(r"[^,\s]+", value)) if isinstance(value, str) else value


def _absent(value: object) -> object:
    return None if value == "" else value


def _rate(text: str | None) -> str | None:
    if text is None or text == OFF:
        return text
    try:
        allowed = parsed_rate(text).amount
    except ValueError:
        allowed = 0
    if allowed < 1:
        message = "write NUMBER/second, /minute, /hour or /day, or off for no limit"
        raise ValueError(message)
    return text


def _networks(words: tuple[str, ...]) -> tuple[str, ...]:
    for word in words:
        try:
            networks_of([word])
        except ValueError:
            message = f"{word!r} is no address and no network such as 10.0.0.0/8"
            raise ValueError(message) from None
    return words


def _address(text: str | None) -> str | None:
    return None if text is None else _checked(text, "give an address such as https://example.org")


def _base_url(text: str | None) -> str | None:
    if text is None:
        return None
    wanted = "give an address such as https://gateway.example, without ? and #"
    checked = _checked(text, wanted)
    if urlsplit(checked).query or "#" in checked:
        raise ValueError(wanted)
    return checked.rstrip("/")


def _checked(url: str, wanted: str) -> str:
    """`url` of a web server, its host in small letters, as clients send it."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:  # a port that is none
        raise ValueError(wanted) from None
    if not usable or not _HOST.fullmatch(parts.netloc):
        raise ValueError(wanted)
    return parts._replace(netloc=parts.netloc.lower()).geturl()


def _origins(words: tuple[str, ...]) -> tuple[str, ...]:
    wanted = "give origins such as https://app.example, without a path, or * alone"
    if words == ("*",):
        return words
    checked = tuple(_checked(word, wanted).rstrip("/") for word in words)
    if any(urlsplit(origin).path or urlsplit(origin).query for origin in checked):
        raise ValueError(wanted)
    return checked


def _hosts(words: tuple[str, ...]) -> tuple[str, ...]:
    for word in words:
        if "//" in word or not _HOST.fullmatch(word):
            message = f"give names such as gateway.example, not {word!r}"
            raise ValueError(message)
    return tuple(word.lower() for word in words)


def _database(url: str | None) -> str | None:
    if url is None or (url.startswith(_DATABASES) and _is_a_file(url)):
        return url
    message = "give postgresql://USER:PASSWORD@HOST/DATABASE, or sqlite:///FILE"
    raise ValueError(message)


def _is_a_file(url: str) -> bool:
    """Memory is no place for a ledger, and each connection would have one of its own."""
    return not url.startswith("sqlite") or url.split(":///", 1)[1] not in {"", ":memory:"}


def _token(secret: SecretStr) -> SecretStr:
    return _at_least(_LEAST_TOKEN, secret)


def _secret(secret: SecretStr | None) -> SecretStr | None:
    return None if secret is None else _at_least(LEAST_SECRET, secret)


def _at_least(length: int, secret: SecretStr) -> SecretStr:
    if len(secret.get_secret_value().encode()) < length:
        message = f"at least {length} bytes are needed; `openssl rand -hex 32` makes good ones"
        raise ValueError(message)
    return secret


Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_words)]
Offers = Annotated[tuple[str, ...] | None, NoDecode, BeforeValidator(_words)]
Networks = Annotated[Words, AfterValidator(_networks)]
Origins = Annotated[Words, AfterValidator(_origins)]
Hosts = Annotated[Words, AfterValidator(_hosts)]
Amounts = Annotated[
    tuple[Annotated[int, Field(ge=1)], ...] | None, NoDecode, BeforeValidator(_words)
]
Text = Annotated[str | None, BeforeValidator(_absent)]
WebAddress = Annotated[Text, AfterValidator(_address)]
BaseUrl = Annotated[Text, AfterValidator(_base_url)]
DatabaseUrl = Annotated[Text, AfterValidator(_database)]
Secret = Annotated[SecretStr | None, BeforeValidator(_absent)]
SigningSecret = Annotated[Secret, AfterValidator(_secret)]
Token = Annotated[Annotated[SecretStr, AfterValidator(_token)] | None, BeforeValidator(_absent)]
Development = Annotated[Literal["development"] | None, BeforeValidator(_absent)]
Rate = Annotated[str | None, BeforeValidator(_absent), AfterValidator(_rate)]
