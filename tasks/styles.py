"""Style presets: a name a person picks → words that every prompt of the film carries, so that its clips match."""

from typing import Final

STYLES: Final[dict[str, str]] = {
    "cinematic": "cinematic live action, 35mm film, soft natural light, shallow depth of field, muted warm colours",
    "documentary": "observational documentary, handheld camera, available light, true-to-life colours",
    "noir": "black-and-white film noir, hard key light, deep shadows, wet streets, slow camera moves",
    "animation": "hand-painted 2D animation, clean outlines, soft gouache backgrounds, gentle motion",
    "claymation": "stop-motion clay animation, visible fingerprints in the clay, miniature sets, warm tabletop light",
    "watercolor": "loose watercolour illustration in motion, paper texture, bleeding edges, pale washes",
    "comic": "inked comic-book look, bold outlines, halftone shading, saturated flat colours",
    "cyberpunk": "neon-lit cyberpunk city, rain, reflections, magenta and teal light, anamorphic flares",
    "vintage": "faded 1970s home movie, super 8 grain, light leaks, soft focus",
}

DEFAULT_STYLE: Final = "cinematic"
