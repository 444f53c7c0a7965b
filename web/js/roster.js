// Who is here and what they publish, and which tiles that makes. Pure: no DOM, no media, no network.

/** @typedef {import('./types.js').Participant} Participant */
/** @typedef {import('./types.js').Publication} Publication */
/** @typedef {import('./types.js').ServerEvent} ServerEvent */

/**
 * One tile to show: at most one audio and one video publication of one participant.
 * @typedef {object} TileModel
 * @property {string} key  stable while the tile lives
 * @property {string} participant
 * @property {string} name
 * @property {'camera' | 'screen' | 'other'} source
 * @property {Publication | null} audio
 * @property {Publication | null} video
 */

export class Roster {
  /** @type {Map<string, Participant>} */
  participants = new Map();

  /** @param {Participant[]} participants  the whole room, as the welcome tells it */
  replace(participants) {
    this.participants = new Map(participants.map((one) => [one.id, { ...one, publications: [...one.publications] }]));
  }

  /**
   * @param {ServerEvent} event
   * @returns {boolean} true if it changed the room
   */
  apply(event) {
    switch (event.type) {
      case 'joined':
        this.participants.set(event.participant.id, {
          ...event.participant,
          publications: [...(event.participant.publications ?? [])],
        });
        return true;
      case 'left':
        return this.participants.delete(event.participant);
      case 'published': {
        const participant = this.participants.get(event.participant);
        if (!participant) return false;
        participant.publications = [
          ...participant.publications.filter(({ id }) => id !== event.publication.id),
          event.publication,
        ];
        return true;
      }
      case 'unpublished': {
        const participant = this.participants.get(event.participant);
        if (!participant) return false;
        participant.publications = participant.publications.filter(({ id }) => id !== event.publication);
        return true;
      }
      case 'muted': {
        const publications = this.participants.get(event.participant)?.publications ?? [];
        const publication = publications.find(({ id }) => id === event.publication);
        if (!publication) return false;
        publication.muted = event.muted;
        return true;
      }
      default:
        return false;
    }
  }

  /** @returns {TileModel[]} in order of arrival; everybody has a camera tile, be it empty */
  tiles() {
    return [...this.participants.values()].flatMap(tilesOf);
  }
}

/**
 * Microphone and camera share a tile, so do a screen and its sound; what is left over gets tiles of its own.
 * @param {Participant} participant
 * @returns {TileModel[]}
 */
function tilesOf(participant) {
  /** @param {string} group @param {TileModel['source']} source @returns {TileModel} */
  const tile = (group, source) => ({
    key: `${participant.id}/${group}`,
    participant: participant.id,
    name: participant.name,
    source,
    audio: null,
    video: null,
  });
  const main = tile('camera', 'camera');
  const screen = tile('screen', 'screen');
  /** @type {TileModel[]} */
  const surplus = [];
  for (const publication of participant.publications) {
    const home = publication.source.startsWith('screen') ? screen : main;
    if (home[publication.kind] === null) {
      home[publication.kind] = publication;
    } else {
      const extra = tile(publication.id, home === screen ? 'screen' : 'other');
      extra[publication.kind] = publication;
      surplus.push(extra);
    }
  }
  const tiles = [main];
  if (screen.video || screen.audio) tiles.push(screen);
  return tiles.concat(surplus);
}
