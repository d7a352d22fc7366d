/** Keeps the storyboard in step with what is written: asks for a plan when typing pauses, and drops answers that come late. */

import { ApiProblem, plan } from "./api.js";
import { useEffect, useState } from "./dom.js";
import { drafts, empty } from "./storyboard.js";

/** @typedef {import("./api.js").Plan} Plan */
/** @typedef {import("./api.js").Options} Options */
/** @typedef {import("./draft.js").Draft} Draft */
/** @typedef {{key: string, plan: Plan|null, problem: string}} Planned `key`: what it was asked for. */

const PAUSE = 450; // ms without a key pressed
const AGAIN = 4_000; // ms until the next try when the API is away

/** What to ask for, or null while there is nothing to plan.
 * @param {Draft} draft @param {Options} options @param {boolean} long Whether the script is long enough.
 * @returns {{script: string, options: Options, storyboard?: import("./api.js").SceneDraft[]}|null} */
function question(draft, options, long) {
  if (!long || (draft.edited && (!draft.cards.length || draft.cards.some(empty)))) return null;
  const { script, cards, edited } = draft;
  return edited ? { script, options, storyboard: drafts(cards) } : { script, options };
}

/** @param {Draft} draft @param {Options|null} options @param {boolean} long
 * @param {(plan: Plan) => void} onPlan
 * @returns {{plan: Plan|null, problem: string, busy: boolean, current: boolean}}
 *   `current`: the plan is of exactly what is written. */
export function usePlan(draft, options, long, onPlan) {
  const [planned, setPlanned] = useState(/** @type {Planned} */ ({ key: "", plan: null, problem: "" }));
  const [tries, setTries] = useState(0);
  const asked = options && question(draft, options, long);
  const key = asked ? JSON.stringify(asked) : "";
  useEffect(() => {
    if (!asked) return undefined;
    const calling = new AbortController();
    let timer = setTimeout(async () => {
      try {
        const found = await plan(asked, calling.signal);
        setPlanned({ key, plan: found, problem: "" });
        onPlan(found);
      } catch (error) {
        if (!(error instanceof ApiProblem)) return;
        setPlanned((before) => ({ key, plan: before.plan, problem: error.message }));
        if (error.status === 0 || error.status >= 500) timer = setTimeout(() => setTries(tries + 1), AGAIN);
      }
    }, planned.plan || tries ? PAUSE : 0);
    return () => {
      clearTimeout(timer);
      calling.abort();
    };
  }, [key, tries]);
  const settled = planned.key === key;
  return {
    plan: planned.plan,
    problem: settled ? planned.problem : "",
    busy: key !== "" && !settled,
    current: key !== "" && settled && !planned.problem,
  };
}
