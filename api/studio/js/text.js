/** Characters and numbers as people count and read them. Pure. */

/** How many characters a text has; an emoji is one, as for the API.
 * @param {string} text */
export const length = (text) => [...text].length;

/** From places counted in characters (the API's) to places in a JavaScript string, and back.
 * @param {string} text
 * @returns {{toString: (place: number) => number, toCharacters: (index: number) => number}} */
export function places(text) {
  if (!/[\ud800-\udbff]/.test(text)) return { toString: (place) => place, toCharacters: (index) => index };
  const starts = [0];
  for (const character of text) starts.push(starts[starts.length - 1] + character.length);
  return {
    toString: (place) => starts[Math.min(place, starts.length - 1)],
    toCharacters: (index) => starts.findIndex((start) => start >= index),
  };
}

const DOLLARS = new Intl.NumberFormat("en", { style: "currency", currency: "USD" });

/** @param {number} usd */
export const money = (usd) => DOLLARS.format(usd);

/** "9 s", "1 min 12 s", "2 h 5 min".
 * @param {number} seconds */
export function span(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  const [h, min, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  if (h) return min ? `${h} h ${min} min` : `${h} h`;
  if (min) return s ? `${min} min ${s} s` : `${min} min`;
  return `${s} s`;
}

/** An estimate, no more exact than it can be: "about 40 s", "about 3 min".
 * @param {number} seconds */
export function about(seconds) {
  if (seconds < 10) return "a few seconds";
  if (seconds <= 50) return `about ${Math.ceil(seconds / 10) * 10} s`;
  return `about ${Math.ceil(seconds / 60)} min`;
}

/** "0:07", for a place in a film.
 * @param {number} seconds */
export const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;

/** @param {number} count @param {string} one @param {string} [several] */
export const counted = (count, one, several = `${one}s`) => `${count} ${count === 1 ? one : several}`;

/** @param {number} bytes */
export const megabytes = (bytes) => `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;

/** @param {string} iso */
export const day = (iso) => new Date(iso).toLocaleDateString(undefined, { day: "numeric", month: "long", year: "numeric" });
