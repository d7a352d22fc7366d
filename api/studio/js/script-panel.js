/** The script: its box, the words of a scene marked in it, its length, and examples to begin with. */

import { html, useLayoutEffect, useRef } from "./dom.js";
import { EXAMPLES } from "./examples.js";
import { counted, length, places } from "./text.js";

/** @typedef {{start: number, end: number}} Span */

/** The script behind the text field, in the same letters at the same places, with a scene's words marked.
 * @param {{script: string, marked: Span|null}} props */
function Marks({ script, marked }) {
  const mark = useRef(/** @type {HTMLElement|null} */ (null));
  useLayoutEffect(() => {
    const box = mark.current?.closest(".paper");
    if (!box || !mark.current || box.scrollHeight <= box.clientHeight) return;
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    box.scrollTo({ top: mark.current.offsetTop - box.clientHeight / 3, behavior: calm ? "auto" : "smooth" });
  }, [marked?.start, marked?.end]);
  if (!marked) return html`<div class="marks" dir="auto" aria-hidden="true">${script}${"\n"}</div>`;
  const { toString } = places(script);
  const [start, end] = [toString(marked.start), toString(marked.end)];
  return html`<div class="marks" dir="auto" aria-hidden="true">
    ${script.slice(0, start)}<mark ref=${mark}>${script.slice(start, end)}</mark>${script.slice(end)}${"\n"}
  </div>`;
}

/** @param {{script: string, title: string, marked: Span|null, min: number, max: number, kept: boolean,
 *   onScript: (script: string) => void, onTitle: (title: string) => void}} props */
export function ScriptPanel({ script, title, marked, min, max, kept, onScript, onTitle }) {
  const written = length(script.trim());
  const over = length(script) - max;
  const count =
    over > 0 ? `${over.toLocaleString("en")} too many` :
    written < min ? `${counted(min - written, "more character")} to go` : `${written.toLocaleString("en")} characters`;
  return html`<section class="writing" aria-labelledby="script-label">
    <input class="title" dir="auto" aria-label="Title" placeholder="Untitled film" maxlength="200" value=${title}
      onInput=${(/** @type {any} */ event) => onTitle(event.target.value)} />
    <label id="script-label" for="script" class="unseen">Script</label>
    <div class="paper">
      <${Marks} script=${script} marked=${marked} />
      <textarea id="script" dir="auto" spellcheck="true" value=${script} aria-describedby="script-count"
        placeholder="Write what happens, as you would tell it to a friend. A blank line begins a new scene."
        onInput=${(/** @type {any} */ event) => onScript(event.target.value)}></textarea>
    </div>
    <div class="under">
      <p id="script-count" class=${over > 0 ? "count fault" : written < min ? "count" : "count enough"}>${count}</p>
      <p class="kept">${!script ? "" : kept ? "Draft kept in this browser" : "This browser keeps no drafts"}</p>
    </div>
    ${!script && html`<div class="examples">
      <h2>Or start from an example</h2>
      <ul>${EXAMPLES.map((example) => html`<li>
        <button type="button" onClick=${() => (onTitle(example.title), onScript(example.script))}>
          <strong>${example.title}</strong><span>${example.about}</span>
        </button>
      </li>`)}</ul>
    </div>`}
  </section>`;
}
