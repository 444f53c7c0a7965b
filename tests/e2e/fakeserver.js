// A server inside the page, for looking at the page alone: it answers the signaling protocol and sends painted
// pictures over a real RTCPeerConnection. Loaded before the page's own scripts in place of its WebSocket.
// Knows: the messages of signaling/PROTOCOL.md. Does not know: rooms (there is one), forwarding, bandwidth; what the
// server would find out by itself, a test lets it say (`fake.say`).

(() => {
  const fake = {
    received: [], // every message of the page
    names: new URLSearchParams(location.search).get('with')?.split(',') ?? [], // "Bob+" shares a screen, "Bob-" has no camera
    me: 'p_0',
    pc: null,
    said: null,
    slots: new Map(), // mid -> publication
    simulcast: true, // takes every encoding
    refuse: {}, // type -> error code
    say(message) {
      fake.socket.onmessage?.({ data: JSON.stringify(message) });
    },
    of(type) {
      return fake.received.filter((message) => message.type === type);
    },
    join(name) {
      const participant = person(name, fake.people.length + 1);
      fake.people.push(participant);
      fake.say({ type: 'joined', participant });
      return participant.id;
    },
    people: [],
  };
  const pictures = new Map();

  function person(name, number) {
    const publications = [{ id: `t_${number}a`, kind: 'audio', source: 'microphone', muted: false, codec: 'opus' }];
    if (!name.endsWith('-')) publications.push({ id: `t_${number}v`, kind: 'video', source: 'camera', muted: false, codec: 'VP8' });
    if (name.endsWith('+')) publications.push({ id: `t_${number}s`, kind: 'video', source: 'screen', muted: false, codec: 'VP8' });
    return { id: `p_${number}`, name: name.replace(/[-+]$/, ''), publications };
  }

  function picture(publication) {
    if (!pictures.has(publication)) {
      const number = Number.parseInt(publication.slice(2), 10);
      const screen = publication.endsWith('s');
      const canvas = document.createElement('canvas');
      [canvas.width, canvas.height] = screen ? [640, 400] : [320, 180];
      const context = canvas.getContext('2d');
      let turn = 0;
      setInterval(() => {
        const { width, height } = canvas;
        turn += 0.25;
        const colours = context.createLinearGradient(0, 0, width, height);
        colours.addColorStop(0, screen ? '#fff' : `hsl(${number * 47} 35% 52%)`);
        colours.addColorStop(1, screen ? '#eef' : `hsl(${number * 47 + 50} 40% 30%)`);
        context.fillStyle = colours;
        context.fillRect(0, 0, width, height);
        context.fillStyle = screen ? '#334' : 'rgb(255 255 255 / 80%)';
        if (screen) for (let line = 0; line < 9; line++) context.fillRect(40, 40 + line * 38, 320 + ((line * 97) % 240), 12);
        else {
          context.beginPath();
          context.arc(width / 2, height * 0.42, height * 0.2, 0, 7);
          context.ellipse(width / 2, height * 1.02, height * 0.42, height * 0.36, 0, 0, 7);
          context.fill();
        }
        context.fillRect(width / 2 + Math.sin(turn) * 40, height - 8, 8, 8);
      }, 200);
      pictures.set(publication, canvas.captureStream(5).getVideoTracks()[0]);
    }
    return pictures.get(publication);
  }

  const kindOf = (publication) => (publication?.endsWith('a') ? 'audio' : 'video');

  async function show(mid, publication) {
    fake.slots.set(mid, publication);
    const transceiver = fake.pc.getTransceivers().find((one) => one.mid === mid);
    if (!transceiver || kindOf(publication) === 'audio') return;
    transceiver.direction = 'sendonly';
    await transceiver.sender.replaceTrack(publication ? picture(publication) : null);
  }

  // Chromium's own answers take one encoding; a server takes all that are offered.
  function takeAll(offer, answer) {
    const offered = offer.split(/^(?=m=)/m);
    return answer
      .split(/^(?=m=)/m)
      .map((section, index) => {
        const rids = [...(offered[index] ?? '').matchAll(/^a=rid:(\S+) send/gm)].map(([, rid]) => rid);
        if (rids.length === 0 || section.includes('a=simulcast')) return section;
        const extensions = [...offered[index].matchAll(/^a=extmap:\d+ \S*rtp-stream-id\S*\r?$/gm)].map(([line]) => line.trim());
        const lines = [...extensions, ...rids.map((rid) => `a=rid:${rid} recv`), `a=simulcast:recv ${rids.join(';')}`];
        const had = lines.filter((line) => !section.includes(line));
        return section + had.map((line) => `${line}\r\n`).join('');
      })
      .join('');
  }

  async function gathered(pc) {
    while (pc.iceGatheringState !== 'complete') await new Promise((resolve) => setTimeout(resolve, 10));
  }

  async function answer({ sdp, publish, receive, fresh }) {
    if (fresh) {
      fake.pc?.close();
      fake.pc = new FakePeer({ iceServers: [] });
      fake.pc.ondatachannel = ({ channel }) => (fake[channel.label] = channel);
    }
    await fake.pc.setRemoteDescription({ type: 'offer', sdp });
    for (const { mid, publication } of receive) await show(mid, publication);
    await fake.pc.setLocalDescription();
    await gathered(fake.pc);
    const own = fake.pc.localDescription.sdp;
    return {
      type: 'answer',
      sdp: fake.simulcast ? takeAll(sdp, own) : own,
      publish: publish.map(({ mid }) => ({ mid, publication: `t_own${mid}` })),
      receive: receive.map(({ mid, publication }) => ({ mid, publication, state: publication ? 'active' : 'empty' })),
    };
  }

  async function reply(message) {
    switch (message.type) {
      case 'join':
        fake.people = fake.names.map((name, index) => person(name, index + 1));
        return { type: 'welcome', participant: fake.me, session: 's', room: message.room, topology: 'sfu', participants: fake.people };
      case 'offer':
        return answer(message);
      case 'point':
        await show(message.mid, message.publication);
        return { type: 'slot', mid: message.mid, publication: message.publication, state: message.publication ? 'active' : 'empty' };
      case 'ping':
        return { type: 'pong' };
      default:
        return fake.refuse[message.type] ? { type: 'error', code: fake.refuse[message.type], message: 'refused' } : { type: 'ok' };
    }
  }

  const FakePeer = window.RTCPeerConnection;
  window.fake = fake;
  window.WebSocket = class {
    static OPEN = 1;
    readyState = 1;
    #queue = Promise.resolve();
    constructor() {
      fake.socket = this;
      setTimeout(() => this.onopen?.());
    }
    send(text) {
      const message = JSON.parse(text);
      fake.received.push(message);
      this.#queue = this.#queue.then(async () => {
        const answered = await reply(message);
        if (message.id !== undefined) setTimeout(() => this.onmessage?.({ data: JSON.stringify({ ...answered, re: message.id }) }));
      });
    }
    close() {}
  };
})();
