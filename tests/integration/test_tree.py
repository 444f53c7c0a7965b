"""A room over several nodes: a relay tree of depth two, with stock aiortc clients at its nodes."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from signaling import messages as m
from tests.integration.client import Clients, all_of, clients_of, until
from tests.integration.media import BLUE, GREEN, RED
from tests.integration.server import Daemon, daemon

SECRET = "between us"


@contextlib.asynccontextmanager
async def tree() -> AsyncIterator[list[tuple[Daemon, Clients]]]:
    """Root, middle and leaf, each the child of the one before."""
    async with contextlib.AsyncExitStack() as stack:
        nodes: list[tuple[Daemon, Clients]] = []
        for _ in range(3):
            parent = nodes[-1][0].url if nodes else ""
            node = await stack.enter_async_context(daemon(parent=parent, secret=SECRET))
            nodes.append((node, await stack.enter_async_context(clients_of(node.url))))
        yield nodes


def links(node: Daemon) -> list[dict[str, Any]]:
    found: Any = node.media.stats()["links"]
    return list(found)


async def test_everybody_sees_everybody_over_two_hops() -> None:
    async with tree() as nodes:
        people = [
            await clients(name) for (_, clients), name in zip(nodes, ("Ada", "Bob", "Cid"), strict=True)
        ]
        for person, colour in zip(people, (RED, GREEN, BLUE), strict=True):
            person.publish_both(colour)
            await person.offer()
        for person in people:
            await person.knows(4)
            assert sorted(other.name for other in person.others.values()) == sorted(
                other.name for other in people if other is not person
            )
            person.receive_all()
            await person.offer()
        await all_of(*(person.frames(more=10) for person in people))
        colours = {person.id: colour for person, colour in zip(people, (RED, GREEN, BLUE), strict=True)}
        for person in people:
            owners = {p.id: o.id for o in person.others.values() for p in o.publications}
            for slot in person.slots:
                if slot.kind == "video" and slot.wanted is not None:
                    assert slot.shows(colours[owners[slot.wanted]])
        root, leaf = nodes[0][0], nodes[2][0]
        assert len(links(root)) == len(links(leaf)) == 1
        assert len(links(nodes[1][0])) == 2

        await people[2].leave()
        await people[0].hears(m.Left, participant=people[2].id)
        await until(lambda: not links(leaf), "nobody is left in the leaf: it hangs up")
        await people[0].frames([slot for slot in people[0].slots if slot.wanted])


async def test_a_publication_crosses_a_link_only_while_somebody_takes_it() -> None:
    async with tree() as nodes:
        ada, bob, eve = await nodes[0][1]("Ada"), await nodes[1][1]("Bob"), await nodes[1][1]("Eve")
        ada.publish_both(RED)
        await ada.offer()
        await all_of(bob.knows(2), eve.knows(2))
        assert all(slot["publication"] is None for slot in links(nodes[0][0])[0]["outgoing"])
        for person in (bob, eve):
            person.receive_all()
            await person.offer()
        await all_of(bob.frames(), eve.frames())
        outgoing = links(nodes[0][0])[0]["outgoing"]
        assert len(outgoing) == 2  # once for both of them
        assert all(slot["state"] == "active" for slot in outgoing)
        for person in (bob, eve):
            for slot in person.slots:
                await person.point(slot, None)
        await until(
            lambda: all(slot["publication"] is None for slot in links(nodes[0][0])[0]["outgoing"]),
            "nobody takes it any more",
        )


async def test_mutes_and_departures_cross_the_tree() -> None:
    async with tree() as nodes:
        ada, cid = await nodes[0][1]("Ada"), await nodes[2][1]("Cid")
        cid.publish_both(BLUE)
        await cid.offer()
        await ada.knows(2)
        publication = cid.sendings[0].publication
        assert publication is not None
        await cid.mute(publication, True)
        await ada.hears(m.Muted, publication=publication, muted=True)
        await nodes[2][1].drop(cid)
        await ada.hears(m.Left, participant=cid.id)


@pytest.mark.parametrize("secret", ["", "wrong"])
async def test_strangers_are_no_nodes(secret: str) -> None:
    async with daemon(secret=SECRET) as node, aiohttp.ClientSession() as http:
        headers = {"Authorization": f"Bearer {secret}"} if secret else {}
        async with http.get(node.url + "/pipe", headers=headers) as response:
            assert response.status == 403


@pytest.mark.parametrize(
    "text", ["{", '{"type":"want","publications":[]}', '{"type":"hello","room":1}', "[]"]
)
async def test_a_node_that_talks_nonsense_is_refused(text: str) -> None:
    async with daemon(secret=SECRET) as node, aiohttp.ClientSession() as http:
        headers = {"Authorization": f"Bearer {SECRET}"}
        async with http.ws_connect(node.url + "/pipe", headers=headers) as socket:
            await socket.send_str(text)
            closing = await socket.receive(5)
            assert closing.type is aiohttp.WSMsgType.CLOSE
            assert closing.data == 1008
        await until(lambda: len(node.media.hub) == 0, "nothing of it is left")
