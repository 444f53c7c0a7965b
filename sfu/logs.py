"""How log lines look, and what stays out of them.

At level info and above there are no addresses and no names of people: libraries that log them are held at
warning, aiohttp's access log is off, and what aiohttp says of failed requests is cleaned.

Knows: logging. Does not know: who logs; lines about a participant carry `room` and `participant` as
`extra`.
"""

import logging
import time

from aiohttp.http_exceptions import HttpProcessingError

TALKATIVE = ("aioice", "aiortc", "aiohttp.access")
"""Loggers that write addresses or a line per request at level info."""


class Lines(logging.Formatter):
    """`2026-11-21 06:00:00.123 info    signaling.lobby [blue p_7] > joined`."""

    def format(self, record: logging.LogRecord) -> str:
        moment = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(record.created))
        ids = [getattr(record, name) for name in ("room", "participant") if hasattr(record, name)]
        where = f"{record.name} [{' '.join(ids)}]" if ids else record.name
        line = f"{moment}.{int(record.msecs):03d} {record.levelname.lower():7} {where} {record.getMessage()}"
        if record.exc_info and record.exc_info[0] is not None:
            line += "\n" + self.formatException(record.exc_info)
        return line


class FailedRequests(logging.Filter):
    """Cleans what aiohttp says of failed requests: no address; and malformed HTTP is nobody's failure."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.msg == "Error handling request from %s":
            record.msg, record.args = "x an HTTP request failed", ()
            fault = record.exc_info[1] if record.exc_info else None
            return not isinstance(fault, HttpProcessingError)
        return True


def setup(level: str) -> None:
    """Send all log lines of this level (`debug`, `info`, `warning`, `error`) and above to stderr."""
    handler = logging.StreamHandler()
    handler.setFormatter(Lines())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    quiet = level != "debug"
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING if quiet else logging.NOTSET)
    server = logging.getLogger("aiohttp.server")
    for known in [each for each in server.filters if isinstance(each, FailedRequests)]:
        server.removeFilter(known)
    if quiet:
        server.addFilter(FailedRequests())
