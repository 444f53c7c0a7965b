"""The way into a room."""

import contextlib
from collections.abc import AsyncIterator

from sfu.client.room import Room
from sfu.client.session import Session
from signaling.fields import Role, Topology
from signaling.messages import Join, Welcome


@contextlib.asynccontextmanager
async def connect(
    url: str,
    *,
    room: str,
    name: str,
    topology: Topology = "sfu",
    role: Role = "member",
    verify_tls: bool = True,
) -> AsyncIterator[Room]:
    """Be in a room for the time of an `async with`.

    Args:
        url: the server, such as `http://127.0.0.1:8080`.
        room, name: which room, and as whom; see PROTOCOL.md for what is allowed.
        topology: a wish for a room that doesn't exist yet; an existing one keeps its own (`room.topology`).
        role: in broadcast rooms `publisher` or `viewer`.
        verify_tls: False takes any certificate, such as that of `--tls self-signed`.

    Raises ClientError, with the server's code (`bad-room`, `room-full`, `role-taken`, ...) or `unreachable`.
    """
    session = await Session.open(url, verify_tls)
    try:
        welcome = await session.ask(Join(room=room, name=name, topology=topology, role=role))
        assert isinstance(welcome, Welcome)
        entered = Room(session, welcome)
    except BaseException:
        await session.close()
        raise
    try:
        await entered.start()
        yield entered
    finally:
        await entered.close()
