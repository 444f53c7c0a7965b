"""Networks for tests: namespaces around one bridge, each link with its own loss, delay and rate a direction.

Knows `ip`, `tc` and `nft`; needs root. Nothing outside the namespaces made here is touched, and they are gone
at the end. Where the kernel has no netem, loss is drawn by nftables and rate is held by tbf; delay then can't
be had. Knows nothing of browsers or daemons.
"""

import contextlib
import functools
import itertools
import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from types import TracebackType
from typing import Any

HUB_ADDRESS = "10.77.0.1"
HUB_HARDWARE = "02:00:00:00:00:01"
PACKET = 1514  # bytes on the cable
BURST_MS = 5  # at once, of a link that is to be even
_numbers = itertools.count(1)  # of namespaces made by this process: their names must differ


@dataclass(frozen=True, slots=True)
class Impairment:
    """What one direction of a link suffers: `loss` in percent, one-way delay, rate (None = unlimited).

    `queue_ms` is what waits at the rate before packets are dropped, with little let through at once: a bottleneck
    as of a home router. None is a short queue behind a bucket. `jitter_ms` adds up to that much to the delay.
    `burst`: with a rate and a queue, so many bytes are let through at once, as by a provider's shaper; no delay then.
    """

    loss: float = 0.0
    delay_ms: float = 0.0
    rate_kbps: int | None = None
    queue_ms: int | None = None
    jitter_ms: float = 0.0
    burst: int = 0


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What this machine allows; each field is "" or the reason why not, for pytest.skip."""

    namespaces: str
    loss: str
    delay: str
    rate: str
    netem: bool


def _run(command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command.split(), capture_output=True, text=True, check=False, timeout=10)


def _must(command: str) -> str:
    result = _run(command)
    if result.returncode != 0:
        raise RuntimeError(f"{command}: {result.stderr.strip() or result.returncode}")
    return result.stdout


@functools.cache
def capabilities() -> Capabilities:
    """Try everything once in a namespace of its own."""
    reason = ""
    if os.geteuid() != 0:
        reason = "network namespaces need root"
    elif shutil.which("ip") is None or shutil.which("tc") is None:
        reason = "ip and tc (package iproute2) are not installed"
    name = f"sfu{os.getpid()}probe"
    if not reason:
        result = _run(f"ip netns add {name}")
        reason = "" if result.returncode == 0 else f"no network namespaces here: {result.stderr.strip()}"
    if reason:
        return Capabilities(reason, reason, reason, reason, netem=False)
    try:
        bridge = _run(f"ip -n {name} link add br0 type bridge")
        pair = _run(f"ip -n {name} link add v0 type veth peer name v1")
        if bridge.returncode != 0 or pair.returncode != 0:
            reason = f"no bridge or veth here: {(bridge.stderr + pair.stderr).strip()}"
            return Capabilities(reason, reason, reason, reason, netem=False)
        if _run(f"tc -n {name} qdisc replace dev v0 root netem loss 1% delay 1ms rate 1mbit").returncode == 0:
            return Capabilities("", "", "", "", netem=True)
        tbf = _run(f"tc -n {name} qdisc replace dev v0 root {_tbf(1000)}")
        loss = "this kernel has no netem, and nft (package nftables) is not installed"
        if shutil.which("nft") is not None:
            made = _load_rules(name, _drop_rules("v0", 1.0))
            loss = "" if made.returncode == 0 else f"neither netem nor nftables here: {made.stderr.strip()}"
        delay = "this kernel has no netem: packets cannot be delayed"
        rate = "" if tbf.returncode == 0 else "neither netem nor tbf in this kernel"
        return Capabilities("", loss, delay, rate, netem=False)
    finally:
        _run(f"ip netns del {name}")


def _tbf(rate_kbps: int, queue_ms: int | None = None, burst: int = 0) -> str:
    if queue_ms is None:
        return f"tbf rate {rate_kbps}kbit burst 16kb latency 100ms"
    burst = burst or max(rate_kbps // 8 * BURST_MS, 2 * PACKET)
    return f"tbf rate {rate_kbps}kbit burst {burst} latency {queue_ms}ms"


def _netem(wanted: Impairment) -> str:
    limit = 2000
    if wanted.rate_kbps and wanted.queue_ms is not None:
        limit = max(wanted.rate_kbps * wanted.queue_ms // 8 // PACKET, 4)
    half = wanted.jitter_ms / 2
    delay = f"delay {wanted.delay_ms + half}ms {half}ms" if half else f"delay {wanted.delay_ms}ms"
    rate = f" rate {wanted.rate_kbps}kbit" if wanted.rate_kbps else ""
    return f"netem limit {limit} loss {wanted.loss}% {delay}{rate}"


def _drop_rules(device: str, loss: float) -> str:
    """nftables rules that drop `loss` percent of what arrives at `device`, independently for each packet."""
    drop = f"numgen random mod 10000 < {round(loss * 100)} counter drop" if loss > 0 else ""
    return f"""
add table netdev {device}
delete table netdev {device}
table netdev {device} {{
  chain arriving {{ type filter hook ingress device "{device}" priority 0; policy accept;
    counter
    {drop}
  }}
}}
"""


def _load_rules(namespace: str, rules: str) -> subprocess.CompletedProcess[str]:
    command = ["ip", "netns", "exec", namespace, "nft", "-f", "-"]
    return subprocess.run(command, input=rules, capture_output=True, text=True, check=False, timeout=10)


class Link:
    """One namespace and its cable to the hub. Made and plugged in by `Network.link`."""

    def __init__(self, hub: str, number: int) -> None:
        self._hub = hub
        self._port = f"port{number}"  # the hub's end of the cable
        self._hardware = f"02:00:00:00:00:{number + 1:02x}"
        self.namespace = f"{hub}n{number}"
        self.address = f"10.77.0.{number + 1}"

    def plug_in(self) -> None:
        inside = f"ip -n {self.namespace}"
        _must(f"ip netns add {self.namespace}")
        _must(f"{inside} link set lo up")
        _must(f"ip -n {self._hub} link add {self._port} type veth peer name eth0 netns {self.namespace}")
        # One skb is one packet: a run of segments must not be lost or counted as one.
        _must(f"ip -n {self._hub} link set dev {self._port} gso_max_segs 1 master br0 up")
        # No IPv6 address of its own that appears a second later: browsers call that another network.
        _must(f"{inside} link set dev eth0 addrgenmode none")
        _must(f"{inside} link set dev eth0 address {self._hardware} gso_max_segs 1")
        _must(f"{inside} addr add {self.address}/24 dev eth0")
        self.interface_up()

    def down(self) -> None:
        """Pull the cable: nothing passes either way, no address is lost, nobody is told."""
        _must(f"ip -n {self._hub} link set dev {self._port} master dark")

    def up(self) -> None:
        """Put the cable back."""
        _must(f"ip -n {self._hub} link set dev {self._port} master br0")

    def interface_down(self) -> None:
        """Take the namespace's own interface away: its programs are told that they have no network."""
        _must(f"ip -n {self.namespace} link set dev eth0 down")

    def interface_up(self) -> None:
        _must(f"ip -n {self.namespace} link set dev eth0 up")
        # Both ends know each other: address resolution is not what suffers from loss.
        _must(f"ip -n {self.namespace} neigh replace {HUB_ADDRESS} lladdr {HUB_HARDWARE} dev eth0")
        _must(f"ip -n {self._hub} neigh replace {self.address} lladdr {self._hardware} dev br0")

    def queue(self) -> dict[str, int]:
        """Of what goes towards this namespace: `bytes`, `packets`, `drops` so far, `backlog` bytes now."""
        shown = json.loads(_must(f"tc -n {self._hub} -s -j qdisc show dev {self._port}"))
        root: dict[str, Any] = next((entry for entry in shown if entry.get("root")), {})
        return {name: int(root.get(name, 0)) for name in ("bytes", "packets", "drops", "backlog")}

    def impair(self, *, towards: Impairment | None = None, away: Impairment | None = None) -> None:
        """Set both directions: `towards` this namespace and `away` from it; None is a perfect direction."""
        self._direction(self._hub, self._port, self.namespace, "eth0", towards or Impairment())
        self._direction(self.namespace, "eth0", self._hub, self._port, away or Impairment())

    def _direction(self, sender: str, out: str, receiver: str, into: str, wanted: Impairment) -> None:
        can = capabilities()
        if wanted == Impairment() or not (can.netem or wanted.rate_kbps):
            _run(f"tc -n {sender} qdisc del dev {out} root")
        if can.netem:
            if wanted != Impairment():
                _must(f"tc -n {sender} qdisc replace dev {out} root {_netem(wanted)}")
            return
        if wanted.delay_ms or wanted.jitter_ms:
            raise RuntimeError(can.delay)
        if wanted.rate_kbps:  # replacing keeps what is queued
            bucket = _tbf(wanted.rate_kbps, wanted.queue_ms, wanted.burst)
            _must(f"tc -n {sender} qdisc replace dev {out} root {bucket}")
        result = _load_rules(receiver, _drop_rules(into, wanted.loss))
        if result.returncode != 0:
            raise RuntimeError(f"nft: {result.stderr.strip()}")


class Network:
    """`with Network() as network:` a hub namespace with a bridge, and links into namespaces of their own.

    The hub has the address HUB_ADDRESS; the server under test runs there.
    """

    def __init__(self) -> None:
        self.hub = f"sfu{os.getpid()}h{next(_numbers)}"
        self.links: list[Link] = []

    def __enter__(self) -> "Network":
        try:
            _must(f"ip netns add {self.hub}")
            _must(f"ip -n {self.hub} link set lo up")
            _must(f"ip -n {self.hub} link add br0 address {HUB_HARDWARE} type bridge")
            _must(f"ip -n {self.hub} link add dark type bridge")  # never up: where pulled cables end
            _must(f"ip -n {self.hub} addr add {HUB_ADDRESS}/24 dev br0")
            _must(f"ip -n {self.hub} link set dev br0 gso_max_segs 1 up")
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def link(self) -> Link:
        """A new namespace with an address of its own, connected to the hub."""
        link = Link(self.hub, len(self.links) + 1)
        self.links.append(link)
        link.plug_in()
        return link

    def close(self) -> None:
        """Remove every namespace made here (their processes must be gone already). Idempotent."""
        for name in [*(link.namespace for link in self.links), self.hub]:
            with contextlib.suppress(subprocess.TimeoutExpired):
                _run(f"ip netns del {name}")
        self.links.clear()
