"""A trivial page for trying the harness itself: two peer connections in one page call each other."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

PAGE = """<!doctype html><meta charset="utf-8"><title>loopback</title>
<link rel="icon" href="data:,"><video autoplay muted playsinline></video>
<script type="module">
const [a, b] = [new RTCPeerConnection(), new RTCPeerConnection()];
a.onicecandidate = (event) => event.candidate && b.addIceCandidate(event.candidate);
b.onicecandidate = (event) => event.candidate && a.addIceCandidate(event.candidate);
const video = document.querySelector('video');
b.ontrack = (event) => { if (event.track.kind === 'video') video.srcObject = event.streams[0]; };
window.frames_decoded = async () => {
  let frames = 0;
  for (const report of (await b.getStats()).values()) {
    if (report.type === 'inbound-rtp' && report.kind === 'video') frames += report.framesDecoded || 0;
  }
  return frames;
};
const stream = await navigator.mediaDevices.getUserMedia({ audio: true, video: { width: 320, height: 240 } });
for (const track of stream.getTracks()) a.addTrack(track, stream);
await a.setLocalDescription();
await b.setRemoteDescription(a.localDescription);
await b.setLocalDescription();
await a.setRemoteDescription(b.localDescription);
console.log('called');
</script>"""


@asynccontextmanager
async def loopback_page() -> AsyncIterator[str]:
    """Serve the page on a free port of 127.0.0.1; yields its URL."""

    async def page(request: web.Request) -> web.Response:
        return web.Response(text=PAGE, content_type="text/html")

    app = web.Application()
    app.router.add_get("/", page)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server = site._server
    assert isinstance(server, asyncio.Server)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    finally:
        await runner.cleanup()
