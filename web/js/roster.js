// Who is here and what they publish, and which tiles that makes. Pure: no DOM, no media, no network.

/** @typedef {import('./types.js').Participant} Participant */
/** @typedef {import('./types.js').Publication} Publication */
/** @typedef {import('./types.js').MediaPath} MediaPath */
/** @typedef {import('./types.js').ServerEvent} ServerEvent */

/**
 * One tile to show: at most one audio and one video publication of one participant. While a room moves between paths
 * a track may be published on both: then `spare` holds the one on the path that is left.
 * @typedef {object} TileModel
 * @property {string} key  stable while the tile lives
 * @property {string} participant
 * @property {string} name
 * @property {'camera' | 'screen' | 'other'} source
 * @property {Publication | null} audio
 * @property {Publication | null} video
 * @property {{audio: Publication | null, video: Publication | null}} spare
 */

export class Roster {
  /** @type {Map<string, Participant>} */
  participants = new Map();

  /** @param {Participant[]} participants  the whole room, as the welcome tells it */
  replace(participants) {
    this.participants = new Map(participants.map((one) => [one.id, { earlier: true, ...one, publications: [...one.publications] }]));
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

  /**
   * @param {MediaPath} path  where what is published twice is taken from
   * @param {boolean} [only]  what is published on the other path alone is left out
   * @returns {TileModel[]} in order of arrival; everybody but viewers has a camera tile, be it empty
   */
  tiles(path, only = false) {
    return [...this.participants.values()].filter(({ role }) => role !== 'viewer').flatMap((one) => tilesOf(one, path, only));
  }
}

/**
 * Microphone and camera share a tile, so do a screen and its sound; what is left over gets tiles of its own.
 * @param {Participant} participant @param {MediaPath} path @param {boolean} only
 * @returns {TileModel[]}
 */
function tilesOf(participant, path, only) {
  /** @param {string} group @param {TileModel['source']} source @returns {TileModel} */
  const tile = (group, source) => ({
    key: `${participant.id}/${group}`,
    participant: participant.id,
    name: participant.name,
    source,
    audio: null,
    video: null,
    spare: { audio: null, video: null },
  });
  const main = tile('camera', 'camera');
  const screen = tile('screen', 'screen');
  /** @type {TileModel[]} */
  const surplus = [];
  const { publications } = participant;
  const preferred = publications.filter((one) => pathOf(one) === path);
  const others = publications.filter((one) => pathOf(one) !== path);
  for (const publication of preferred) {
    const home = publication.source.startsWith('screen') ? screen : main;
    if (home[publication.kind] === null) {
      home[publication.kind] = publication;
    } else {
      const extra = tile(publication.id, home === screen ? 'screen' : 'other');
      extra[publication.kind] = publication;
      surplus.push(extra);
    }
  }
  for (const publication of only ? [] : others) {
    const home = publication.source.startsWith('screen') ? screen : main;
    if (home[publication.kind]?.source === publication.source) home.spare[publication.kind] = publication;
    else if (home[publication.kind] === null) home[publication.kind] = publication;
  }
  const tiles = [main];
  if (screen.video || screen.audio) tiles.push(screen);
  return tiles.concat(surplus);
}

/** @param {Publication} publication @returns {MediaPath} */
export function pathOf(publication) {
  return publication.path ?? 'sfu';
}
