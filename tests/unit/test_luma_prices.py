"""Sizes and prices."""

from pathlib import Path

import pytest

from tasks.luma import PRICES, SIZES, Prices, PricesInvalid
from tasks.options import AspectRatio, Duration, Model, Resolution, VideoOptions


@pytest.mark.parametrize(
    ("model", "resolution", "duration", "cents"),
    [
        # as Luma's price page rounds them, for 16:9
        (Model.RAY_2, Resolution.P540, Duration.FIVE, 40),
        (Model.RAY_2, Resolution.P720, Duration.FIVE, 71),
        (Model.RAY_2, Resolution.P720, Duration.NINE, 127),
        (Model.RAY_2, Resolution.P1080, Duration.FIVE, 159),
        (Model.RAY_FLASH_2, Resolution.P720, Duration.FIVE, 24),
    ],
)
def test_prices_in_cents(model: Model, resolution: Resolution, duration: Duration, cents: int) -> None:
    options = VideoOptions(model=model, resolution=resolution, duration=duration)
    assert round(PRICES.price_micros(options) / 10_000) == cents


def test_prices_are_whole_micro_dollars() -> None:
    assert PRICES.price_micros(VideoOptions(duration=Duration.FIVE)) == 707_789  # 707 788.8


def test_every_choice_has_a_size_of_its_shape_and_a_price() -> None:
    for resolution in Resolution:
        for ratio in AspectRatio:
            width, height = SIZES[resolution, ratio]
            across, down = map(int, ratio.split(":"))
            assert width % 2 == height % 2 == 0
            assert width / height == pytest.approx(across / down, rel=0.002)
            assert SIZES[resolution, AspectRatio(f"{down}:{across}")] == (height, width)
            assert PRICES.price_micros(VideoOptions(resolution=resolution, aspect_ratio=ratio)) > 0


def test_no_file_means_the_built_in_table() -> None:
    assert Prices.load(None) is PRICES


def test_an_operators_table_replaces_it(tmp_path: Path) -> None:
    path = tmp_path / "prices.json"
    path.write_text(
        '{"source": "our contract", "as_of": "2026-11-01", "usd_per_million_pixels": {"ray-2": 0.01, "ray-flash-2": 0}}'
    )
    prices = Prices.load(path)
    assert prices.price_micros(VideoOptions(duration=Duration.FIVE)) == 1280 * 720 * 120 // 100
    assert prices.price_micros(VideoOptions(model=Model.RAY_FLASH_2)) == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "Invalid JSON"),
        ("{", "Invalid JSON"),
        ("[]", "the file"),
        ("{}", "source"),
        ('{"source": "x", "as_of": "soon", "usd_per_million_pixels": {}}', "as_of"),
        (
            '{"source": "x", "as_of": "2026-11-01", "usd_per_million_pixels": {"ray-2": 0.01}}',
            "no price for ray-flash-2",
        ),
        ('{"source": "x", "as_of": "2026-11-01", "usd_per_million_pixels": {"ray-2": -1, "ray-flash-2": 0}}', "ray-2"),
        ('{"source": "x", "as_of": "2026-11-01", "usd_per_million_pixels": {"ray-9": 0.1}}', "ray-9"),
        ('{"source": "x", "as_of": "2026-11-01", "usd_per_million_pixels": {}, "typo": 1}', "usd_per_million_pixels"),
    ],
)
def test_a_bad_file_is_explained(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "prices.json"
    path.write_text(text)
    with pytest.raises(PricesInvalid, match=words) as caught:
        Prices.load(path)
    assert "\n" not in str(caught.value)
    assert "prices.json" in str(caught.value)


def test_a_missing_file_is_explained(tmp_path: Path) -> None:
    with pytest.raises(PricesInvalid, match="can't be read: No such file"):
        Prices.load(tmp_path / "none.json")
