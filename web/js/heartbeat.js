// Does something regularly, also while the page is in the background. Knows: workers and timers. Does not know: what for.

/**
 * @param {number} ms
 * @param {() => void} act
 * @returns {() => void} stops it
 */
export function every(ms, act) {
  try {
    const worker = new Worker(new URL('./heartbeat-worker.js', import.meta.url), { name: String(ms) });
    worker.onmessage = act;
    return () => worker.terminate();
  } catch {
    const timer = setInterval(act, ms); // no workers here: in the background it will be late
    return () => clearInterval(timer);
  }
}
