/** What all pages draw with. Text is always set as text: nothing here parses a string as HTML. */

import htm from "../vendor/htm.js";
import * as hooks from "../vendor/hooks.js";
import { h, render } from "../vendor/preact.js";

/** @type {(strings: TemplateStringsArray, ...values: any[]) => any} */
export const html = htm.bind(h);
/** @type {<T>(initial: T | (() => T)) => [T, (next: T | ((before: T) => T)) => void]} */
export const useState = hooks.useState;
/** @type {<T>(initial: T) => {current: T}} */
export const useRef = hooks.useRef;
/** @typedef {(effect: () => void | (() => void), when?: unknown[]) => void} Effect */
export const useEffect = /** @type {Effect} */ (hooks.useEffect);
export const useLayoutEffect = /** @type {Effect} */ (hooks.useLayoutEffect);

/** The time here, anew every second while `running`.
 * @param {boolean} running @returns {number} ms since 1970 */
export function useNow(running) {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    if (!running) return undefined;
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, [running]);
  return now;
}

/** "16:9" as a number. @param {string} shape */
export function ratio(shape) {
  const [width, height] = shape.split(":").map(Number);
  return width / height;
}

/** A box in the film's shape, kept free from the start so that nothing moves when the picture comes.
 * @param {{shape: string, class?: string, children?: any}} props `shape`: "16:9" */
export function Frame({ shape, class: name = "", children }) {
  const style = { aspectRatio: shape.replace(":", " / "), "--ratio": ratio(shape) };
  return html`<div class=${`frame ${name}`} style=${style}>${children}</div>`;
}

/** A modal dialog. The browser keeps the focus in it, gives it back, and closes it at Escape.
 * @param {{label: string, onClose: () => void, class?: string, children?: any}} props */
export function Dialog({ label, onClose, class: name = "", children }) {
  const box = useRef(/** @type {HTMLDialogElement|null} */ (null));
  useLayoutEffect(() => {
    const dialog = box.current;
    dialog?.showModal();
    return () => dialog?.close(); // closing gives the focus back; being taken away would lose it
  }, []);
  const outside = (/** @type {MouseEvent} */ event) => {
    if (box.current && event.target === box.current) box.current.close();
  };
  return html`<dialog ref=${box} class=${name} aria-labelledby="dialog-title" onClose=${onClose} onMouseDown=${outside}>
    <div class="sheet">
      <header>
        <h2 id="dialog-title">${label}</h2>
        <button type="button" class="plain" aria-label="Close" onClick=${() => box.current?.close()}>✕</button>
      </header>
      ${children}
    </div>
  </dialog>`;
}

/** A text field as tall as its text.
 * @param {Record<string, any>} props */
export function Text({ onInput, value, class: name = "", ...rest }) {
  const box = useRef(/** @type {HTMLTextAreaElement|null} */ (null));
  useLayoutEffect(() => {
    if (!box.current || CSS.supports("field-sizing", "content")) return;
    box.current.style.height = "0";
    box.current.style.height = `${box.current.scrollHeight + 2}px`;
  }, [value]);
  return html`<textarea ref=${box} dir="auto" class=${`grows ${name}`} rows="1" value=${value}
    onInput=${(/** @type {any} */ event) => onInput(event.target.value)} ...${rest} />`;
}

/** Says things to people who don't see them. @param {{text: string}} props */
export const Live = ({ text }) => html`<p class="unseen" role="status" aria-live="polite">${text}</p>`;

/** A problem and what to do about it. @param {{text: string, children?: any}} props */
export const Problem = ({ text, children }) =>
  html`<div class="problem" role="alert"><p>${text}</p>${children}</div>`;

let started = false;

/** Start a page in its place, instead of what stood there for the first paint.
 * @param {any} page */
export function show(page) {
  const place = /** @type {HTMLElement} */ (document.getElementById("page"));
  if (!started) place.replaceChildren();
  started = true;
  render(page, place);
}
