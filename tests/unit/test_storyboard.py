"""Every strategy and every rule of cutting, by example: nine seconds hold 23 words, a third of it 7, four thirds 31."""

import pytest
from pydantic import ValidationError

from tasks.options import VideoOptions
from tasks.prompts import DEFAULT_SCENES, LONGEST_SETTING, shortened
from tasks.storyboard import SceneDraft, Storyboard, Strategy, make_storyboard
from tasks.styles import STYLES

HARBOUR = "The harbour sleeps under the fog and one bell rings twice."
BOAT = "A boat comes in with nobody at the wheel, and it is singing."
CHILD = "A child in yellow boots runs down the pier to catch the rope."


def words(count: int, stop: str = ".") -> str:
    return " ".join(["word"] * count) + stop


def cut(script: str, **options: object) -> Storyboard:
    return make_storyboard(script, VideoOptions.model_validate(options))


def cards(script: str, **options: object) -> list[str]:
    return [scene.description for scene in cut(script, **options).scenes]


@pytest.mark.parametrize(
    ("strategy", "script", "expected"),
    [
        ("screenplay", f"EXT. PIER - DAWN\n\n{HARBOUR}\n\nINT. BOAT - DAY\n\n{BOAT}", None),
        ("screenplay", f"Int. pier - dawn\n{HARBOUR}\nExt. boat\n{BOAT}", None),
        ("screenplay", f"INT./EXT. CAR - NIGHT\n{HARBOUR}\n\nI/E. BOAT - DAY\n{BOAT}", None),
        ("screenplay", f"EXT. PIER - DAWN #1#\n{HARBOUR}\n\nINT BOAT\n{BOAT}", None),
        ("screenplay", f".THE PIER\n{HARBOUR}\n\n.THE BOAT\n{BOAT}", [f"THE PIER\n{HARBOUR}", f"THE BOAT\n{BOAT}"]),
        ("screenplay", f"ИНТ. КУХНЯ - НОЧЬ\n{HARBOUR}\n\nНАТ. КРЫША - РАССВЕТ\n{BOAT}", None),
        ("screenplay", f"INNEN. KÜCHE - NACHT\n{HARBOUR}\n\nAUSSEN. HOF - TAG\n{BOAT}", None),
        ("screenplay", f"INT. KITCHEN - DAY\n\n{HARBOUR}", [f"INT. KITCHEN - DAY\n{HARBOUR}"]),
        ("markers", f"Scene 1: {HARBOUR}\nScene 2: {BOAT}", [HARBOUR, BOAT]),
        ("markers", f"Scene 1: {HARBOUR} Scene 2: {BOAT}", [HARBOUR, BOAT]),
        ("markers", f"SCENE ONE\n{HARBOUR}\n\nSCENE TWO\n{BOAT}", [HARBOUR, BOAT]),
        ("markers", f"**Scene 1 – Fog**\n{HARBOUR}\n**Scene 2 – Boat**\n{BOAT}", [f"Fog\n{HARBOUR}", f"Boat\n{BOAT}"]),
        ("markers", f"[Shot 1] - {HARBOUR}\n[Shot 2] - {BOAT}", [HARBOUR, BOAT]),
        ("markers", f"Chapter I.\n{HARBOUR}\nChapter II.\n{BOAT}", [HARBOUR, BOAT]),
        ("markers", f"Szene 1: {HARBOUR}\nSzene 2: {BOAT}", [HARBOUR, BOAT]),
        ("markers", f"Сцена 1. {HARBOUR}\nСцена 2. {BOAT}", [HARBOUR, BOAT]),
        ("markers", f"第一场：{HARBOUR}\n第二场：{BOAT}", [HARBOUR, BOAT]),
        ("markers", f"シーン１：{HARBOUR}\nシーン２：{BOAT}", [HARBOUR, BOAT]),
        ("markers", f"مشهد ١: {HARBOUR}\nمشهد ٢: {BOAT}", [HARBOUR, BOAT]),
        ("markers", f"# Fog\n{HARBOUR}\n# Boat\n{BOAT}", [f"Fog\n{HARBOUR}", f"Boat\n{BOAT}"]),
        ("markers", f"{HARBOUR}\n\n* * *\n\n{BOAT}", [HARBOUR, BOAT]),
        ("markers", f"{HARBOUR}\n---\n{BOAT}\n---\n{CHILD}", [HARBOUR, BOAT, CHILD]),
        ("markers", f"1. {HARBOUR}\n2. {BOAT}\n3. {CHILD}", [HARBOUR, BOAT, CHILD]),
        ("paragraphs", f"{HARBOUR}\n\n{BOAT}", [HARBOUR, BOAT]),
        ("paragraphs", f"{HARBOUR}\r\n \t\r\n{BOAT}\r\n", [HARBOUR, BOAT]),
        ("paragraphs", f"{HARBOUR}\n{BOAT}\n{CHILD}", [HARBOUR, BOAT, CHILD]),
        ("paragraphs", f"{HARBOUR}\u2029{BOAT}", [HARBOUR, BOAT]),
        (
            "paragraphs",
            f"Scene 3 was {HARBOUR}\n\nScene 4 was {BOAT}",
            [f"Scene 3 was {HARBOUR}", f"Scene 4 was {BOAT}"],
        ),
        ("paragraphs", f"Est arrivé. {HARBOUR}\n\nInt is no slugline. {BOAT}", None),
        ("paragraphs", f"3. {HARBOUR}\n7. {BOAT}", [f"3. {HARBOUR}", f"7. {BOAT}"]),
        ("sentences", f"{HARBOUR} {BOAT}", [HARBOUR, BOAT]),
        ("sentences", HARBOUR, [HARBOUR]),
        ("sentences", "The harbour sleeps\nunder the fog and one bell\nrings twice.", None),
        ("characters", words(60, ""), [words(20, "")] * 3),
        ("characters", "猫" * 90, ["猫" * 30] * 3),
        ("characters", "a" * 900, None),
        ("default", "", list(DEFAULT_SCENES)),
        ("default", " \n\t\u3000\x1c", list(DEFAULT_SCENES)),
    ],
)
def test_the_first_strategy_that_applies_cuts(strategy: str, script: str, expected: list[str] | None) -> None:
    storyboard = cut(script)
    assert storyboard.strategy == strategy
    if strategy in ("screenplay", "paragraphs") and expected is None:
        assert len(storyboard.scenes) == 2
    if expected is not None:
        assert [scene.description for scene in storyboard.scenes] == expected


def test_it_says_why_the_strategies_before_did_not_fire() -> None:
    passed = {passed.strategy: passed.reason for passed in cut("猫" * 90).passed_over}
    assert list(passed) == list(Strategy)[:5]
    assert passed[Strategy.PARAGRAPHS] == "It is a single paragraph."
    assert passed[Strategy.SENTENCES] == "It is a single sentence, too long for one scene."
    assert all(reason.endswith(".") and reason.count(". ") == 0 for reason in list(passed.values())[2:])


@pytest.mark.parametrize(
    ("paragraphs", "most", "expected"),
    [
        pytest.param([20, 8, 31, 12], 7, [20, 8, 31, 12], id="the author's cuts are kept"),
        pytest.param([20, 4, 30], 7, [24, 30], id="a short one joins the shorter neighbour before it"),
        pytest.param([30, 4, 20], 7, [30, 24], id="or after it"),
        pytest.param([4, 20, 20], 7, [24, 20], id="a title joins what it entitles"),
        pytest.param([20, 20, 4], 7, [20, 24], id="the last one joins the one before"),
        pytest.param([4, 4, 4, 4], 7, [16], id="short ones gather up to a clip"),
        pytest.param([6] * 8, 7, [18, 12, 18], id="and no further, evenly"),
        pytest.param([15] * 10, 5, [30] * 5, id="neighbours join evenly when there are too many"),
        pytest.param([15] * 3, 1, [45], id="into one scene if need be"),
        pytest.param([10, 10, 30, 10, 10], 3, [20, 30, 20], id="so that the longest is as short as can be"),
    ],
)
def test_paragraphs_join(paragraphs: list[int], most: int, expected: list[int]) -> None:
    script = "\n\n".join(words(count) for count in paragraphs)
    assert [len(card.split()) for card in cards(script, maxScenes=most)] == expected


@pytest.mark.parametrize(
    ("paragraphs", "most", "expected"),
    [
        pytest.param([[20, 20]], 7, [20, 20], id="at the sentence"),
        pytest.param([[10, 10, 10, 10], [12]], 7, [20, 20, 12], id="evenly"),
        pytest.param([[20, 20, 20], [20]], 3, [40, 20, 20], id="as far as there is room"),
        pytest.param([[20, 20, 20], [20, 20]], 3, [40, 20, 40], id="the longest first"),
        pytest.param([[20, 20], [20]], 2, [40, 20], id="not without room"),
        pytest.param([[40], [10]], 7, [20, 20, 10], id="within a sentence that is too long itself"),
    ],
)
def test_long_paragraphs_part(paragraphs: list[list[int]], most: int, expected: list[int]) -> None:
    script = "\n\n".join(" ".join(words(count).capitalize() for count in counts) for counts in paragraphs)
    got = [len(card.split()) for card in cards(script, maxScenes=most)]
    assert sorted(got) == sorted(expected)
    assert len(got) <= most


def test_a_divided_scene_parts_between_its_paragraphs_where_that_is_even_enough() -> None:
    first, second = ([6, 6], [4, 10, 10])
    script = "\n\n".join(" ".join(words(count).capitalize() for count in counts) for counts in (first, second))
    assert [len(card.split()) for card in cards(f"INT. TRAM - NIGHT\n\n{script}")] == [4 + 12, 24]


def test_an_initial_ends_no_sentence() -> None:
    script = (
        "Hier soir la vieille voisine du troisième a longuement salué le bon M. Dupont "
        "dans la cour sous la pluie avec son chat et son parapluie."
    )
    assert cards(script) == [script]


def test_a_mark_is_not_torn_from_its_comma() -> None:
    script = "雨が降って猫が鳴いて、\u0301" * 12
    starts = [scene.start for scene in cut(script).scenes]
    assert len(starts) > 2
    assert all(script[start] != "\u0301" for start in starts if start is not None)


def test_a_mark_is_not_torn_from_the_space_it_stands_on() -> None:
    script = "b" + " \u0301b" * 90
    starts = [scene.start for scene in cut(script).scenes]
    assert len(starts) > 2
    assert all(script[start] != "\u0301" for start in starts if start is not None)
    assert cut(f"{HARBOUR}\n\n \u0301{BOAT}").scenes[1].start == len(HARBOUR) + 2


def test_a_long_sentence_parts_at_its_commas() -> None:
    halves = (
        "The old fox went down to the river before sunrise to look for his hat,",
        "but the water had already carried it past the mill and out to the sea where gulls wear hats.",
    )
    assert cards(" ".join(halves)) == list(halves)


def test_a_cue_stays_with_its_line() -> None:
    script = "INT. TRAM - NIGHT\n\n" + "\n\n".join(f"NORA\n{words(9).capitalize()}" for _ in range(6))
    for card in cards(script):
        assert card.endswith("word.")
        assert "NORA" in card


def test_a_screenplay_films_no_titles_notes_or_transitions() -> None:
    script = (
        "Title: The Last Tram\nAuthor: N. N.\n\nFADE IN:\n\nEXT. TERMINUS - NIGHT #1#\n\n"
        "Rain. [[heavy]] A tram /* green */ waits for somebody to come.\n\nCUT TO:\n\n"
        "INT. TRAM - DAWN\n\nEmpty benches, and a snail in a jar.\n\n> THE END <"
    )
    storyboard = cut(script)
    assert [scene.description for scene in storyboard.scenes] == [
        "EXT. TERMINUS - NIGHT\nRain. A tram waits for somebody to come.",
        "INT. TRAM - DAWN\nEmpty benches, and a snail in a jar.\nTHE END",
    ]
    assert storyboard.setting == "Terminus, night"
    assert storyboard.scenes[0].start == 0
    assert storyboard.scenes[-1].end == len(script)


def test_every_piece_of_a_divided_scene_knows_its_place() -> None:
    script = "EXT. HARBOUR - DAWN\n\n" + " ".join([words(20).capitalize()] * 3)
    prompts = [scene.prompt for scene in cut(script).scenes]
    assert len(prompts) == 3
    assert all(prompt.startswith("EXT. HARBOUR - DAWN\n") for prompt in prompts)


def test_a_third_of_the_words_fit_into_a_shorter_clip() -> None:
    script = " ".join([words(12).capitalize()] * 4)
    assert len(cards(script, duration="9s")) == 4
    assert len(cards(" ".join([words(11).capitalize()] * 4), duration="9s")) == 2
    assert len(cards(" ".join([words(11).capitalize()] * 4), duration="5s")) == 4


def test_prompts_carry_words_setting_and_style() -> None:
    prompts = [scene.prompt for scene in cut(f"{HARBOUR}\n\n{BOAT}", style="noir", setting="A port in\n 1911").scenes]
    assert prompts == [f"{text}\n\nSetting: A port in 1911.\n\nStyle: {STYLES['noir']}." for text in (HARBOUR, BOAT)]


def test_the_opening_is_the_setting_when_nobody_says_another() -> None:
    storyboard = cut(f"{HARBOUR} Then nothing.\n\n{BOAT}")
    assert storyboard.setting == HARBOUR
    assert storyboard.scenes[0].prompt.count(HARBOUR) == 1
    assert HARBOUR in storyboard.scenes[1].prompt
    assert len(cut(words(200) + "\n\n" + BOAT).setting or "") <= LONGEST_SETTING


def test_a_prompt_fits_luma_however_long_the_scene() -> None:
    storyboard = cut(" ".join([words(12).capitalize()] * 300), maxScenes=1, setting="x" * 500)
    assert len(storyboard.scenes[0].prompt) <= 5_000
    assert "word.…" in storyboard.scenes[0].prompt
    assert len(storyboard.scenes[0].description) > 15_000


@pytest.mark.parametrize(
    ("text", "most", "expected"),
    [
        ("short", 10, "short"),
        ("One two. Three four five.", 12, "One two.…"),
        ("one two three four", 12, "one two…"),
        ("猫" * 20, 10, "猫" * 9 + "…"),
        ("👨‍👩‍👧‍👦" * 3, 16, "👨‍👩‍👧‍👦" * 2 + "…"),
    ],
)
def test_shortened(text: str, most: int, expected: str) -> None:
    assert shortened(text, most) == expected


def test_a_given_storyboard_is_taken_as_it_stands() -> None:
    drafts = [
        SceneDraft(prompt="Only this."),
        SceneDraft(description=BOAT, start=3, end=9),
        SceneDraft.model_validate(
            {"description": "d", "prompt": "ppp", "start": 5, "end": 4, "number": 9, "locked": 1}
        ),
    ]
    storyboard = make_storyboard(f"{HARBOUR}\n\n{CHILD}", VideoOptions(max_scenes=1), drafts)
    first, second, third = storyboard.scenes
    assert (storyboard.strategy, storyboard.passed_over) == (Strategy.GIVEN, ())
    assert (first.number, first.description, first.prompt, first.start) == (1, "Only this.", "Only this.", None)
    assert second.prompt.startswith(BOAT)
    assert HARBOUR in second.prompt
    assert (second.start, second.end) == (3, 9)
    assert (third.number, third.description, third.prompt, third.start, third.end) == (3, "d", "ppp", None, None)


@pytest.mark.parametrize(
    "draft",
    [
        {},
        {"prompt": "", "description": " \n"},
        {"prompt": "ab"},
        {"prompt": "x" * 5_001},
        {"description": "a\0b"},
        {"prompt": "abc\ud800"},
        {"prompt": 7},
    ],
)
def test_a_draft_says_something_that_luma_takes(draft: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SceneDraft.model_validate(draft)


def test_the_wire_is_camel_case() -> None:
    wire = cut(HARBOUR).model_dump(by_alias=True, mode="json")
    assert set(wire) == {"strategy", "passedOver", "style", "setting", "scenes"}
    assert set(wire["scenes"][0]) == {"number", "description", "prompt", "start", "end", "durationSeconds"}
    assert wire["scenes"][0]["durationSeconds"] == 9


def test_default_scenes_keep_to_the_most_that_was_asked_for() -> None:
    assert cards("", maxScenes=2) == list(DEFAULT_SCENES[:2])
    assert [scene.start for scene in cut("").scenes] == [None] * 5
