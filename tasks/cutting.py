"""From a script's own cuts to spans of about one clip each: short cuts join, long ones part, neighbours even out."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from functools import cached_property
from itertools import chain, pairwise
from typing import Final

from tasks import sentences
from tasks.partition import gathered, partition
from tasks.quotations import quotations
from tasks.reading import Reading
from tasks.spans import Span, between, trimmed
from tasks.speech import SpokenTime

SHORT: Final = 1 / 3
"""A cut under this part of a clip joins a neighbour."""

LONG: Final = 4 / 3
"""A cut over this part of a clip is divided."""

Joints = Callable[[str, Span], list[int]]


class Cutter:
    """Cuts one readable text for clips of `clip` milliseconds into at most `most` scenes."""

    def __init__(self, text: str, clip: int, most: int) -> None:
        self.text = text
        self.clip = clip
        self.most = most
        self.time = SpokenTime(text)
        self._language = sentences.language(text)
        self._sentences: dict[Span, list[Span]] = {}

    def cut(self, reading: Reading) -> list[Span]:
        """The spans of one scene each, from what a reader found in this text."""
        return self._by_author(reading.cuts) if reading.by_author else self._by_size(reading.cuts[0])

    def _by_author(self, cuts: Sequence[Span]) -> list[Span]:
        """The author's own cuts, joined and divided only as far as clips ask for it."""
        blocks = self._without_short(cuts)
        if len(blocks) >= self.most:
            return self._joined(blocks, self.most)
        return self._divided(blocks, [self._clips(block, LONG) for block in blocks])

    def _by_size(self, whole: Span) -> list[Span]:
        """Sentences gathered up to the size of a clip."""
        return self._divided([whole], [self._clips(whole, 1)])

    def sentences(self, block: Span) -> list[Span]:
        """The sentences of a block; none reaches over a blank line."""
        if block not in self._sentences:
            found = (self._cut(paragraph, self._sentence_cuts) for paragraph in self._paragraphs(block))
            self._sentences[block] = [*chain.from_iterable(found)]
        return self._sentences[block]

    def opening(self, block: Span) -> Span:
        """The first sentence of a block, or the first few while they say too little."""
        end = block.start
        for sentence in self.sentences(block):
            end = sentence.end
            if self.time(Span(block.start, end)) >= self.clip * SHORT:
                break
        return Span(block.start, end)

    def is_long(self, block: Span) -> bool:
        """Whether a block is too long for one clip."""
        return self.time(block) > self.clip * LONG

    def _clips(self, block: Span, tolerance: float) -> int:
        """How many clips a block asks for."""
        if self.time(block) <= self.clip * tolerance:
            return 1
        parts = self._fine_enough(self.sentences(block), self.clip)
        return gathered([self.time(part) for part in parts], self.clip)

    def _without_short(self, cuts: Sequence[Span]) -> list[Span]:
        """Runs of short cuts gathered into clips; what stays short joins the shorter of its neighbours."""
        limit = self.clip * SHORT
        blocks: list[Span] = []
        for run in _runs(cuts, lambda cut: self.time(cut) < limit):
            if self.time(run[0]) >= limit:
                blocks += run
            else:
                blocks += self._joined(run, gathered([self.time(cut) for cut in run], self.clip))
        kept: list[Span] = []
        for block, following in pairwise([*blocks, None]):
            assert block is not None  # noqa: S101  only the last is None
            previous = kept[-1] if kept else None
            if previous and self._joins_back(previous, block, following):
                kept[-1] = Span(previous.start, block.end)
            else:
                kept.append(block)
        return kept

    def _joins_back(self, previous: Span, block: Span, following: Span | None) -> bool:
        """Whether a short block belongs to the one before it, or one left short takes in the one after it."""
        limit = self.clip * SHORT
        if self.time(previous) < limit:
            return True
        return self.time(block) < limit and (following is None or self.time(previous) <= self.time(following))

    def _divided(self, blocks: list[Span], wanted: list[int]) -> list[Span]:
        """Each block in as many pieces as it wants and `most` permits: the longest pieces are divided first."""
        granted = [1] * len(blocks)
        for _ in range(self.most - len(blocks)):
            open_ = [i for i in range(len(blocks)) if granted[i] < wanted[i]]
            if not open_:
                break
            granted[max(open_, key=lambda i: self.time(blocks[i]) / granted[i])] += 1
        return [piece for block, count in zip(blocks, granted, strict=True) for piece in self._split(block, count)]

    def _split(self, block: Span, count: int) -> list[Span]:
        """One block in `count` even pieces, between paragraphs where that is even enough, else between sentences."""
        if count == 1:
            return [block]
        share = max(self.clip, -(-self.time(block) // count))
        pieces: list[Span] = []
        for parts in (self._paragraphs(block), self.sentences(block)):
            pieces = self._joined(self._fine_enough(parts, share), count)
            if len(pieces) == count and max(map(self.time, pieces)) <= share * LONG:
                break
        return self._without_scraps(pieces, share)

    def _without_scraps(self, pieces: list[Span], share: int) -> list[Span]:
        """Pieces too short for a clip of their own joined to the one before or after, where that is not too long."""
        kept: list[Span] = []
        for piece in pieces:
            both = Span(kept[-1].start, piece.end) if kept else piece
            scrap = kept and min(self.time(kept[-1]), self.time(piece)) < self.clip * SHORT
            if scrap and self.time(both) <= share * LONG:
                kept[-1] = both
            else:
                kept.append(piece)
        return kept

    def _fine_enough(self, parts: list[Span], share: int) -> list[Span]:
        """The parts, those too long for a share in even pieces of it, made at the coarsest joints that help."""
        for joints in (self._sentence_cuts, sentences.clause_cuts, sentences.word_cuts, sentences.character_cuts):
            if all(self.time(part) <= share * LONG for part in parts):
                break
            parts = [piece for part in parts for piece in self._evenly(part, joints, share)]
        return parts

    def _evenly(self, part: Span, joints: Joints, share: int) -> list[Span]:
        if self.time(part) <= share * LONG:
            return [part]
        return self._joined(self._cut(part, joints), -(-self.time(part) // share))

    def _joined(self, blocks: Sequence[Span], count: int) -> list[Span]:
        """Neighbours joined into at most `count` spans whose largest is as small as can be."""
        ends = partition([self.time(block) for block in blocks], count)
        return [Span(blocks[start].start, blocks[end - 1].end) for start, end in pairwise([0, *ends])]

    def _paragraphs(self, block: Span) -> list[Span]:
        first = bisect_right(self._joints, block.start)
        return between(self.text, block, self._joints[first : bisect_left(self._joints, block.end)])

    @cached_property
    def _joints(self) -> list[int]:
        """Where paragraphs begin, save those under a heading or a speaker's name."""
        found = (trimmed(self.text, *paragraph) for paragraph in sentences.paragraphs(self.text))
        return [span.start for span in found if span and not sentences.follows_cue(self.text, span.start)]

    def _sentence_cuts(self, text: str, span: Span) -> list[int]:
        return sentences.sentence_cuts(text, span, self._language)

    def _cut(self, span: Span, joints: Joints) -> list[Span]:
        """A span at its joints, save those that would tear a character or a quotation that fits into a clip."""
        cuts = sorted({cut for cut in joints(self.text, span) if cut in self._graphemes and not self._quoted[cut]})
        return between(self.text, span, cuts)

    @cached_property
    def _graphemes(self) -> frozenset[int]:
        return sentences.graphemes(self.text)

    @cached_property
    def _quoted(self) -> bytearray:
        """For each place whether it lies within a quotation that fits into a clip."""
        inside = bytearray(len(self.text) + 1)
        marked_to = 0
        for start, end in sorted(quotations(self.text), key=lambda quotation: (quotation.start, -quotation.end)):
            if end > marked_to and self.time(Span(start, end)) <= self.clip:
                inside[start + 1 : end] = b"\x01" * (end - start - 1)
                marked_to = end
        return inside


def _runs(cuts: Sequence[Span], is_short: Callable[[Span], bool]) -> list[list[Span]]:
    """Neighbouring short cuts together, every other cut alone."""
    runs: list[list[Span]] = []
    for cut in cuts:
        if runs and is_short(cut) and is_short(runs[-1][-1]):
            runs[-1].append(cut)
        else:
            runs.append([cut])
    return runs
