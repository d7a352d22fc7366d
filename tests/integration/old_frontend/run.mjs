// Runs handleGenerate.js as its page did, with the page's surroundings stood in for, and tells what happened as JSON.
// Input (stdin): {base, script, integrityConfirmed, user, pollEvery, askFor}. `askFor`: poll this job instead.
import { readFileSync } from "node:fs";

const given = JSON.parse(readFileSync(0, "utf8"));
const story = [];
const tell = (what, ...values) => story.push([what, ...values]);
const stored = {};

const page = {
  script: given.script,
  integrityConfirmed: given.integrityConfirmed ?? true,
  user: given.user ?? null,
  setIsGenerating: (value) => tell("isGenerating", value),
  setProgress: (value) => tell("progress", value),
  setStatusMessage: (value) => tell("status", value),
  alert: (message) => tell("alert", message),
  router: { push: (path) => tell("push", path) },
  sessionStorage: {
    setItem: (name, value) => { stored[name] = value; },
    removeItem: (name) => { delete stored[name]; },
  },
  console: { log() {}, error() {} },
  fetch: (path, options) => {
    tell("fetch", options?.method ?? "GET", path);
    const asked = given.askFor ? path.replace(/^\/api\/job\/.*/, `/api/job/${given.askFor}`) : path;
    return fetch(new URL(asked, given.base), options);
  },
  setInterval: (work) => setInterval(work, given.pollEvery ?? 100), // two seconds are long in a test
  clearInterval,
  setTimeout,
};

const source = readFileSync(new URL("handleGenerate.js", import.meta.url), "utf8");
const handleGenerate = new Function(...Object.keys(page), `${source}; return handleGenerate`)(...Object.values(page));
await handleGenerate();
// node ends by itself once nothing polls any more
process.once("beforeExit", () => process.stdout.write(JSON.stringify({ story, stored })));
