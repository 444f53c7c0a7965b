"""The settings of the daemon: what they are, where they come from, and what is wrong with them.

Sources, later ones win: defaults, a TOML file, SFU_* environment variables, the command line. All of them
go through the same reader of the setting, so that a bad value gives the same sentence everywhere.

Knows: every setting, its meaning and limits. Does not know: argparse, or what the settings do.
"""

import difflib
import ipaddress
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, get_type_hints
from urllib.parse import urlsplit

Given = Mapping[str, str | list[str]]
"""Setting name -> its text, or several texts for a setting that may be repeated."""


class ConfigError(Exception):
    """Settings that can't be used; the text says which, why, and what to do."""


@dataclass(frozen=True, slots=True)
class Option:
    """How a setting is shown and read; `read` takes text and raises ValueError with a sentence."""

    help: str
    metavar: str
    read: Callable[[str], Any]
    many: bool = False
    secret: bool = False


def _text(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise ValueError("it is empty, or has characters that can't be printed")
    return text.strip()


def _number(low: int, high: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = low - 1
        if not low <= value <= high:
            raise ValueError(f"it must be a whole number from {low} to {high}")
        return value

    return read


def _word(*words: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text.strip().lower() not in words:
            raise ValueError(f"it must be one of: {', '.join(words)}")
        return text.strip().lower()

    return read


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text.strip()))
    except ValueError:
        raise ValueError("it must be an IPv4 or IPv6 address, such as 203.0.113.7") from None


def _bind_address(text: str) -> str:
    return "" if not text.strip() else _address(text)


def _file(text: str) -> Path:
    path = Path(text).expanduser()
    if not path.is_file():
        raise ValueError("there is no such file")
    return path


def _node_url(text: str) -> str:
    url = text.strip().rstrip("/")
    if not url.startswith(("http://", "https://")):
        raise ValueError("it must be the URL of a node, such as http://10.0.0.1:8080")
    return url


def _origin(text: str) -> str:
    if text.strip() == "*":
        return "*"
    parts = urlsplit(text.strip().rstrip("/"))
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.path or parts.query:
        raise ValueError("it must be an origin such as https://example.org, or * for any")
    return f"{parts.scheme}://{parts.netloc}".lower()


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that can be set. The fields are also the TOML keys, SFU_NAME and --name."""

    host: Annotated[
        str, Option("address the page and the signaling listen on; 0.0.0.0 or :: for all", "HOST", _text)
    ] = "127.0.0.1"
    port: Annotated[
        int, Option("TCP port of the page and the signaling; 0 = any free", "PORT", _number(0, 65535))
    ] = 8080
    rtc_host: Annotated[
        str, Option("address the media port listens on; all by default", "ADDRESS", _bind_address)
    ] = ""
    rtc_port: Annotated[int, Option("UDP port of all media; 0 = any free", "PORT", _number(0, 65535))] = 7882
    public_ip: Annotated[
        tuple[str, ...],
        Option(
            "address clients reach the media port at, when it is not one of this machine's own (NAT, cloud)",
            "ADDRESS",
            _address,
            many=True,
        ),
    ] = ()
    tls_cert: Annotated[Path | None, Option("certificate chain in PEM, for HTTPS", "FILE", _file)] = None
    tls_key: Annotated[Path | None, Option("private key of the certificate, in PEM", "FILE", _file)] = None
    tls: Annotated[
        Literal["off", "self-signed"],
        Option(
            "self-signed: HTTPS with a certificate made at start; browsers warn once",
            "{off,self-signed}",
            _word("off", "self-signed"),
        ),
    ] = "off"
    relay: Annotated[
        Literal["forward", "media"],
        Option(
            "forward: pass packets on as they are; media: decode once and encode again per subscriber",
            "{forward,media}",
            _word("forward", "media"),
        ),
    ] = "forward"
    engine: Annotated[
        Literal["auto", "native", "python"],
        Option(
            "what sends packets: native code, Python, or auto: native where it was built",
            "{auto,native,python}",
            _word("auto", "native", "python"),
        ),
    ] = "auto"
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Option(
            "how much is logged; debug shows addresses too",
            "{debug,info,warning,error}",
            _word("debug", "info", "warning", "error"),
        ),
    ] = "info"
    auto_threshold: Annotated[
        int, Option("participants from whom on the server carries an auto room", "NUMBER", _number(2, 100))
    ] = 3
    auto_quiet: Annotated[
        int,
        Option("seconds with fewer than that before they speak directly again", "SECONDS", _number(0, 3600)),
    ] = 10
    max_room_size: Annotated[int, Option("participants a room may have", "NUMBER", _number(1, 10_000))] = 100
    last_n: Annotated[
        int,
        Option(
            "how many participants' video each one gets: of those who spoke last; 0 = everybody's",
            "NUMBER",
            _number(0, 10_000),
        ),
    ] = 0
    parent: Annotated[
        str,
        Option("URL of another node whose rooms this one carries too: a relay tree", "URL", _node_url),
    ] = ""
    node_secret: Annotated[
        str,
        Option(
            "word that nodes of one tree share; without it none may link to this one",
            "WORD",
            _text,
            secret=True,
        ),
    ] = field(default="", repr=False)
    allow_origin: Annotated[
        tuple[str, ...],
        Option(
            "pages of other origins that may connect, such as https://example.org; * for any",
            "ORIGIN",
            _origin,
            many=True,
        ),
    ] = ()


OPTIONS: Mapping[str, Option] = MappingProxyType(
    {name: hint.__metadata__[0] for name, hint in get_type_hints(Config, include_extras=True).items()}
)
DEFAULTS = Config()


def load(command_line: Given, environment: Mapping[str, str]) -> Config:
    """Bring all sources together; raises ConfigError.

    `command_line` holds what was given there, and under `config` the TOML file, which SFU_CONFIG may
    name too.
    """
    values: dict[str, Any] = {}
    file = command_line.get("config", environment.get("SFU_CONFIG"))
    if file is not None:
        assert isinstance(file, str)
        path = Path(file).expanduser()
        values |= _read(_from_file(path), lambda name: f"{path}: {name}")
    values |= _read(_from_environment(environment), lambda name: f"SFU_{name.upper()}")
    given = {name: value for name, value in command_line.items() if name != "config"}
    values |= _read(given, lambda name: "--" + name.replace("_", "-"))
    return _checked(Config(**values))


def _read(given: Given, where: Callable[[str], str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, texts in given.items():
        option = OPTIONS[name]
        try:
            if option.many:
                values[name] = tuple(option.read(text) for text in _listed(texts))
            elif isinstance(texts, str):
                values[name] = option.read(texts)
            else:
                raise ValueError("it takes one value, not a list")
        except ValueError as error:
            shown = repr(texts if isinstance(texts, str) else ", ".join(texts))
            raise ConfigError(
                f"{where(name)} can't be {'used' if option.secret else shown}: {error}."
            ) from None
    return values


def _listed(texts: str | list[str]) -> list[str]:
    """Split at commas, as one environment variable or option may hold several values."""
    whole = texts if isinstance(texts, list) else [texts]
    return [part for text in whole for part in text.split(",") if part.strip()]


def _from_file(path: Path) -> Given:
    try:
        table = tomllib.loads(path.read_text())
    except FileNotFoundError:
        raise ConfigError(f"There is no settings file {path}.") from None
    except OSError as error:
        raise ConfigError(f"The settings file {path} can't be read: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"The settings file {path} is not TOML: {error}.") from None
    given: dict[str, str | list[str]] = {}
    for key, value in table.items():
        name = key.replace("-", "_")
        if name not in OPTIONS:
            raise ConfigError(f"{path}: there is no setting {key!r}. {_hint(name, OPTIONS)}")
        given[name] = _as_text(value, f"{path}: {key}")
    return given


def _as_text(value: object, where: str) -> str | list[str]:
    if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
        return str(value)
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return list(value)
    raise ConfigError(f"{where} must be a text, a whole number or a list of texts, as in port = 8080.")


def _from_environment(environment: Mapping[str, str]) -> Given:
    known = {f"SFU_{name.upper()}": name for name in OPTIONS}
    given: dict[str, str | list[str]] = {}
    for variable, text in environment.items():
        if not variable.startswith("SFU_") or variable == "SFU_CONFIG":
            continue
        if variable not in known:
            raise ConfigError(f"There is no setting {variable}. {_hint(variable, known)}")
        given[known[variable]] = text
    return given


def _hint(wrong: str, known: Iterable[str]) -> str:
    names = list(known)
    close = difflib.get_close_matches(wrong, names, n=1)
    return f"Did you mean {close[0]}?" if close else f"There are: {', '.join(names)}."


def _checked(config: Config) -> Config:
    if (config.tls_cert is None) != (config.tls_key is None):
        given, missing = ("tls-cert", "tls-key") if config.tls_cert else ("tls-key", "tls-cert")
        raise ConfigError(f"--{given} needs --{missing}: a certificate and its private key come together.")
    if config.parent and not config.node_secret:
        raise ConfigError("parent needs node-secret too: the word that the parent node was started with.")
    if config.relay == "media" and (config.parent or config.node_secret):
        raise ConfigError("relay media works on one node only: leave out parent and node-secret.")
    if config.relay == "media" and config.last_n:
        raise ConfigError("relay media sends every video that is asked for: leave out last-n.")
    if config.tls == "self-signed" and config.tls_cert is not None:
        raise ConfigError("--tls self-signed makes its own certificate: leave it out, or --tls-cert.")
    return config
