/** The choices about a film, as the API offers them. */

import { html } from "./dom.js";

/** @typedef {import("./api.js").Options} Options */
/** @typedef {import("./api.js").Capabilities} Capabilities */
/** @typedef {(change: Partial<Options>) => void} Change */

const OFFERS = /** @type {const} */ (
  { style: "styles", model: "models", resolution: "resolutions", duration: "durations", aspectRatio: "aspectRatios" });

/** What a draft chose, without what the studio has ceased to offer since.
 * @param {Partial<Options>} chosen @param {Capabilities} capabilities @returns {Partial<Options>} */
export const offered = (chosen, capabilities) => Object.fromEntries(Object.entries(chosen).filter(([name, choice]) =>
  !(name in OFFERS) || capabilities[OFFERS[/** @type {keyof typeof OFFERS} */ (name)]].some(({ value }) => value === choice)));

/** @param {{label: string, name: keyof Options, choices: import("./api.js").Choice[], options: Options,
 *   onChange: Change}} props */
function Select({ label, name, choices, options, onChange }) {
  return html`<label class="field"><span>${label}</span>
    <select value=${options[name]} onChange=${(/** @type {any} */ event) => onChange({ [name]: event.target.value })}>
      ${choices.map(({ value, label: said }) => html`<option value=${value} selected=${value === options[name]}>${said}</option>`)}
    </select>
  </label>`;
}

/** @param {{choices: import("./api.js").Choice[], options: Options, onChange: Change}} props */
function Shapes({ choices, options, onChange }) {
  return html`<fieldset class="shapes">
    <legend>Shape</legend>
    ${choices.map(({ value, label }) => html`<label>
      <input type="radio" name="shape" value=${value} checked=${value === options.aspectRatio}
        onChange=${() => onChange({ aspectRatio: value })} />
      <span class="glyph" aria-hidden="true"><i style=${{ aspectRatio: value.replace(":", " / ") }}></i></span>${label}
    </label>`)}
  </fieldset>`;
}

/** @param {{capabilities: Capabilities, options: Options, edited: boolean, onChange: Change}} props */
export function OptionsForm({ capabilities, options, edited, onChange }) {
  const { styles, models, resolutions, durations, aspectRatios, maxScenes } = capabilities;
  const given = { options, onChange };
  return html`<section class="options" aria-labelledby="options-title">
    <h2 id="options-title">Look and length</h2>
    <div class="fields">
      <${Select} label="Style" name="style" choices=${styles} ...${given} />
      <${Select} label="Model" name="model" choices=${models} ...${given} />
      <${Select} label="Resolution" name="resolution" choices=${resolutions} ...${given} />
      <${Select} label="Each scene" name="duration" choices=${durations} ...${given} />
      <label class="field"><span>Scenes, at most</span>
        <input type="number" min="1" max=${maxScenes} value=${options.maxScenes} disabled=${edited}
          title=${edited ? "You arranged the scenes yourself" : null}
          onChange=${(/** @type {any} */ { target }) => {
            target.value = String(Math.min(maxScenes, Math.max(1, Math.round(Number(target.value) || 1))));
            onChange({ maxScenes: Number(target.value) });
          }} />
      </label>
    </div>
    <${Shapes} choices=${aspectRatios} ...${given} />
    <label class="field wide"><span>Setting <small>said to every scene; read from the script when left empty</small></span>
      <input maxlength="500" dir="auto" value=${options.setting ?? ""} placeholder="A fishing village in the fifties, always windy"
        onChange=${(/** @type {any} */ event) => onChange({ setting: event.target.value.trim() || null })} />
    </label>
  </section>`;
}
