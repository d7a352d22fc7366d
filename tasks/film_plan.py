"""How the parts of a film go together: decided from the clips' shapes alone. Pure."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

from tasks.clips import ClipInfo

_FPS: Final = Fraction(24)


@dataclass(frozen=True, slots=True)
class Part:
    """One scene of the film: a clip in a file, or a text for a title card of the given length."""

    number: int
    text: str
    duration_seconds: float
    path: Path | None = None
    info: ClipInfo | None = None

    @property
    def name(self) -> str:
        """What an error calls its clip."""
        return f"The clip of scene {self.number}"

    @property
    def source(self) -> tuple[Path, str]:
        """Where its clip lies, and its name."""
        if self.path is None:
            raise ValueError(f"scene {self.number} has no clip")
        return self.path, self.name


@dataclass(frozen=True, slots=True)
class Plan:
    """How the film will be made: its shape, and the borders of its parts in seconds from 0 to the end."""

    copy: bool
    width: int
    height: int
    rate: Fraction
    colours: tuple[int, int, int]
    sound: bool
    borders: tuple[Fraction, ...]
    frames: int


def plan(parts: Sequence[Part]) -> Plan:
    """Decide from the clips' shapes: most common size and rate; copying when all agree. At least one must be a clip."""
    infos = [part.info for part in parts if part.info]
    width, height = Counter((info.width, info.height) for info in infos).most_common(1)[0][0]
    copy = len(infos) == len(parts) and len({info.joint for info in infos}) == 1 and infos[0].joint is not None
    rates = {info.rate for info in infos}
    rate = infos[0].rate if copy or len(rates) == 1 else _FPS
    borders = [Fraction(0)]
    for part in parts:
        length = part.info.length if part.info else Fraction(part.duration_seconds)
        borders.append(borders[-1] + (length if copy else Fraction(max(1, round(length * rate))) / rate))
    return Plan(
        copy=copy,
        width=width if copy else width // 2 * 2,
        height=height if copy else height // 2 * 2,
        rate=rate,
        colours=infos[0].colours,
        sound=any(info.has_audio for info in infos),
        borders=tuple(borders),
        frames=sum(info.frames for info in infos) if copy else round(borders[-1] * rate),
    )
