"""The film's sound, where a clip has any: AAC, silence where a scene has none. It blocks: for use in a thread."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
from av.audio.fifo import AudioFifo
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.container import OutputContainer

from tasks.files import MediaError, explained

_RATE: Final = 48_000  # samples a second
_FORMAT, _LAYOUT = "fltp", "stereo"
_BLOCK: Final = 1024  # samples: one AAC frame


class Soundtrack:
    """One AAC stream as long as the picture, to the sample."""

    def __init__(self, film: OutputContainer) -> None:
        self._film = film
        self._stream = film.add_stream("aac", rate=_RATE, layout=_LAYOUT, format=_FORMAT)
        self._waiting = AudioFifo()
        self._taken = self._written = 0  # samples

    def add(self, source: tuple[Path, str] | None, until: Fraction) -> None:
        """Fill up to `until` seconds of film with the sound of a clip (path, name), cut or continued in silence."""
        missing = round(until * _RATE) - self._taken
        self._taken += missing
        for frame in _sound(*source) if source else ():
            if missing <= 0:
                break
            missing -= self._take(frame, missing)
        while missing > 0:
            missing -= self._take(_silence(min(missing, _BLOCK)), missing)
        self._encode()

    def _take(self, frame: AudioFrame, most: int) -> int:
        if frame.samples > most:
            cutter = AudioFifo()
            cutter.write(frame)
            frame = cutter.read(most) or _silence(most)
        frame.pts = None  # the fifo counts by itself
        self._waiting.write(frame)
        return frame.samples

    def _encode(self, *, last: bool = False) -> None:
        while (frame := self._waiting.read(_BLOCK, partial=last)) is not None:
            frame.pts, frame.time_base = self._written, Fraction(1, _RATE)
            self._written += frame.samples
            self._mux(frame)

    def _mux(self, frame: AudioFrame | None) -> None:
        packets = self._stream.encode(frame)
        with explained("written", "The film"):
            self._film.mux(packets)

    def finish(self) -> None:
        """Write what was held back."""
        self._encode(last=True)
        self._mux(None)


def _sound(path: Path, name: str) -> Iterator[AudioFrame]:
    resampler = AudioResampler(format=_FORMAT, layout=_LAYOUT, rate=_RATE)
    try:
        with av.open(str(path)) as container:
            for frame in container.decode(container.streams.audio[0]):
                frame.pts = None
                yield from resampler.resample(frame)
            yield from resampler.resample(None)
    except av.FFmpegError as error:
        raise MediaError(f"{name} has sound that can't be read.") from error


def _silence(samples: int) -> AudioFrame:
    frame = AudioFrame(format=_FORMAT, layout=_LAYOUT, samples=samples)
    frame.sample_rate = _RATE
    for plane in frame.planes:
        plane.update(bytes(plane.buffer_size))
    return frame
