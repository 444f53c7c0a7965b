"""Watches in the page whether pictures and sounds go on while a room moves from one path to another.

Knows tiles, elements and Web Audio; what is seen and heard is looked at as often as the page draws. Knows nothing
of rooms or paths.
"""

from dataclasses import dataclass

from tests.e2e.room import Person

# Instead of the fake microphone, which beeps once a second: a tone without pauses.
TONE_SCRIPT = """
if (navigator.mediaDevices) {
  const given = navigator.mediaDevices.getUserMedia;
  navigator.mediaDevices.getUserMedia = async (wanted) => {
    const stream = await given(wanted);
    for (const microphone of stream.getAudioTracks()) {
      const context = new AudioContext();
      const [tone, out] = [context.createOscillator(), context.createMediaStreamDestination()];
      tone.connect(out);
      tone.start();
      stream.removeTrack(microphone);
      microphone.stop();
      stream.addTrack(out.stream.getAudioTracks()[0]);
    }
    return stream;
  };
}
"""

# Follows one participant. A picture goes on when its element has drawn another frame, or another element with frames
# has taken its place; it is black when its pixels are dark. Sound goes on while what an audible element plays is loud.
WATCH = """(participant) => {
  const context = new AudioContext();
  const ears = new Map(); // by track: what it sounds like
  const hears = (track) => {
    if (!ears.has(track)) {
      const ear = context.createAnalyser();
      ear.fftSize = 2048; // 43 ms: longer than from one look to the next
      context.createMediaStreamSource(new MediaStream([track])).connect(ear);
      ears.set(track, ear);
    }
    const wave = new Float32Array(2048);
    ears.get(track).getFloatTimeDomainData(wave);
    return wave.some((sample) => Math.abs(sample) > 0.02);
  };
  const canvas = new OffscreenCanvas(8, 8);
  const pixels = canvas.getContext('2d', { willReadFrequently: true });
  const dark = (video) => {
    pixels.drawImage(video, 0, 0, 8, 8);
    return pixels.getImageData(0, 0, 8, 8).data.every((value, index) => index % 4 === 3 || value < 20);
  };
  const HALT_MS = 200; // as much of the time between two looks counts as watched
  const none = { picture: 0, sound: 0, look: 0, watched_picture: 0, watched_sound: 0 };
  const fresh = () => ({ ...none, black: 0, hidden: 0, looks: 0, frames: 0, elements: 0, paths: [] });
  let seen = fresh();
  const waited = { picture: 0, sound: 0 }; // of the time that was watched
  let [element, frames] = [null, 0];
  const last = { picture: performance.now(), sound: performance.now(), look: performance.now() };
  const note = (what, now) => {
    seen[what] = Math.max(seen[what], now - last[what]);
    last[what] = now;
    if (what === 'look') return;
    seen[`watched_${what}`] = Math.max(seen[`watched_${what}`], waited[what]);
    waited[what] = 0;
  };
  const look = () => {
    requestAnimationFrame(look);
    const now = performance.now();
    for (const what of ['picture', 'sound']) waited[what] += Math.min(HALT_MS, now - last.look);
    note('look', now);
    seen.looks++;
    const path = document.body.dataset.path;
    if (path !== seen.paths.at(-1)?.path) seen.paths.push({ path, at: now });
    const tile = document.querySelector(`[data-testid=tile][data-participant="${participant}"]`);
    if (!tile?.classList.contains('has-picture')) seen.hidden++;
    const video = [...(tile?.querySelectorAll('video') ?? [])].at(-1); // the one on top
    const drawn = video?.getVideoPlaybackQuality().totalVideoFrames ?? 0;
    if (video && drawn > 0 && (video !== element || drawn !== frames)) {
      note('picture', now);
      if (video !== element) seen.elements++;
      [element, frames] = [video, drawn];
      seen.frames++;
      if (dark(video)) seen.black++;
    }
    const audios = [...(tile?.querySelectorAll('audio') ?? [])];
    const audible = audios.filter((audio) => !audio.muted && !audio.paused && audio.srcObject);
    if (audible.some((audio) => audio.srcObject.getAudioTracks().some(hears))) note('sound', now);
  };
  look();
  window.watched = () => {
    const now = performance.now();
    const result = { ...seen };
    for (const what of ['picture', 'sound']) {
      result[what] = Math.max(seen[what], now - last[what]);
      result[`watched_${what}`] = Math.max(seen[`watched_${what}`], waited[what]);
    }
    seen = fresh();
    return result;
  };
}"""


@dataclass(frozen=True, slots=True)
class Continuity:
    """What happened since the look before.

    Longest pauses in milliseconds: of pictures, of sound, and between two looks. A page that is not given the
    processor sees and hears nothing, whatever comes in: `watched_..._ms` are the pauses without such halts of
    the page itself, of each of which 200 ms count. How many frames were black, and at how many looks there was no
    picture at all. `elements`: how many took over.
    """

    picture_ms: int
    sound_ms: int
    look_ms: int
    watched_picture_ms: int
    watched_sound_ms: int
    black: int
    hidden: int
    looks: int
    frames: int
    elements: int
    paths: list[str]


async def watch(viewer: Person, participant: str) -> None:
    """Begin to watch one participant's tile."""
    await viewer.page.evaluate(WATCH, participant)
    await viewed(viewer, afresh=True)


async def viewed(viewer: Person, *, afresh: bool = False) -> Continuity:
    """What was seen and heard since the call before; `afresh` waits until both come first."""
    if afresh:
        await viewer.page.wait_for(
            "(({ picture, sound, frames }) => frames > 0 && sound < 500)(window.watched())"
        )
    seen = await viewer.page.evaluate("window.watched()")
    return Continuity(
        picture_ms=round(seen["picture"]),
        sound_ms=round(seen["sound"]),
        look_ms=round(seen["look"]),
        watched_picture_ms=round(seen["watched_picture"]),
        watched_sound_ms=round(seen["watched_sound"]),
        black=seen["black"],
        hidden=seen["hidden"],
        looks=seen["looks"],
        frames=seen["frames"],
        elements=seen["elements"],
        paths=[step["path"] for step in seen["paths"]],
    )
