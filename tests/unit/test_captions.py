import re
from html import unescape
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tasks.captions import LINE_COLUMNS, LINES, Spoken, cues, webvtt
from tasks.wrapping import columns, one_line, wrap

TIMING = re.compile(r"(\d{2,}):([0-5]\d):([0-5]\d)\.(\d{3}) --> (\d{2,}):([0-5]\d):([0-5]\d)\.(\d{3})")
scenes_of_a_film = st.lists(st.tuples(st.integers(1, 20_000), st.text(max_size=400)), min_size=1, max_size=8)


def spoken(lengths_and_texts: list[tuple[int, str]]) -> list[Spoken]:
    scenes, start = [], 0
    for length, text in lengths_and_texts:
        scenes.append(Spoken(start, start + length, text))
        start += length
    return scenes


def parsed(file: str) -> list[tuple[int, int, str]]:
    """A reader that holds the file to the format: a header, then blocks of a timing line and lines of text."""
    header, *blocks = file.removesuffix("\n").split("\n\n")
    assert header == "WEBVTT"
    found = []
    for block in blocks:
        timing, *lines = block.split("\n")
        matched = TIMING.fullmatch(timing)
        assert matched, timing
        h1, m1, s1, t1, h2, m2, s2, t2 = map(int, matched.groups())
        assert lines
        assert not any("-->" in line or "<" in line for line in lines)
        text = " ".join(unescape(line) for line in lines)
        found.append((((h1 * 60 + m1) * 60 + s1) * 1000 + t1, ((h2 * 60 + m2) * 60 + s2) * 1000 + t2, text))
    return found


@given(scenes_of_a_film)
def test_cues_are_in_order_apart_and_inside_their_scene(film: list[tuple[int, str]]) -> None:
    for scene in spoken(film):
        found = list(cues(scene))
        assert all(cue.start < cue.end for cue in found)
        assert all(a.end == b.start for a, b in pairwise(found))
        if one_line(scene.text):
            assert (found[0].start, found[-1].end) == (scene.start, scene.end)
        else:
            assert not found


@given(scenes_of_a_film)
def test_the_file_reads_back_whole(film: list[tuple[int, str]]) -> None:
    file = webvtt(spoken(film))
    found = parsed(file.encode().decode())
    assert all(a[1] <= b[0] for a, b in pairwise(found))
    said = "".join("".join(text.split()) for _, _, text in found)
    assert said == "".join("".join(one_line(text).split()) for _, text in film)


@given(st.text(max_size=600), st.integers(2_000, 9_000))
def test_cues_are_readable(text: str, length: int) -> None:
    for cue in cues(Spoken(0, length, text)):
        assert 1 <= len(cue.lines) <= LINES
        for line in cue.lines:
            # only a single grapheme may be wider: there is nothing to break
            assert columns(line) <= LINE_COLUMNS or len(wrap(line, 1)) == 1


def test_a_short_last_cue_stays_long_enough_to_be_read() -> None:
    found = list(cues(Spoken(0, 9_000, "word " * 16 + "and then, at the very end of all of it, home.")))
    assert found[-1].end - found[-1].start > 1_000


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("A boat & a <b>storm</b> --> home", ("A boat & a <b>storm</b> --> home",)),
        ("one\n\ntwo\u2028three\x00four", ("one two three four",)),
        ("灯台守は階段を上り、海を見渡す。赤い帆の船が風と戦っている。",
         ("灯台守は階段を上り、海を見渡す。赤い帆の船", "が風と戦っている。")),
    ],
)  # fmt: skip
def test_examples(text: str, lines: tuple[str, ...]) -> None:
    (cue,) = cues(Spoken(0, 9_000, text))
    assert cue.lines == lines


def test_punctuation_is_never_parted_from_its_character() -> None:
    for limit in range(8, 40):
        for line in wrap("「もう少しだ」と彼は言った。（風が強い！）海は、暗い。", limit):
            assert line[0] not in "、。」）！"
            assert line[-1] not in "「（"


@given(st.text(), st.integers(1, 60))
@example("⺀ 0", 1)  # wider than a line by itself
def test_wrapping_loses_nothing_and_keeps_to_the_limit(text: str, limit: int) -> None:
    lines = wrap(text, limit)
    assert "".join("".join(lines).split()) == "".join(one_line(text).split())
    assert all(line and line == line.strip() for line in lines)


def test_words_stay_whole_where_they_fit() -> None:
    text = "The lighthouse keeper climbs the stair and looks out over the sea"
    for limit in range(10, 60):
        assert " ".join(wrap(text, limit)) == text
        assert all(columns(line) <= limit for line in wrap(text, limit))
