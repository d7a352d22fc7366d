/** The draft of a script and its storyboard: it survives reloads, in this browser. */

import { revived } from "./storyboard.js";

/** @typedef {import("./storyboard.js").Card} Card */
/** @typedef {{title: string, script: string, options: Partial<import("./api.js").Options>, cards: Card[],
 *   edited: boolean}} Draft `edited`: a person changed the storyboard, so it no longer follows the script. */

const KEY = "storyreel.draft";

/** @type {Draft} */
export const BLANK = { title: "", script: "", options: {}, cards: [], edited: false };

/** @returns {Draft} */
export function load() {
  try {
    const { title, script, options, cards, edited } = { ...BLANK, ...JSON.parse(localStorage.getItem(KEY) ?? "{}") };
    return { title: `${title}`, script: `${script}`, options: { ...options }, cards: revived(cards), edited: !!edited };
  } catch {
    return BLANK; // storage is off, or holds what an older page wrote
  }
}

/** @param {Draft} draft @returns {boolean} Whether it is kept. */
export function save(draft) {
  try {
    localStorage.setItem(KEY, JSON.stringify({ ...draft, cards: draft.cards.map((card) => ({ ...card, id: 0 })) }));
    return true;
  } catch {
    return false;
  }
}

/** There is one draft in a browser: hear of what another tab made of it.
 * @param {(draft: Draft) => void} told @returns {() => void} Hear no more. */
export function hear(told) {
  const listen = (/** @type {StorageEvent} */ event) => event.key === KEY && told(load());
  window.addEventListener("storage", listen);
  return () => window.removeEventListener("storage", listen);
}

/** Keep something as long as this tab is open. @param {string} name @param {object} what */
export function keep(name, what) {
  try {
    sessionStorage.setItem(name, JSON.stringify(what));
  } catch {
    // storage is off: it is kept until a reload
  }
}

/** @param {string} name @returns {any} */
export function kept(name) {
  try {
    return JSON.parse(sessionStorage.getItem(name) ?? "null");
  } catch {
    return null;
  }
}

const WISH = "storyreel.wish";

/** A key for one wish to make one film: the same until what is wished changes, so that a repeated click is no second film.
 * @param {object} wish @returns {string} */
export function keyFor(wish) {
  const said = JSON.stringify(wish);
  const before = kept(WISH);
  if (before?.said === said) return before.key;
  const key = random();
  keep(WISH, { said, key });
  return key;
}

/** The wish was granted: the same again would be another film. */
export const granted = () => keep(WISH, {});

/** 128 random bits; `crypto.randomUUID` is missing on plain-http addresses. */
const random = () => [...crypto.getRandomValues(new Uint32Array(4))].map((part) => part.toString(16)).join("-");
