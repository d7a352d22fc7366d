/** Scripts to start from: prose, marked scenes and a screenplay, since each is cut in another way. */

export const EXAMPLES = [
  {
    title: "The Lamp on Gull Point",
    about: "A story in four paragraphs",
    script: `Every evening at seven, a ginger cat named Biscuit climbs the hundred and twelve steps of the old lighthouse, because the keeper’s knees are bad and somebody has to check the lamp.

Tonight the lamp is dark. Far below, fog comes in over the bay like milk poured into tea.

Out on the water a fishing boat turns in slow circles. Its skipper, a girl in a yellow oilskin, holds a lantern up to nothing.

Biscuit leaps at the great brass switch and hangs from it with all four paws. Light sweeps over the sea, and the boat turns home.`,
  },
  {
    title: "How Bread Rises",
    about: "Five marked scenes",
    script: `Scene 1: Before dawn, a baker’s hands pour flour onto a wooden table. Dust hangs in the lamplight.

Scene 2: Close-up of yeast foaming in a bowl of warm water, bubbles bursting one by one.

Scene 3: The dough under a linen cloth, swelling slowly while the window behind it turns from black to blue.

Scene 4: Loaves slide into a brick oven. Their crusts split and turn gold.

Scene 5: Morning. A child carries a loaf home under one arm, biting the end off.`,
  },
  {
    title: "Last Tram",
    about: "A short screenplay",
    script: `EXT. TERMINUS - NIGHT

Rain. A green tram, the last of its kind, waits under a single lamp.

INT. TRAM - NIGHT

NORA, 70, in a conductor’s cap too big for her, wipes the bell with her sleeve. A boy climbs aboard with a snail in a jam jar.

EXT. RIVER BRIDGE - NIGHT

The tram crosses the bridge, its windows the only light between the two banks.`,
  },
];
