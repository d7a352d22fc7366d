/**
 * The client of the HTTP API: the shapes of the wire, one function per call, one error for every problem.
 * Clients tolerate fields and enum values that they don't know, so states are plain strings here.
 */

/** @typedef {{model: string, aspectRatio: string, resolution: string, duration: string, loop: boolean, style: string,
 *   setting: string|null, maxScenes: number}} Options */
/** @typedef {{value: string, label: string}} Choice */
/** @typedef {{minScript: number, maxScript: number, maxPrompt: number, maxScenes: number, defaults: Options,
 *   models: Choice[], aspectRatios: Choice[], resolutions: Choice[], durations: Choice[], styles: Choice[],
 *   integrityStatement: string, sandbox: boolean, prefectUiUrl: string|null}} Capabilities */
/** @typedef {{description: string, prompt: string|null, start: number|null, end: number|null}} SceneDraft
 *   `start` and `end` count characters (code points) of the script. A draft without a prompt gets one. */
/** @typedef {{sceneNumber: number, description: string, prompt: string, start: number|null, end: number|null,
 *   durationSeconds: number, costUsd: number|null}} PlannedScene */
/** @typedef {{strategy: string, passedOver: {strategy: string, reason: string}[], style: string,
 *   setting: string|null, scenes: PlannedScene[]}} Storyboard */
/** @typedef {Storyboard & {costUsd: number, durationSeconds: number}} Plan */
/** @typedef {{attemptId: string, take: number, state: string, generationId: string|null, prompt: string,
 *   costUsd: number, refunded: boolean, videoUrl: string|null, imageUrl: string|null, error: string|null,
 *   startedAt: string, endedAt: string|null}} Take */
/** @typedef {{sceneNumber: number, description: string, prompt: string, status: string, videoUrl: string|null,
 *   imageUrl: string|null, durationSeconds: number, costUsd: number, error: string|null, errorCode: string|null,
 *   takes: Take[]}} Scene */
/** @typedef {{videoUrl: string, posterUrl: string, captionsUrl: string, manifestUrl: string, durationSeconds: number,
 *   width: number, height: number, sizeBytes: number, sha256: string}} Film */
/** @typedef {{total: number, pending: number, generating: number, completed: number, failed: number}} Counts */
/** @typedef {{estimatedUsd: number, spentUsd: number, refundedUsd: number, unknownUsd: number,
 *   maxUsd: number|null}} Cost */
/** @typedef {{jobId: string, status: string, outcome: string|null, progress: number, currentStep: string,
 *   waitingFor: string|null, title: string, revision: number, run: number, flowRunUrl: string|null, options: Options,
 *   integrityConfirmed: boolean, counts: Counts, cost: Cost, queuePosition: number|null, etaSeconds: number|null,
 *   results: {storyboard: Storyboard|null, scenes: Scene[], film: Film|null}|null, error: string|null,
 *   errorCode: string|null, createdAt: string, startedAt: string|null, updatedAt: string,
 *   endedAt: string|null}} Job */
/** @typedef {{jobId: string, title: string, status: string, progress: number, currentStep: string,
 *   posterUrl: string|null, error: string|null, createdAt: string}} JobSummary */
/** @typedef {{id: string, jobId: string|null, title: string, script: string, videoUrl: string|null,
 *   posterUrl: string|null, createdAt: string}} Video */
/** @typedef {{scenes: {sceneNumber: number, startSeconds: number, durationSeconds: number,
 *   description: string}[]}} Manifest */

/** A call that did not succeed: `message` is a sentence for the writer. `status` 0: no answer came. */
export class ApiProblem extends Error {
  /** @param {string} message @param {number} status @param {string} code */
  constructor(message, status, code) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

const NO_ANSWER = "The studio can't be reached. Check your connection; nothing you wrote is lost.";
const NO_SENSE = "The studio answered in a way this page does not understand. Please try again in a moment.";

/**
 * @param {string} path
 * @param {{method?: string, body?: unknown, headers?: Record<string, string>, signal?: AbortSignal}} [request]
 * @returns {Promise<Response>}
 */
async function send(path, { method = "GET", body, headers = {}, signal } = {}) {
  const init = { method, headers: { Accept: "application/json", ...headers }, signal };
  if (body !== undefined) Object.assign(init, { body: JSON.stringify(body) });
  if (body !== undefined) Object.assign(init.headers, { "Content-Type": "application/json" });
  let response;
  try {
    response = await fetch(path, init);
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiProblem(NO_ANSWER, 0, "unreachable");
  }
  if (response.ok || response.status === 304) return response;
  const problem = await response.json().catch(() => ({}));
  throw new ApiProblem(problem.detail || NO_SENSE, response.status, problem.code || "unknown");
}

/** @param {string} path @param {Parameters<typeof send>[1]} [request] @returns {Promise<any>} */
async function json(path, request) {
  const response = await send(path, request);
  return response.json().catch(() => {
    throw new ApiProblem(NO_SENSE, response.status, "unknown");
  });
}

/** @returns {Promise<Capabilities>} */
export const capabilities = () => json("/api/capabilities");

/** Cut a script, spend nothing.
 * @param {{script: string, options: Options, storyboard?: SceneDraft[]}} body @param {AbortSignal} signal
 * @returns {Promise<Plan>} */
export const plan = (body, signal) => json("/api/storyboard", { method: "POST", body, signal });

/** Begin a film. The same key with the same body is the same film, however often it is sent.
 * @param {object} body @param {string} key @returns {Promise<{jobId: string}>} */
export const generate = (body, key) =>
  json("/api/generate", { method: "POST", body, headers: { "Idempotency-Key": key } });

/** The job now; `job` is null when it is still what `etag` says. `serverTime` is in ms since 1970.
 * @param {string} id @param {string|null} [etag]
 * @returns {Promise<{job: Job|null, etag: string|null, serverTime: number|null}>} */
export async function readJob(id, etag = null) {
  const response = await send(`/api/job/${id}`, { headers: etag ? { "If-None-Match": etag } : {} });
  const date = Date.parse(response.headers.get("Date") ?? "");
  return {
    job: response.status === 304 ? null : await response.json(),
    etag: response.headers.get("ETag"),
    serverTime: Number.isNaN(date) ? null : date,
  };
}

/** @param {string} id @returns {Promise<string>} */
export const readScript = async (id) => (await send(`/api/job/${id}/script`)).text();

/** @param {string} id */
export const cancel = (id) => json(`/api/job/${id}/cancel`, { method: "POST" });

/** @param {string} id @param {Record<number, string>} prompts New prompts of scenes that have no clip. */
export const retry = (id, prompts) => json(`/api/job/${id}/retry`, { method: "POST", body: { prompts } });

/** @param {string} id @param {number} scene @param {string} prompt */
export const regenerate = (id, scene, prompt) =>
  json(`/api/job/${id}/scenes/${scene}/regenerate`, { method: "POST", body: { prompt } });

/** @param {string} id @param {number} scene @param {string} attemptId */
export const choose = (id, scene, attemptId) =>
  json(`/api/job/${id}/scenes/${scene}/takes/${attemptId}/choose`, { method: "POST" });

/** @param {string} url @returns {Promise<Manifest>} */
export const readManifest = (url) => json(url);

/** @param {string|null} cursor @param {string} search @returns {Promise<{videos: Video[], next: string|null}>} */
export const videos = (cursor, search) =>
  json(`/api/videos?${new URLSearchParams({ limit: "24", ...(cursor && { cursor }), ...(search && { search }) })}`);

/** @param {string} id */
export const deleteVideo = (id) => send(`/api/videos/${id}`, { method: "DELETE" });

/** @returns {Promise<{jobs: JobSummary[], next: string|null}>} */
export const jobs = () => json("/api/jobs?limit=50");
