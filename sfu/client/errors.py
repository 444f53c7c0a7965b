"""What goes wrong, as one exception with a code for programs and a sentence for people."""


class ClientError(Exception):
    """A request failed, or the room is closed.

    `code` is the server's (see the table in `signaling/PROTOCOL.md`), or one of this client's own: `closed` (the room
    or a connection has ended), `unreachable` (there is no server), `timeout` (no answer), `unsupported-codec` (the
    publication can't be decoded here), `cancelled` and `corrupt` (files). `message` is a sentence.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
