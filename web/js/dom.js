// Small helpers for elements. Knows: the document. Does not know: what it is used for.

/**
 * The element with that id, checked to be what the caller takes it for.
 * @template {HTMLElement} E
 * @param {string} id
 * @param {new () => E} type
 * @returns {E}
 */
export function byId(id, type) {
  const element = document.getElementById(id);
  if (!(element instanceof type)) throw new Error(`#${id} is not a ${type.name}`);
  return element;
}

/**
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, string | boolean>} [attributes]  true = present without value, false = absent
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== false) element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children);
  return element;
}

/** @param {string} name  of a symbol in index.html @returns {SVGElement} */
export function icon(name) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('class', 'icon');
  svg.setAttribute('aria-hidden', 'true');
  const use = document.createElementNS('http://www.w3.org/2000/svg', 'use');
  use.setAttribute('href', `#i-${name}`);
  svg.append(use);
  return svg;
}

/**
 * Draws a button that says what it will do, and shows how things are; does nothing if nothing changed.
 * @param {HTMLButtonElement} button
 * @param {{icon: string, label: string, key?: string, off?: boolean, pressed?: boolean, busy?: boolean}} look
 */
export function dress(button, look) {
  const signature = JSON.stringify(look);
  if (button.dataset.look === signature) return;
  button.dataset.look = signature;
  button.replaceChildren(icon(look.icon));
  button.setAttribute('aria-label', look.label);
  button.title = look.key ? `${look.label} (${look.key})` : look.label;
  button.classList.toggle('off', look.off ?? false);
  button.setAttribute('aria-busy', String(look.busy ?? false));
  if (look.pressed !== undefined) button.setAttribute('aria-pressed', String(look.pressed));
}

/** @param {string} text @returns {Promise<boolean>} whether it is in the clipboard now */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // no clipboard on insecure pages: the old way
  }
  const area = make('textarea', { readonly: true, class: 'sr-only' });
  area.value = text;
  document.body.append(area);
  area.select();
  const done = document.execCommand('copy');
  area.remove();
  return done;
}

/** @param {string} name @returns {string} one or two letters for an avatar */
export function initials(name) {
  const words = name.trim().split(/\s+/).filter(Boolean);
  const first = [...(words[0] ?? '?')][0] ?? '?';
  const last = words.length > 1 ? ([...(words.at(-1) ?? '')][0] ?? '') : '';
  return (first + last).toLocaleUpperCase();
}

/** @param {string} name @returns {string} a calm colour, always the same for that name */
export function colourOf(name) {
  let hash = 0;
  for (const letter of name) hash = (hash * 31 + (letter.codePointAt(0) ?? 0)) >>> 0;
  return `hsl(${hash % 360} 32% 34%)`;
}

/** @param {number} bps @returns {string} */
export function rate(bps) {
  if (bps >= 999_500) return `${(bps / 1e6).toFixed(1)} Mbit/s`;
  return `${Math.round(bps / 1000)} kbit/s`;
}

/** @param {number} bytes @returns {string} */
export function amount(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  if (bytes < 999_500) return `${Math.round(bytes / 1000)} kB`;
  return bytes < 999_500_000 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(2)} GB`;
}
