"""A camera that pages paint themselves: 1280x720, and enough going on in it to fill any bit rate.

The browser's own fake camera is so plain that every encoding of it fits through every link.
"""

# Before each page's own scripts. A noisy picture of which each frame changes a part; sound stays the fake microphone's.
PAINTED_CAMERA = """
{
  const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  const noise = (width, height) => {
    const canvas = new OffscreenCanvas(width, height);
    const context = canvas.getContext('2d');
    const image = context.createImageData(width, height);
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const at = 4 * (y * width + x);
        const light = 90 + 70 * Math.sin(x / 60) * Math.cos(y / 40) + 60 * Math.random();
        image.data.set([light, light, 255 - light, 255], at);
      }
    }
    context.putImageData(image, 0, 0);
    return canvas;
  };
  const paint = (fps) => {
    const [width, height] = [1280, 720];
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [width, height];
    const context = canvas.getContext('2d');
    const whole = noise(width, height);
    const part = noise(400, 400);
    context.drawImage(whole, 0, 0);
    setInterval(() => {
      context.drawImage(part, Math.random() * (width - 400), Math.random() * (height - 400));
    }, 1000 / fps);
    return canvas.captureStream(fps).getVideoTracks()[0];
  };
  navigator.mediaDevices.getUserMedia = async (wanted) => {
    const stream = wanted.audio ? await open({ audio: wanted.audio }) : new MediaStream();
    if (wanted.video) stream.addTrack(paint(FPS));
    return stream;
  };
}
"""


def painted_camera(fps: int) -> str:
    """The script for so many frames a second."""
    return PAINTED_CAMERA.replace("FPS", str(fps))
