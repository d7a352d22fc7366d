"""The page at `/`: what the sandbox is, and how to use it."""

from html import escape
from string import Template
from typing import Final

from deployments.sandbox.faults import MARKERS

_PAGE: Final = Template("""<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Luma sandbox</title>
<style>
 :root { color-scheme: light dark; font: 16px/1.6 system-ui, sans-serif }
 body { max-width: 46rem; margin: 3rem auto; padding: 0 1.25rem }
 code, pre { font: .9em ui-monospace, monospace }
 pre { padding: 1rem; border: 1px solid color-mix(in srgb, currentColor 20%, transparent); border-radius: .5rem;
       overflow: auto }
 td { padding: .15rem 1rem .15rem 0; vertical-align: top }
</style>
<h1>A Luma that runs on your laptop</h1>
<p>Both of Luma's APIs, answered from this machine: nothing is generated, nothing is paid. Clips are drawn from their
prompts and really play; limits, charges and faults are those of the real thing.</p>
<pre>export LUMAAI_BASE_URL=$base/dream-machine/v1   # ray-2, ray-flash-2
export LUMA_BASE_URL=$base/v1                   # ray-3.2
# any key is accepted, a missing one is not
curl $base/dream-machine/v1/generations -H "Authorization: Bearer any" \\
  -H "Content-Type: application/json" -d '{"model": "ray-2", "prompt": "A lighthouse at dusk"}'</pre>
<p>See what happened: <a href="/_sandbox/stats">stats</a>, <a href="/_sandbox/charges">charges</a>,
<a href="/_sandbox/generations">generations</a>, <a href="/_sandbox/config">config</a> (PUT changes it),
<a href="/_sandbox/faults">faults</a> (POST adds one), <a href="/_sandbox/clock">clock</a>
(POST <code>{"advance": 60}</code> moves it). POST <code>/_sandbox/reset</code> forgets everything.</p>
<h2>Faults by a word in the prompt</h2>
<table>$markers</table>
</html>
""")


def page(base: str) -> str:
    """The page as HTML."""
    rows = (f"<tr><td><code>[{escape(word)}]</code><td>{escape(m.meaning)}" for word, m in MARKERS.items())
    return _PAGE.substitute(base=escape(base), markers="\n".join(rows))
