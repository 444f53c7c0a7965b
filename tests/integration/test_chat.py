"""Chat between stock data channels: who gets a line, and what the sender is told of a bad one."""

import json
import time
from typing import Any

from aiortc import RTCDataChannel

from signaling import messages as m
from tests.integration.client import Client, Clients, until
from tests.integration.network import lift_message_limit
from tests.integration.server import Daemon


async def with_chat(clients: Clients, *names: str) -> list[Client]:
    found = [await clients(name) for name in names]
    for client in found:
        client.open_chat()
        await client.offer()
    await until(lambda: all(c.chat and c.chat.readyState == "open" for c in found), "chats are open")
    return found


def say(channel: RTCDataChannel | None, text: str) -> None:
    assert channel is not None
    channel.send(json.dumps({"type": "chat", "text": text}))


def lines(client: Client) -> list[dict[str, Any]]:
    return [json.loads(line) for line in client.chat_lines]


async def test_lines_reach_everybody_else(server: Daemon, clients: Clients) -> None:
    ada, bob, cid = await with_chat(clients, "Ada", "Bob", "Cid")
    elsewhere = await clients("Dan", room="green")
    elsewhere.open_chat()
    await elsewhere.offer()
    say(ada.chat, "hi")
    say(ada.chat, "Grüße 👋\n" + "x" * 3000)
    await until(lambda: len(bob.chat_lines) == len(cid.chat_lines) == 2, "both hear both lines")
    assert [line["text"] for line in lines(bob)] == ["hi", "Grüße 👋\n" + "x" * 3000]
    assert all(line["type"] == "chat" and line["from"] == ada.id for line in lines(cid))
    assert abs(lines(bob)[0]["at"] - time.time() * 1000) < 60_000
    say(bob.chat, "hello")
    await until(lambda: ada.chat_lines and len(cid.chat_lines) == 3, "the answer is heard")
    assert [line["from"] for line in lines(ada)] == [bob.id]
    assert not elsewhere.chat_lines
    assert sum(room["chat_messages"] for room in (await server.stats())["media"]["rooms"]) == 3


async def test_bad_lines_are_answered_to_the_sender_alone(clients: Clients) -> None:
    ada, bob = await with_chat(clients, "Ada", "Bob")
    assert ada.chat is not None
    ada.chat.send("{")
    ada.chat.send('{"type": "shout"}')
    ada.chat.send('{"type": "chat"}')
    ada.chat.send(b"\x00")
    say(ada.chat, "x" * 4001)
    ada.chat.send('{"type": "chat", "text": "' + "x" * 200_000 + '"}')
    await until(lambda: len(ada.chat_lines) == 6, "each is answered")
    codes = [line["code"] for line in lines(ada)]
    assert codes == ["bad-json", "unknown-type", "bad-message", "bad-message", "too-large", "too-large"]
    assert all(line["message"].endswith(".") for line in lines(ada))
    for number in range(40):
        say(ada.chat, f"line {number}")
    await until(lambda: len(ada.chat_lines) == 7, "too many are answered")
    assert lines(ada)[-1]["code"] == "too-many-requests"
    say(bob.chat, "still here")
    await until(lambda: len(ada.chat_lines) == 8, "the others still talk")
    assert len(bob.chat_lines) < 40


async def test_many_channels_do_not_raise_the_limit(clients: Clients) -> None:
    ada, bob = await with_chat(clients, "Ada", "Bob")
    first = ada.chat
    assert first is not None
    for number in range(40):
        say(first, f"first {number}")
    await until(lambda: ada.chat_lines, "too many are answered")
    again = ada.open_chat()
    await until(lambda: first.readyState == "closed", "there is one chat channel for each participant")
    for number in range(40):
        say(again, f"again {number}")
    say(bob.chat, "mark")
    await until(lambda: any("mark" in line for line in ada.chat_lines), "the new one is heard")
    # 20 at once and 5 a second, whatever the channel.
    assert len(bob.chat_lines) < 20 + 40


async def test_a_message_without_end(server: Daemon, clients: Clients) -> None:
    ada, bob = await with_chat(clients, "Ada", "Bob")
    (cid,) = await with_chat(clients, "Cid")
    assert ada.chat is not None
    lift_message_limit(ada)
    ada.chat.send(b"x" * 30_000_000)
    await bob.hears(m.Left, participant=ada.id, reason="disconnected")
    await until(lambda: len(server.media.hub) == 2, "its connection is closed")
    say(bob.chat, "gone?")
    await until(lambda: cid.chat_lines, "the others still talk")


async def test_other_labels_are_closed(clients: Clients) -> None:
    ada, bob = await with_chat(clients, "Ada", "Bob")
    other = ada.pc.createDataChannel("shouts")
    await until(lambda: other.readyState == "closed", "the channel is closed")
    say(ada.chat, "hi")
    await until(lambda: bob.chat_lines, "the chat goes on")


async def test_a_channel_opened_by_a_later_offer(clients: Clients) -> None:
    ada, bob = await clients.pair()
    (cid,) = await with_chat(clients, "Cid")
    for client in (ada, bob):
        client.open_chat()
        await client.offer()
    await until(lambda: bob.chat and bob.chat.readyState == "open", "Bob's chat is open")
    await until(lambda: ada.chat and ada.chat.readyState == "open", "Ada's chat is open")
    say(bob.chat, "late")
    await until(lambda: ada.chat_lines and cid.chat_lines, "everybody hears")
    await bob.frames()
