"""What holds for every script whatever."""

from itertools import pairwise

import regex
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tasks.options import MAX_PROMPT, MIN_PROMPT, VideoOptions
from tasks.spans import Span, readable
from tasks.speech import UNSPACED, SpokenTime
from tasks.storyboard import SceneDraft, Storyboard, Strategy, make_storyboard

LETTER = regex.compile(rf"[^\W{UNSPACED}]")
LONG_RUN = regex.compile(rf"[^\W{UNSPACED}]{{100,}}")

pieces = st.sampled_from(
    [
        *(
            "The lamp went out. ",
            "“Who is there? Nobody.” ",
            "„Wo? Hier!“ ",
            "« Où ? » dit-il. ",
            "https://a.example/b?c=d ",
        ),
        *(
            "他走了。",
            "「どこ？」",
            "雨が降る",
            "เขาไปแล้ว ",
            "वह गया। ",
            "أين أنت؟ ",
            "ㅤ",
            "ᄀ",
            "क्ष",
            "J. K. ",
            "3.5 km ",
            "don’t ",
        ),
        *(
            "\n\n",
            "\n",
            "\r\n\r\n",
            "INT. KITCHEN - DAY\n",
            ".ATTIC\n",
            "Scene 3: ",
            "\nScene 4:\n",
            "* * *\n",
            "1. ",
            "# ",
        ),
        *(
            "Title: x\n",
            "CUT TO:\n\n",
            "[[note]]",
            "/* cut",
            "*/",
            "BOB\nHello there.\n",
            "a" * 130,
            '"',
            "“",
            "”",
            "…",
        ),
        *(
            "👨‍👩‍👧‍👦",
            "🇫🇷",
            "e\u0301",
            *(" \u0301", " \u0301b" * 40),
            "\u200d",
            "\u202e",
            "\ufeff",
            "\0",
            "\ud800",
            "\udc00",
            "\x1c",
            "\x85",
            "\u2028",
            "\xa0",
        ),
    ]
)
anything = st.text(st.characters(exclude_categories=()), max_size=400)
built = st.lists(pieces, max_size=60).map("".join)
mixed = st.lists(st.one_of(pieces, anything), max_size=12).map("".join)
scripts = st.one_of(anything, built, mixed)
options = st.builds(
    VideoOptions,
    max_scenes=st.integers(1, 40),
    duration=st.sampled_from(["5s", "9s"]),
    style=st.sampled_from(["cinematic", "noir"]),
    setting=st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=500),
)


@given(scripts, options)
@example("\0", VideoOptions())
@example("\ud83d", VideoOptions())
@example("[[a]]\nINT. A\n/* b */", VideoOptions())
@example("\u0301", VideoOptions(max_scenes=1))
@example("Scene 1:\nScene 2:", VideoOptions())
@settings(deadline=None, max_examples=300)
def test_every_script_has_a_whole_storyboard(script: str, options: VideoOptions) -> None:
    storyboard = make_storyboard(script, options)
    assert 1 <= len(storyboard.scenes) <= options.max_scenes
    assert [scene.number for scene in storyboard.scenes] == list(range(1, len(storyboard.scenes) + 1))
    assert (storyboard.strategy is Strategy.DEFAULT) is (not script.strip())
    assert [passed.strategy for passed in storyboard.passed_over] == list(Strategy)[: len(storyboard.passed_over)]
    assert list(Strategy).index(storyboard.strategy) == len(storyboard.passed_over)
    for scene in storyboard.scenes:
        assert scene.description.strip()
        assert MIN_PROMPT <= len(scene.prompt) <= MAX_PROMPT
        assert "\0" not in scene.prompt + scene.description
        assert not storyboard.setting or storyboard.setting in scene.prompt
    assert Storyboard.model_validate_json(storyboard.model_dump_json(by_alias=True)) == storyboard


@given(scripts, options)
@settings(deadline=None, max_examples=300)
def test_spans_are_in_order_disjoint_and_hold_every_character(script: str, options: VideoOptions) -> None:
    storyboard = make_storyboard(script, options)
    if storyboard.strategy is Strategy.DEFAULT:
        assert {(scene.start, scene.end) for scene in storyboard.scenes} == {(None, None)}
        return
    held: set[int] = set()
    end = 0
    for scene in storyboard.scenes:
        assert scene.start is not None
        assert scene.end is not None
        assert end <= scene.start < scene.end <= len(script)
        held.update(range(scene.start, scene.end))
        end = scene.end
    assert [at for at, letter in enumerate(script) if not letter.isspace() and at not in held] == []


@given(scripts, options)
@settings(deadline=None, max_examples=300)
def test_no_cut_falls_into_a_word_or_a_character(script: str, options: VideoOptions) -> None:
    text = readable(script)
    characters = {found.start() for found in regex.finditer(r"\X", text)}
    runs = [found.span() for found in LONG_RUN.finditer(text)]
    for scene in make_storyboard(script, options).scenes[1:]:
        cut = scene.start
        if cut is None:
            continue
        assert cut in characters
        inside = bool(LETTER.match(text, cut - 1) and LETTER.match(text, cut))
        assert not inside or any(start < cut < end for start, end in runs)


@given(scripts, options)
@settings(deadline=None, max_examples=100)
def test_the_same_script_gives_the_same_storyboard_and_comes_back_unchanged(script: str, options: VideoOptions) -> None:
    storyboard = make_storyboard(script, options)
    assert make_storyboard(script, options) == storyboard
    drafts = [SceneDraft.model_validate(scene.model_dump(by_alias=True)) for scene in storyboard.scenes]
    again = make_storyboard(script, options, drafts)
    assert again.strategy is Strategy.GIVEN
    assert again.scenes == storyboard.scenes
    assert again.setting == storyboard.setting


words = st.integers(3, 9).map(lambda count: " ".join(["lantern"] * count))
sentences = st.one_of(words.map("The {}.".format), words.map("“{}? Yes. Oh!”".format), words.map("„{}! Nein.“".format))


@given(st.lists(sentences, min_size=1, max_size=80), options)
@settings(deadline=None, max_examples=200)
def test_no_cut_falls_into_a_quotation_that_fits(parts: list[str], options: VideoOptions) -> None:
    script = " ".join(parts)
    at, quoted = 0, []
    for part in parts:
        if part[0] in "“„":
            quoted.append((at, at + len(part)))
        at += len(part) + 1
    for scene in make_storyboard(script, options).scenes[1:]:
        assert scene.start is not None
        assert not any(start < scene.start < end for start, end in quoted)


@given(st.lists(st.integers(8, 31), min_size=2, max_size=40), st.integers(0, 3))
@settings(deadline=None)
def test_the_authors_paragraphs_are_kept_while_they_suit_a_clip(lengths: list[int], room: int) -> None:
    paragraphs = [" ".join(["word"] * length) + "." for length in lengths]
    most = min(len(lengths) + room, 40)
    storyboard = make_storyboard("\n\n".join(paragraphs), VideoOptions(max_scenes=most))
    assert [scene.description for scene in storyboard.scenes] == paragraphs


@given(st.lists(st.integers(1, 23), min_size=1, max_size=60))
@settings(deadline=None, max_examples=200)
def test_gathered_sentences_fill_clips_and_none_overflows(lengths: list[int]) -> None:
    script = " ".join("W" + " w" * (length - 1) + "." for length in lengths)
    storyboard = make_storyboard(script, VideoOptions(max_scenes=40))
    words = [scene.description for scene in storyboard.scenes]
    seconds = [SpokenTime(spoken)(Span(0, len(spoken))) / 1000 for spoken in words]
    if len(storyboard.scenes) < 40:
        assert max(seconds) <= 9 * 4 / 3
        assert all(before + after > 9 * 0.99 for before, after in pairwise(seconds))
