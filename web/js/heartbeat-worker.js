// A clock in a worker: browsers slow down the timers of pages in the background, but not those of workers.
// Knows: its own name, which is the number of milliseconds between two ticks.

setInterval(() => postMessage(0), Number(self.name));
