/** The storyboard before anything is paid: cards to read and to change. */

import { Frame, html, Text, useLayoutEffect, useRef, useState } from "./dom.js";
import * as edit from "./storyboard.js";
import { counted, money, span } from "./text.js";
import { cutBy } from "./words.js";

/** @typedef {import("./storyboard.js").Card} Card */
/** @typedef {{script: string, cards: Card[], edited: boolean, plan: import("./api.js").Plan|null, busy: boolean,
 *   shape: string, maxScenes: number, maxPrompt: number, canUndo: boolean, marked: number|null, note: string,
 *   onEdit: (cards: Card[], said: string, typing?: string) => void, onMark: (card: number|null) => void,
 *   onUndo: () => void, onCutAgain: () => void}} BoardProps */

/** @param {{name: string, act: string, disabled?: boolean, onClick: () => void, children?: any}} props */
const Tool = ({ name, act, disabled = false, onClick, children }) =>
  html`<button type="button" class="tool" data-act=${act} aria-label=${name} title=${name} disabled=${disabled}
    onClick=${onClick}>${children}</button>`;

/** @param {BoardProps & {card: Card, place: number, focus: (id: number, act: string) => void}} props */
function SceneCard({ card, place, focus, ...board }) {
  const { cards, plan, script, onEdit, onMark, maxPrompt } = board;
  const caret = useRef(/** @type {number|null} */ (null));
  const [dragged, setDragged] = useState(false);
  const number = place + 1;
  const planned = plan?.scenes[place] ?? plan?.scenes[0];
  const move = (/** @type {number} */ to, /** @type {string} */ act) => {
    if (to < 0 || to >= cards.length) return;
    focus(card.id, act);
    onEdit(edit.moved(cards, card.id, to), `Scene ${number} is now scene ${to + 1} of ${cards.length}.`);
  };
  const remove = () => {
    const next = cards[place + 1] ?? cards[place - 1];
    if (next) focus(next.id, "delete");
    onEdit(edit.without(cards, card.id), `Scene ${number} deleted. ${counted(cards.length - 1, "scene")} left.`);
  };
  const keys = (/** @type {KeyboardEvent} */ event) => {
    const step = event.altKey && !event.ctrlKey && !event.metaKey && { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const act = /** @type {HTMLElement} */ (event.target).dataset.act ?? "handle";
    move(place + step, act);
  };
  const dropped = (/** @type {DragEvent} */ event) => {
    const from = Number(event.dataTransfer?.getData("text/x-scene"));
    event.preventDefault();
    if (from && from !== card.id) onEdit(edit.moved(cards, from, place), `Moved to place ${number}.`);
  };
  return html`<li class=${`card ${board.marked === card.id ? "marked" : ""} ${dragged ? "dragged" : ""}`} data-card=${card.id}
    aria-label=${`Scene ${number}`} onKeyDown=${keys}
    onMouseEnter=${() => onMark(card.id)} onMouseLeave=${() => onMark(null)} onFocusIn=${() => onMark(card.id)}
    onDragOver=${(/** @type {DragEvent} */ event) => event.dataTransfer?.types.includes("text/x-scene") && event.preventDefault()}
    onDrop=${dropped}>
    <div class="shot">
      <${Frame} shape=${board.shape}><b aria-hidden="true">${number}</b><//>
      <p class="price">${planned && !edit.empty(card) ? `${span(planned.durationSeconds)}, ${money(planned.costUsd ?? 0)}` : ""}</p>
    </div>
    <div class="slate">
      <button type="button" class="tool handle" data-act="handle" draggable="true" aria-label=${`Move scene ${number}: Alt and the arrow keys`}
        title="Drag, or Alt with ↑ and ↓"
        onDragStart=${(/** @type {DragEvent} */ event) => (event.dataTransfer?.setData("text/x-scene", String(card.id)), setDragged(true))}
        onDragEnd=${() => setDragged(false)}><span aria-hidden="true">⠿</span></button>
      <h3>Scene ${number}</h3>
      <div class="tools" role="group" aria-label=${`Change scene ${number}`}>
        <${Tool} name=${`Move scene ${number} up`} act="up" disabled=${place === 0} onClick=${() => move(place - 1, "up")}>↑<//>
        <${Tool} name=${`Move scene ${number} down`} act="down" disabled=${place === cards.length - 1}
          onClick=${() => move(place + 1, "down")}>↓<//>
        <${Tool} name=${`Split scene ${number} in two`} act="split"
          disabled=${edit.parting(card.description) === null || cards.length >= board.maxScenes}
          onClick=${() => {
            focus(card.id, "split");
            onEdit(edit.split(cards, card.id, script, caret.current), `Scene ${number} split in two.`);
          }}>Split<//>
        <${Tool} name=${`Merge scene ${number} with the next`} act="merge" disabled=${place === cards.length - 1}
          onClick=${() => {
            focus(card.id, "merge");
            onEdit(edit.merged(cards, card.id), `Scenes ${number} and ${number + 1} merged.`);
          }}>Merge<//>
        <${Tool} name=${`Delete scene ${number}`} act="delete" onClick=${remove}>✕<//>
      </div>
    </div>
    <label class="said"><span class="unseen">What happens in scene ${number}</span>
      <${Text} value=${card.description} placeholder="What happens in this scene?" data-act="words"
        onInput=${(/** @type {string} */ words) => onEdit(edit.withWords(cards, card.id, words), "", `words ${card.id}`)}
        onBlur=${(/** @type {any} */ event) => { caret.current = event.target.selectionStart; }} />
    </label>
    <label class="prompt"><span>Prompt ${card.own && html`<em>edited</em>`}</span>
      <${Text} value=${card.prompt} maxlength=${maxPrompt} data-act="prompt"
        placeholder=${card.description ? "Being composed…" : "Composed from what happens, unless you write your own"}
        onInput=${(/** @type {string} */ prompt) => onEdit(edit.withPrompt(cards, card.id, prompt), "", `prompt ${card.id}`)} />
    </label>
    ${edit.empty(card) && html`<p class="hint">Say what happens here, or delete the scene.</p>`}
  </li>`;
}

/** @param {{edited: boolean, plan: import("./api.js").Plan|null, busy: boolean}} props */
function HowCut({ edited, plan, busy }) {
  if (!plan) return html`<p class="cut">${busy ? "Cutting…" : ""}</p>`;
  return html`<details class="cut">
    <summary>${edited ? "Arranged by hand" : cutBy(plan.strategy)}</summary>
    ${edited
      ? html`<p>You changed the storyboard, so it stays as you left it when the script changes.</p>`
      : html`<p>What was looked for before:</p><ul>${plan.passedOver
          .filter(({ strategy }) => strategy !== "given")
          .map(({ strategy, reason }) => html`<li><strong>${strategy}</strong> ${reason}</li>`)}</ul>`}
    ${plan.setting && html`<p><strong>setting</strong> ${plan.setting}</p>`}
  </details>`;
}

/** @param {BoardProps} props */
export function Board(props) {
  const { cards, edited, plan, busy, maxScenes, canUndo, onEdit, onUndo, onCutAgain } = props;
  const list = useRef(/** @type {HTMLElement|null} */ (null));
  const wanted = useRef(/** @type {{id: number, act: string}|null} */ (null));
  useLayoutEffect(() => {
    if (!wanted.current) return;
    const { id, act } = wanted.current;
    wanted.current = null;
    const card = list.current?.querySelector(`[data-card="${id}"]`);
    const place = [act, "handle"].map((name) => card?.querySelector(`[data-act="${name}"]:not(:disabled)`)).find(Boolean);
    if (place instanceof HTMLElement) place.focus();
  }, [cards]);
  const focus = (/** @type {number} */ id, /** @type {string} */ act) => (wanted.current = { id, act });
  const add = () => {
    const more = edit.withNew(cards);
    focus(more[more.length - 1].id, "words");
    onEdit(more, `Scene ${more.length} added.`);
  };
  return html`<section class="board" aria-labelledby="board-title" aria-busy=${busy}>
    <header>
      <h2 id="board-title">Storyboard</h2>
      <${HowCut} edited=${edited} plan=${plan} busy=${busy} />
      <div class="tools">
        <button type="button" class="tool" disabled=${!canUndo} onClick=${onUndo}>Undo</button>
        ${edited && html`<button type="button" class="tool" onClick=${onCutAgain}>Cut again from the script</button>`}
      </div>
    </header>
    ${props.note && html`<p class="blank">${props.note}</p>`}
    ${props.note && !edited && html`<div class="ghosts" aria-hidden="true">${[1, 2, 3].map((number) => html`<${Frame} shape=${props.shape}><b>${number}</b><//>`)}</div>`}
    <ol ref=${list} role="list">${cards.map((card, place) =>
      html`<${SceneCard} key=${card.id} card=${card} place=${place} focus=${focus} ...${props} />`)}</ol>
    ${(cards.length > 0 || edited) && html`<button type="button" class="add" disabled=${cards.length >= maxScenes} onClick=${add}>
      ${cards.length >= maxScenes ? `No more than ${maxScenes} scenes` : "Add a scene"}</button>`}
  </section>`;
}
