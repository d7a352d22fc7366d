/** What the page says: states, reasons and next steps in a writer's words. Pure. */

import { about, counted, money, span } from "./text.js";

/** @typedef {import("./api.js").Job} Job */
/** @typedef {import("./api.js").Scene} Scene */

/** @param {{status: string}} job */
export const ended = (job) => ["completed", "failed", "cancelled"].includes(job.status);

/** How a script was cut, by the strategy that did it. @type {Record<string, string>} */
const CUT = {
  given: "Arranged by hand",
  screenplay: "Cut at the screenplay’s scene headings",
  markers: "Cut where you marked the scenes",
  paragraphs: "Cut by paragraphs",
  sentences: "Cut by sentences",
  characters: "Cut by length, as the text has no sentences",
  default: "A default storyboard, as there was nothing to cut",
};

/** @param {string} strategy */
export const cutBy = (strategy) => CUT[strategy] ?? `Cut by ${strategy}`;

/** @typedef {{what: string, brief: string, next: string}} Fault `brief` stands in the scene's frame, `next` where it is mended. */
/** @type {Record<string, Fault>} */
const SCENE_FAULTS = {
  luma_moderated: {
    what: "Refused by moderation",
    brief: "Its words need a change.",
    next: "Luma does not film what this prompt asks for. Say it in other words and try again.",
  },
  luma_generation_failed: {
    what: "Luma could not make it",
    brief: "A fault at Luma, not in your words.",
    next: "Something went wrong at Luma, not in your words. Trying again often helps, so does a simpler prompt.",
  },
  luma_deadline_passed: {
    what: "It took too long",
    brief: "Luma did not finish in time.",
    next: "Luma did not finish in time. Try again, perhaps with a simpler prompt.",
  },
  luma_request_refused: {
    what: "Luma refused the request",
    brief: "Its prompt needs a change.",
    next: "Luma did not accept this request. Change the prompt and try again.",
  },
  luma_undecidable: {
    what: "Luma gave no answer",
    brief: "It may have been paid, so it was not sent again.",
    next: "It can’t be told whether Luma began this scene, so it was not paid a second time. Trying again may pay twice.",
  },
};

/** What happened to a failed scene, and what to do next.
 * @param {Scene} scene @returns {Fault} */
export function sceneFault(scene) {
  const unknown = { what: "It could not be made", brief: "A fault on our side.", next: "Try again; finished scenes are kept." };
  return SCENE_FAULTS[scene.errorCode ?? ""] ?? unknown;
}

/** @param {Scene} scene */
export const refunded = (scene) => scene.takes.length > 0 && scene.takes[scene.takes.length - 1].refunded;

/** @type {Record<string, string>} */
const NEXT = {
  luma_key_invalid: "Tell whoever runs this studio; when the key works, try the missing scenes again.",
  luma_no_credits: "When the account has credits again, try the missing scenes again; finished scenes are kept.",
  luma_forbidden: "Tell whoever runs this studio; finished scenes are kept.",
  no_scene: "Look at the scenes below, change their prompts where needed, and try again.",
};

/** What to do about a failed job.
 * @param {Job} job */
export const nextStep = (job) => NEXT[job.errorCode ?? ""] ?? "Try again: finished scenes are kept and not paid twice.";

/** What the job is doing, as a heading.
 * @param {Job} job */
export function headline(job) {
  const { completed, total, failed } = job.counts;
  switch (job.status) {
    case "queued":
      return job.run > 1 ? "Starting again" : "Waiting to start";
    case "processing":
      if (job.waitingFor) return "Waiting";
      return turn(job) ? "Waiting for its turn" : job.currentStep.replace("...", "");
    case "cancelling":
      return "Cancelling";
    case "completed":
      return failed ? `Film ready, ${counted(failed, "scene")} missing` : "Film ready";
    case "cancelled":
      return total ? `Cancelled with ${completed} of ${counted(total, "scene")} made` : "Cancelled before anything was made";
    case "failed":
      return "The film could not be made";
    default:
      return job.currentStep;
  }
}

/** Time, in words: what it waits for, its place in the queue, or how long it took and an honest guess at the rest.
 * @param {Job} job @param {number} now Server time in ms. @param {number} heard When the estimate came, likewise. */
export function timing(job, now, heard) {
  if (job.waitingFor) return job.waitingFor;
  const rest = job.etaSeconds === null ? "" : `${about(job.etaSeconds - (now - heard) / 1000)} left`;
  const position = turn(job);
  if (position) return [position > 1 ? `${counted(position - 1, "film")} before yours` : "Next in line", rest].filter(Boolean).join(", ");
  if (!job.startedAt) return "";
  const took = (Date.parse(job.endedAt ?? new Date(now).toISOString()) - Date.parse(job.startedAt)) / 1000;
  if (job.endedAt) return `Took ${span(took)}`;
  const passed = `${span(took)} so far`;
  if (!rest) return passed;
  if (job.counts.total && !job.counts.generating && !job.counts.pending) return `${passed}, almost done`;
  const quiet = (now - Date.parse(job.updatedAt)) / 1000;
  const late = (now - heard) / 1000 - (job.etaSeconds ?? 0) > LATE;
  if (late || (job.counts.generating && quiet > QUIET)) return `${passed}, longer than usual`;
  return `${passed}, ${rest}`;
}

/** Its place in the line, from 1, as long as none of its scenes has been begun; else null.
 * @param {Job} job */
function turn({ status, counts, queuePosition }) {
  const begun = counts.generating + counts.completed + counts.failed > 0;
  return status === "queued" || !begun ? queuePosition : null;
}

const QUIET = 150; // seconds a generation may take before we say so; most take less than a minute
const LATE = 15; // seconds beyond the last estimate until it is taken back

/** @typedef {{what: string, more: string, kind: "idle"|"working"|"stalled"|"fault"}} Standing */

/** How a scene without a clip is getting on.
 * @param {Scene} scene @param {Job} job @param {number} now Server time in ms. @returns {Standing} */
export function standing(scene, job, now) {
  if (scene.status === "failed") {
    const { what, brief } = sceneFault(scene);
    return { what, more: refunded(scene) ? `${brief} Refunded.` : brief, kind: "fault" };
  }
  if (scene.status === "generating") return working(scene, now);
  if (ended(job)) {
    const lost = scene.costUsd ? money(scene.costUsd) : "Nothing"; // a cancel does not stop what Luma has begun
    return { what: "Not made", more: `${lost} was spent on it.`, kind: "idle" };
  }
  return { what: "Waiting", more: job.waitingFor ? "It goes on by itself." : "Its turn comes soon.", kind: "idle" };
}

/** How Luma is getting on with a scene.
 * @param {Scene} scene @param {number} now Server time in ms. @returns {Standing} */
function working(scene, now) {
  const take = scene.takes[scene.takes.length - 1];
  if (!take || take.state === "intended") return { what: "Sending to Luma", more: "", kind: "working" };
  const seconds = (now - Date.parse(take.startedAt)) / 1000;
  if (take.state === "doubted")
    return { what: "Luma’s answer was lost", more: "Finding out what became of it.", kind: "stalled" };
  if (take.state !== "submitted") return { what: "Trying again", more: take.error ?? "", kind: "working" };
  if (seconds > QUIET) return { what: "Stalled", more: `No news from Luma for ${span(seconds)}`, kind: "stalled" };
  return { what: "Generating", more: span(seconds), kind: "working" };
}

/** The money of a job in one line, beside what it was planned to cost.
 * @param {Job} job */
export function spent(job) {
  const { estimatedUsd, spentUsd, refundedUsd, unknownUsd } = job.cost;
  const parts = [`${money(spentUsd - refundedUsd)} spent of ${money(estimatedUsd)} planned`];
  if (refundedUsd) parts.push(`${money(refundedUsd)} refunded`);
  if (unknownUsd) parts.push(`${money(unknownUsd)} uncertain`);
  return parts.join(", ");
}

/** What it would cost to make the scenes that are missing.
 * @param {Job} job @returns {{scenes: number, usd: number}} */
export function missing(job) {
  const planned = new Map(job.results?.storyboard?.scenes.map((scene) => [scene.sceneNumber, scene.costUsd ?? 0]));
  const lacking = job.results?.scenes.filter((scene) => scene.status !== "completed") ?? [];
  return {
    scenes: lacking.length,
    usd: lacking.reduce((sum, scene) => sum + (planned.get(scene.sceneNumber) ?? 0), 0),
  };
}
