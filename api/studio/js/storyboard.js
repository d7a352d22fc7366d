/**
 * Editing a storyboard. Pure: every function returns new cards and leaves the old ones as they are.
 *
 * A card is a scene with an id of its own for the page. `own` says that a person wrote its prompt; other prompts are
 * composed by the API from the scene's words, the style and the setting, and follow when those change.
 */

import { places } from "./text.js";

/** @typedef {import("./api.js").SceneDraft} SceneDraft */
/** @typedef {{id: number, description: string, prompt: string, own: boolean, start: number|null, end: number|null}} Card */

let ids = 0;
/** @returns {number} */
const freshId = () => (ids += 1);

/** The plan's scenes as cards; a card keeps its id by its place, so that what is on screen stays.
 * @param {import("./api.js").PlannedScene[]} scenes @param {Card[]} before @returns {Card[]} */
export const cardsOf = (scenes, before = []) =>
  scenes.map(({ description, prompt, start, end }, place) => (
    { id: before[place]?.id ?? freshId(), description, prompt, own: false, start, end }
  ));

/** Cards that were stored, with ids of this page.
 * @param {Card[]} cards @returns {Card[]} */
export const revived = (cards) =>
  cards.filter((card) => typeof card?.description === "string" && typeof card.prompt === "string").map((card) => ({ ...card, id: freshId() }));

/** Take over the prompts that the API composed.
 * @param {Card[]} cards @param {import("./api.js").PlannedScene[]} scenes @returns {Card[]} */
export const composed = (cards, scenes) =>
  cards.map((card, place) => (card.own || !scenes[place] ? card : { ...card, prompt: scenes[place].prompt }));

/** What the API is asked to plan: it composes the prompts that nobody wrote.
 * @param {Card[]} cards @returns {SceneDraft[]} */
export const drafts = (cards) =>
  cards.map(({ description, prompt, own, start, end }) => ({ description, prompt: own ? prompt : null, start, end }));

/** What the film is made of: every scene with the prompt that is shown.
 * @param {Card[]} cards @returns {SceneDraft[]} */
export const final = (cards) => cards.map(({ description, prompt, start, end }) => ({ description, prompt, start, end }));

/** Whether a card says anything at all.
 * @param {Card} card */
export const empty = (card) => !card.description.trim() && !(card.own && card.prompt.trim().length >= 3);

/** @param {Card[]} cards @param {number} id @param {string} prompt */
export const withPrompt = (cards, id, prompt) =>
  cards.map((card) => (card.id === id ? { ...card, prompt, own: prompt.trim() !== "" } : card));

/** @param {Card[]} cards @param {number} id @param {string} description */
export const withWords = (cards, id, description) =>
  cards.map((card) => (card.id === id ? { ...card, description } : card));

/** @param {Card[]} cards @param {number} id */
export const without = (cards, id) => cards.filter((card) => card.id !== id);

/** @param {Card[]} cards @param {number} id @param {number} to Place from 0. @returns {Card[]} */
export function moved(cards, id, to) {
  const rest = without(cards, id);
  const card = cards.find((other) => other.id === id);
  return card ? [...rest.slice(0, to), card, ...rest.slice(to)] : cards;
}

/** @param {Card[]} cards @returns {Card[]} */
export const withNew = (cards) => [
  ...cards,
  { id: freshId(), description: "", prompt: "", own: false, start: null, end: null },
];

/** Join a card with the one after it. A prompt that a person wrote is kept.
 * @param {Card[]} cards @param {number} id @returns {Card[]} */
export function merged(cards, id) {
  const place = cards.findIndex((card) => card.id === id);
  const [one, two] = [cards[place], cards[place + 1]];
  if (!one || !two) return cards;
  const starts = [one.start, two.start].filter((start) => start !== null);
  const ends = [one.end, two.end].filter((end) => end !== null);
  const card = {
    id,
    description: [one.description, two.description].map((words) => words.trim()).filter(Boolean).join(" "),
    prompt: [one, two].filter((half) => half.own).map((half) => half.prompt).join("\n\n"),
    own: one.own || two.own,
    start: starts.length ? Math.min(...starts) : null,
    end: ends.length ? Math.max(...ends) : null,
  };
  return [...cards.slice(0, place), card, ...cards.slice(place + 2)];
}

/** Where a text falls into two halves: at `caret` if that is inside, else at the sentence end or the space nearest to
 * the middle; null when it is one word.
 * @param {string} words @param {number|null} caret @returns {number|null} */
export function parting(words, caret = null) {
  if (caret !== null && words.slice(0, caret).trim() && words.slice(caret).trim()) return caret;
  const middle = words.length / 2;
  for (const border of [/[.!?…。！？]["”»’]?\s*(?=\S)/g, /[,;:—–]\s+(?=\S)/g, /\s+(?=\S)/g]) {
    const ends = [...words.matchAll(border)].map((found) => found.index + found[0].length).filter((end) => end < words.length);
    if (ends.length) return ends.reduce((best, end) => (Math.abs(end - middle) < Math.abs(best - middle) ? end : best));
  }
  return null;
}

/** Cut a card in two; both halves get new prompts.
 * @param {Card[]} cards @param {number} id @param {string} script @param {number|null} caret @returns {Card[]} */
export function split(cards, id, script, caret = null) {
  const place = cards.findIndex((card) => card.id === id);
  const card = cards[place];
  const at = card && parting(card.description, caret);
  if (at === null || at === undefined) return cards;
  const [first, second] = [card.description.slice(0, at).trim(), card.description.slice(at).trim()];
  const border = borderIn(card, script, second);
  const halves = [
    { ...card, description: first, prompt: "", own: false, end: border ?? card.end },
    { ...card, id: freshId(), description: second, prompt: "", own: false, start: border ?? card.start },
  ];
  return [...cards.slice(0, place), ...halves, ...cards.slice(place + 1)];
}

/** Where the second half begins in the script; null when its words can't be found there.
 * @param {Card} card @param {string} script @param {string} second */
function borderIn(card, script, second) {
  if (card.start === null || card.end === null) return null;
  const { toString, toCharacters } = places(script);
  const found = script.slice(0, toString(card.end)).indexOf(second.slice(0, 24), toString(card.start) + 1);
  return found < 0 ? null : toCharacters(found);
}

/** Keep the cards at their words when the script is edited: what lies behind the edit moves with it.
 * @param {Card[]} cards @param {string} before @param {string} after @returns {Card[]} */
export function followed(cards, before, after) {
  const [old, now] = [[...before], [...after]];
  const most = Math.min(old.length, now.length);
  let head = 0;
  while (head < most && old[head] === now[head]) head += 1;
  let tail = 0;
  while (tail < most - head && old[old.length - 1 - tail] === now[now.length - 1 - tail]) tail += 1;
  const [edited, moves] = [old.length - tail, now.length - old.length];
  const place = (/** @type {number} */ at) => (at <= head ? at : at >= edited ? at + moves : Math.min(at, head));
  return cards.map((card) => {
    if (card.start === null || card.end === null) return card;
    const [start, end] = [place(card.start), place(card.end)];
    return start < end ? { ...card, start, end } : { ...card, start: null, end: null };
  });
}
