// The page between tabs is the page of rooms, with another link: this takes its elements over and starts it.
// Knows: where they are. Does not know: anything of rooms (app.js sees by the address that there is no server).

const page = await (await fetch('./index.html')).text();
const { body } = new DOMParser().parseFromString(page, 'text/html');
document.body.replaceChildren(...body.childNodes);
await import('./app.js');

export {};
