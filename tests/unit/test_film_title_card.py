import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops

from tasks.title_card import title_card

TEXT = "The lighthouse keeper climbs the stair and looks out over the sea, where a boat fights the wind."
SIZES = [(1280, 720), (720, 1280), (720, 720), (960, 720), (720, 960), (1680, 720), (720, 1680), (3840, 2160), (64, 64)]
CUNEIFORM = "𒀀𒀁𒀂 𒀃𒀄"  # in none of the fonts that machines have


def written(card: Image.Image) -> tuple[int, int, int, int] | None:
    """The box around all that is drawn over the backdrop."""
    column = card.crop((0, 0, 1, card.height)).resize(card.size)
    return ImageChops.difference(card, column).getbbox()


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize(
    "text", [TEXT, TEXT * 12, "Go.", "x" * 900, ""], ids=["usual", "long", "short", "word", "none"]
)
def test_the_text_keeps_its_margins_at_every_size(width: int, height: int, text: str) -> None:
    card = title_card(3, text, width, height)
    assert (card.mode, card.size) == ("RGB", (width, height))
    box = written(card)
    assert box
    left, top, right, bottom = box
    assert left >= width * 0.05
    assert right <= width * 0.95
    assert top >= height * 0.02
    assert bottom <= height * 0.98
    assert abs((left + right) / 2 - width / 2) <= max(2, width * 0.02)


def test_cards_are_dark_and_calm() -> None:
    assert max(title_card(1, TEXT, 1280, 720).resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))) < 50  # type: ignore[type-var, arg-type]


def test_equal_scenes_have_equal_cards_and_others_have_not() -> None:
    card = title_card(1, TEXT, 320, 180).tobytes()
    assert title_card(1, TEXT, 320, 180).tobytes() == card
    assert title_card(2, TEXT, 320, 180).tobytes() != card
    assert title_card(1, TEXT[:-1], 320, 180).tobytes() != card


def test_what_no_font_draws_is_no_row_of_boxes() -> None:
    assert title_card(4, CUNEIFORM, 320, 180).tobytes() == title_card(4, "", 320, 180).tobytes()


def test_an_unknown_symbol_does_not_cost_the_words() -> None:
    assert title_card(4, "Come home 🪿🪿", 320, 180).tobytes() == title_card(4, "Come home", 320, 180).tobytes()


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=200), st.integers(16, 400), st.integers(16, 400))
def test_no_text_and_no_size_makes_it_raise(text: str, width: int, height: int) -> None:
    assert title_card(40, text, width, height).size == (width, height)
