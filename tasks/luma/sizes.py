"""Pixel sizes of clips by resolution and aspect ratio."""

from typing import Final

from tasks.options import AspectRatio, Resolution

SHORTER_SIDE: Final = {Resolution.P540: 540, Resolution.P720: 720, Resolution.P1080: 1080, Resolution.UHD: 2160}


def _size(resolution: Resolution, ratio: AspectRatio) -> tuple[int, int]:
    across, down = (int(side) for side in ratio.split(":"))
    shorter = SHORTER_SIDE[resolution]
    longer = 2 * round(shorter * max(across, down) / min(across, down) / 2)  # video needs even sides
    return (longer, shorter) if across >= down else (shorter, longer)


SIZES: Final = {(resolution, ratio): _size(resolution, ratio) for resolution in Resolution for ratio in AspectRatio}
"""(width, height) in pixels. Luma publishes those of 16:9; in others the resolution is taken as the shorter side."""
