"""The media side of the daemon, started and stopped as one: the port, the hub and the backend over them."""

import logging

from sfu.backend import MemberFactory, SfuBackend
from sfu.config import Config, ConfigError
from sfu.forwarding.engine import EngineMissing, choose
from sfu.rooms.participant import Participant
from sfu.transport.hub import Hub
from sfu.transport.udp import candidate_hosts, open_port
from sfu.tree import Tree
from signaling.lobby import Lobby

logger = logging.getLogger(__name__)


class MediaService:
    """Made by `start`; `backend` is given to signaling."""

    def __init__(self, config: Config, hub: Hub, hosts: list[str]) -> None:
        self.hub = hub
        self.backend = SfuBackend(hub, hosts, _member_factory(config.relay), last_n=config.last_n)
        self._config = config
        self._hosts = hosts
        self._tree: Tree | None = None

    @classmethod
    async def start(cls, config: Config) -> "MediaService":
        """Bind the UDP port. Raises OSError when it is taken, ConfigError for an engine that is not there."""
        try:
            engine = choose(config.engine)
        except EngineMissing as missing:
            raise ConfigError(str(missing)) from None
        built = config.engine != "auto" or engine.name == "native"
        remark = "" if built else "; the native one was not built, as there was no C compiler"
        logger.info("packets are forwarded by the %s engine%s", engine.name, remark)
        hub = Hub(open_port(config.rtc_host, config.rtc_port, engine=engine))
        hosts = candidate_hosts(config.rtc_host, config.public_ip)
        return cls(config, hub, hosts)

    def tree(self, lobby: Lobby) -> Tree:
        """Link the rooms of `lobby` with those of other nodes, as the configuration says."""
        config = self._config
        self._tree = Tree(lobby, self.hub, self.backend, self._hosts, config.parent, config.node_secret)
        return self._tree

    def stats(self) -> dict[str, object]:
        links = self._tree.stats() if self._tree is not None else []
        return {**self.backend.stats(), "links": links}

    async def close(self) -> None:
        """Close every connection (DTLS close_notify) and the port."""
        await self.hub.shutdown()


def _member_factory(relay: str) -> MemberFactory:
    if relay == "media":
        # Imported when asked for: it brings the codecs (av, numpy) with it.
        from sfu.media.relay import RelayRooms

        return RelayRooms().member
    return Participant
