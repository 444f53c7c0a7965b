"""The text of a session description, line by line (RFC 8866 section 5).

Knows lines, attributes and how a number, a token or a payload type is spelled, and refuses what is too long.
Does not know what any attribute means: sfu.wire.sdp does.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

MAX_LENGTH: Final = 900_000
"""Bytes of one description. Chromium writes about 5 kB for a video section, 1.5 kB for an audio section."""
MAX_SECTIONS: Final = 256

TOKEN: Final = re.compile(r"[!#-'*+\-.0-9A-Z^-~]{1,64}")  # RFC 8866 section 9, "token"
WORD: Final = re.compile(r"\S{1,256}")
# A lone CR is a line end to some readers and not to others; the other control characters belong in no line.
_CONTROL: Final = re.compile(r"\r(?!\n)|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


class SdpError(ValueError):
    """The offer is at fault. The text is a sentence for a person, fit to be sent back to the client."""


@dataclass(slots=True)
class Block:
    """The lines of the session part or of one m-section: the m-line and attribute name -> values in order."""

    media: str
    attributes: dict[str, list[str]]

    def all(self, name: str) -> list[str]:
        return self.attributes.get(name, [])

    def first(self, name: str) -> str | None:
        values = self.attributes.get(name)
        return values[0] if values else None

    def has(self, name: str) -> bool:
        return name in self.attributes


def split(text: str) -> tuple[Block, list[Block]]:
    """The session part and the m-sections; raises SdpError."""
    try:
        length = len(text.encode())
    except UnicodeEncodeError:  # half a surrogate pair, which JSON can carry
        raise SdpError("The session description is not text.") from None
    if length > MAX_LENGTH:
        raise SdpError(f"The session description is longer than {MAX_LENGTH} bytes.")
    if _CONTROL.search(text):
        raise SdpError("The session description contains control characters.")
    lines = text.replace("\r\n", "\n").split("\n")
    if lines[0] != "v=0":  # RFC 8866 section 5.1
        raise SdpError("The session description does not begin with v=0.")
    block = session = Block("", {})
    blocks: list[Block] = []
    for number, line in enumerate(lines, 1):
        start = line[:2]
        if start == "a=":
            name, _, value = line[2:].partition(":")
            block.attributes.setdefault(name, []).append(value)
        elif start == "m=":
            if len(blocks) == MAX_SECTIONS:
                raise SdpError(f"The session description has more than {MAX_SECTIONS} sections.")
            block = Block(line[2:], {})
            blocks.append(block)
        elif line and (len(line) < 2 or line[1] != "="):
            raise SdpError(f"Line {number} is not of the form type=value.")
    return session, blocks


def read_by_payload_type(values: Iterable[str], where: str) -> Iterator[tuple[int, str]]:
    """`96 VP8/90000` to (96, "VP8/90000"), for the attributes that start with a payload type."""
    for value in values:
        number, _, rest = value.partition(" ")
        yield read_payload_type(number, where), rest


def read_payload_type(text: str, where: str) -> int:
    return read_number(text, 127, f"A payload type of {where}")


def read_number(text: str, most: int, what: str, *, least: int = 0) -> int:
    """A plain decimal number: none of the signs, underscores and digits of other scripts that int() takes."""
    if text.isascii() and text.isdigit() and len(text) <= 16 and least <= (value := int(text)) <= most:
        return value
    raise SdpError(f"{what} is not a number from {least} to {most}: {quote(text)}.")


def quote(text: str) -> str:
    return f'"{text[:32]}"'
