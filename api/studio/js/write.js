/** The first page: write a script, see and change its storyboard, know the price, begin. */

import { ApiProblem, capabilities as readCapabilities, generate } from "./api.js";
import { Board } from "./board.js";
import { html, Live, Problem, show, useEffect, useLayoutEffect, useRef, useState } from "./dom.js";
import { BLANK, granted, hear, keyFor, load, save } from "./draft.js";
import { offered, OptionsForm } from "./options-form.js";
import { usePlan } from "./planning.js";
import { ScriptPanel } from "./script-panel.js";
import { cardsOf, composed, empty, final, followed } from "./storyboard.js";
import { counted, length, money, span } from "./text.js";

/** @typedef {import("./api.js").Capabilities} Capabilities */
/** @typedef {import("./draft.js").Draft} Draft */
/** @typedef {import("./storyboard.js").Card} Card */

const UNDOS = 50;

/** The draft, kept in the browser with every change made here, before the page can be left. What another tab wrote is
 * shown and not written back: that tab may be further by then, and would lose its newest letters. */
function useDraft() {
  const [draft, setDraft] = useState(load);
  const [kept, setKept] = useState(true);
  const mine = useRef(false);
  useLayoutEffect(() => { if (mine.current) setKept(save(draft)); }, [draft]);
  useEffect(() => hear((theirs) => { mine.current = false; setDraft(theirs); }), []);
  const write = (/** @type {(now: Draft) => Draft} */ next) => { mine.current = true; setDraft(next); };
  return /** @type {const} */ ([draft, write, setDraft, kept]);
}

/** @param {{cards: Card[], edited: boolean, long: boolean}} state Why there are no cards, or what stops them. */
function note({ cards, edited, long }) {
  if (!long) return cards.length ? "" : "Your scenes appear here as soon as the script is long enough.";
  return edited && !cards.length ? "No scenes are left. Add one, or cut again from the script." : "";
}

/** Where what is lacking can be written. @returns {HTMLElement|null} */
const mendable = () => document.querySelector(".card:has(.hint) .said textarea") ?? document.querySelector("#script");

/** @param {{plan: import("./api.js").Plan|null, current: boolean, busy: boolean, scenes: number, statement: string,
 *   sandbox: boolean, lacking: string, problem: string, starting: boolean, confirmed: boolean,
 *   onConfirm: (confirmed: boolean) => void, onGenerate: () => void}} props */
function Till({ plan, current, busy, scenes, statement, sandbox, lacking, problem, starting, confirmed, onConfirm, onGenerate }) {
  const [asked, setAsked] = useState("");
  const box = useRef(/** @type {HTMLInputElement|null} */ (null));
  const press = () => {
    const why = lacking || (confirmed ? "" : "Please confirm first that the story reflects your own ideas.");
    setAsked(why);
    if (lacking) mendable()?.focus();
    else if (!confirmed) box.current?.focus();
    if (!why && current && !starting) onGenerate();
  };
  const shown = asked && (lacking || !confirmed) ? lacking || asked : "";
  return html`<section class="till" aria-label="Price and start">
    ${(problem || shown) && html`<${Problem} text=${problem || shown} />`}
    <p class=${`sum ${current ? "" : "stale"}`}>
      ${plan && scenes ? html`<strong>${money(plan.costUsd)}</strong>
        <span>${counted(plan.scenes.length, "scene")}, ${span(plan.durationSeconds)}${sandbox ? ", drawn by the sandbox: nothing is charged" : ""}</span>`
      : html`<span>The price appears with the storyboard.</span>`}
    </p>
    <label class="confirm"><input ref=${box} type="checkbox" checked=${confirmed}
      onChange=${(/** @type {any} */ event) => onConfirm(event.target.checked)} />${statement}</label>
    <button type="button" class="primary" aria-disabled=${!current || starting} onClick=${press}>
      ${starting ? "Starting…" : busy ? "Updating the price…" : plan && current ? `Generate for ${money(plan.costUsd)}` : "Generate"}
    </button>
  </section>`;
}

/** @param {{capabilities: Capabilities}} props */
function WritePage({ capabilities }) {
  const { minScript, maxScript, maxScenes, maxPrompt, defaults, integrityStatement, sandbox } = capabilities;
  const [draft, setDraft, follow, kept] = useDraft();
  const [past, setPast] = useState(/** @type {Draft[]} */ ([]));
  const [marked, setMarked] = useState(/** @type {number|null} */ (null));
  const [confirmed, setConfirmed] = useState(false);
  const [starting, setStarting] = useState(false);
  const [problem, setProblem] = useState("");
  const [said, setSaid] = useState("");
  const typed = useRef("");
  useEffect(() => {
    const back = () => setStarting(false); // the browser's back button shows this page as it was left
    window.addEventListener("pageshow", back);
    return () => window.removeEventListener("pageshow", back);
  }, []);

  const { script, title, cards, edited } = draft;
  const options = { ...defaults, ...offered(draft.options, capabilities) };
  const long = length(script.trim()) >= minScript && length(script) <= maxScript;
  const planning = usePlan(draft, options, long, (plan) => {
    follow((now) => ({ ...now, cards: now.edited ? composed(now.cards, plan.scenes) : cardsOf(plan.scenes, now.cards) }));
    setSaid(`${counted(plan.scenes.length, "scene")}, ${money(plan.costUsd)}.`);
  });

  const change = (/** @type {Partial<Draft>} */ part) => (setProblem(""), setDraft((now) => ({ ...now, ...part })));
  const write = (/** @type {string} */ text) =>
    change({ script: text, cards: edited ? followed(cards, script, text) : long ? cards : [] });
  const rearrange = (/** @type {Card[]} */ changed, /** @type {string} */ words, typing = "") => {
    if (!typing || typing !== typed.current) setPast((before) => [...before, draft].slice(-UNDOS));
    typed.current = typing; // all letters typed into one field are one step to undo
    if (words) setSaid(words);
    change({ cards: changed, edited: true });
  };
  const undo = () => {
    const before = past[past.length - 1];
    setPast(past.slice(0, -1));
    typed.current = "";
    change({ cards: followed(before.cards, before.script, script), edited: before.edited });
    setSaid("Undone.");
  };
  const cutAgain = () => {
    setPast((before) => [...before, draft].slice(-UNDOS));
    change({ edited: false });
  };
  const begin = async () => {
    const price = planning.plan?.costUsd;
    const wish = {
      script, options, storyboard: final(cards), integrityConfirmed: confirmed,
      ...(title.trim() && { title: title.trim() }),
      ...(price && { maxCostUsd: price }), // never more than what is shown
    };
    setStarting(true);
    setProblem("");
    try {
      const { jobId } = await generate(wish, keyFor(wish));
      granted();
      save(BLANK);
      location.assign(`/jobs/${jobId}`);
    } catch (error) {
      setStarting(false);
      setProblem(error instanceof ApiProblem ? error.message : String(error));
    }
  };

  const card = cards.find(({ id }) => id === marked);
  const words = card && card.start !== null && card.end !== null ? { start: card.start, end: card.end } : null;
  const lacking = !long
    ? length(script) > maxScript ? "Please shorten the script first." : `Please write a longer script: at least ${minScript} characters are needed.`
    : cards.some(empty) ? "Please fill in or delete the empty scenes first."
    : edited && !cards.length ? "Please add a scene first, or cut again from the script." : "";
  return html`<h1 class="unseen">Write a film</h1><div class="desk">
    <div class="left">
      <${ScriptPanel} script=${script} title=${title} marked=${words} min=${minScript} max=${maxScript} kept=${kept}
        onScript=${write} onTitle=${(/** @type {string} */ text) => change({ title: text })} />
      <${OptionsForm} capabilities=${capabilities} options=${options} edited=${edited}
        onChange=${(/** @type {any} */ some) => change({ options: { ...draft.options, ...some } })} />
    </div>
    <${Board} script=${script} shape=${options.aspectRatio} cards=${cards} edited=${edited} plan=${planning.plan} busy=${planning.busy} marked=${marked}
      maxScenes=${maxScenes} maxPrompt=${maxPrompt} canUndo=${past.length > 0} note=${note({ cards, edited, long })}
      onEdit=${rearrange} onMark=${setMarked} onUndo=${undo} onCutAgain=${cutAgain} />
    <${Till} plan=${long ? planning.plan : null} current=${planning.current} busy=${planning.busy} scenes=${cards.length}
      statement=${integrityStatement} sandbox=${sandbox} lacking=${lacking} problem=${problem || planning.problem}
      starting=${starting} confirmed=${confirmed} onConfirm=${setConfirmed} onGenerate=${begin} />
    <${Live} text=${said} />
  </div>`;
}

/** The page once it knows what can be chosen; until then a sentence when that can't be had. */
async function begin() {
  try {
    const capabilities = await readCapabilities();
    show(html`<${WritePage} capabilities=${capabilities} />`);
  } catch (error) {
    show(html`<${Problem} text=${error instanceof Error ? error.message : String(error)}>
      <button type="button" onClick=${begin}>Try again</button><//>`);
  }
}

void begin();
