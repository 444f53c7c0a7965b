"""The media side of the daemon, started and stopped as one: the port, the hub and the backend over them."""

from typing import Protocol

from sfu.backend import MemberFactory, SfuBackend
from sfu.rooms.participant import Participant
from sfu.transport.hub import Hub
from sfu.transport.udp import candidate_hosts, open_port


class MediaSettings(Protocol):
    """What the media side needs of the configuration (`sfu.config.Config` has it)."""

    @property
    def rtc_host(self) -> str: ...
    @property
    def rtc_port(self) -> int: ...
    @property
    def public_ips(self) -> tuple[str, ...]: ...
    @property
    def relay(self) -> str: ...


class MediaService:
    """Made by `start`; `backend` is given to signaling."""

    def __init__(self, hub: Hub, backend: SfuBackend) -> None:
        self.hub = hub
        self.backend = backend

    @classmethod
    async def start(cls, settings: MediaSettings) -> "MediaService":
        """Bind the UDP port. Raises OSError when it is taken."""
        hub = Hub(open_port(settings.rtc_host, settings.rtc_port))
        hosts = candidate_hosts(settings.rtc_host, settings.public_ips)
        return cls(hub, SfuBackend(hub, hosts, _member_factory(settings.relay)))

    def stats(self) -> dict[str, object]:
        return self.backend.stats()

    async def close(self) -> None:
        """Close every connection (DTLS close_notify) and the port."""
        await self.hub.shutdown()


def _member_factory(relay: str) -> MemberFactory:
    if relay == "media":
        # Imported when asked for: it brings the codecs (av, numpy) with it.
        from sfu.media.relay import RelayRooms

        return RelayRooms().member
    return Participant
