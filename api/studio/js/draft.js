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
    const kept = JSON.parse(localStorage.getItem(KEY) ?? "{}");
    return { ...BLANK, ...kept, cards: revived(kept.cards ?? []) };
  } catch {
    return BLANK; // storage is off, or holds what an older page wrote
  }
}

/** @param {Draft} draft @returns {boolean} Whether it is kept. */
export function save(draft) {
  try {
    localStorage.setItem(KEY, JSON.stringify(draft));
    return true;
  } catch {
    return false;
  }
}

/** A key for one wish to make one film: the same until what is wished changes, so that a repeated click is no second film.
 * @param {object} wish @returns {string} */
export function keyFor(wish) {
  const said = JSON.stringify(wish);
  try {
    const kept = JSON.parse(sessionStorage.getItem("storyreel.wish") ?? "{}");
    if (kept.said === said) return kept.key;
    const key = random();
    sessionStorage.setItem("storyreel.wish", JSON.stringify({ said, key }));
    return key;
  } catch {
    return random();
  }
}

/** The wish was granted: the same again would be another film. */
export function granted() {
  try {
    sessionStorage.removeItem("storyreel.wish");
  } catch {
    // storage is off: there is nothing to forget
  }
}

/** 128 random bits; `crypto.randomUUID` is missing on plain-http addresses. */
const random = () => [...crypto.getRandomValues(new Uint32Array(4))].map((part) => part.toString(16)).join("-");
