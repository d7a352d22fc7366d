"""A Luma that runs on your laptop: both wires, real clips, scripted faults and a ledger of every charge."""
