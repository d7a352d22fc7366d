import asyncio
import subprocess
import sys
import textwrap
from collections.abc import Callable
from fractions import Fraction
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from uuid import UUID

import av
import orjson
import pytest
from PIL import Image, ImageChops, ImageStat

from tasks.clips import look_into
from tasks.film import ClipUnusable, FilmScene, assemble, inspect_clip, make_still
from tasks.ledger import Clip, Film, StoredFile
from tasks.media import MediaError, MediaStore, clip_key, still_key
from tasks.options import VideoOptions
from tests.unit.drawn_clips import draw_clip

JOB = UUID(int=7)
SCRIPT = "A lighthouse keeper climbs the stair. A boat with a red sail fights the wind."
FRAME = 1 / 24


@pytest.fixture
def store(tmp_path: Path) -> MediaStore:
    return MediaStore(tmp_path / "media")


@pytest.fixture
def draw(store: MediaStore, tmp_path: Path) -> Callable[..., FilmScene]:
    """Makes scene after scene: with a clip of the given shape, or without one."""
    made: list[FilmScene] = []

    def scene(*, missing: bool = False, seconds: float = 1.0, still: bool = False, **shape: object) -> FilmScene:
        number = len(made) + 1
        clip = None
        if not missing:
            path = draw_clip(tmp_path / f"{number}.mp4", seconds=seconds, **shape)  # type: ignore[arg-type]
            video = store.put_now(clip_key(JOB, number, UUID(int=number)), path)
            kept = store.put_now(still_key(JOB, number, UUID(int=number)), b"JPEG") if still else None
            info = look_into(path, "clip")
            clip = Clip(video, info.duration_seconds, info.width, info.height, kept)
        made.append(
            FilmScene(
                number=number,
                description=f"Scene {number}: a boat & the sea.",
                prompt=f"prompt {number}",
                duration_seconds=seconds,
                clip=clip,
                error="refused by moderation" if missing else None,
                generation_id=None if missing else f"generation-{number}",
                cost_micros=0 if missing else 710_000,
            )
        )
        return made[-1]

    return scene


async def film_of(store: MediaStore, scenes: list[FilmScene], **more: object) -> Film:
    return await assemble(
        store,
        job_id=JOB,
        title="The Lighthouse\nKeeper",
        script=SCRIPT,
        options=VideoOptions(),
        storyboard_strategy="sentences",
        scenes=scenes,
        **more,  # type: ignore[arg-type]
    )


def frames(path: Path) -> list[tuple[float, Image.Image]]:
    """Every frame, decoded, with its time; asserts that time runs forward without gaps of over a frame."""
    with av.open(str(path)) as container:
        shown = [(frame.time, frame.to_image()) for frame in container.decode(video=0)]
    assert shown[0][0] == 0
    assert all(0 < later - earlier < 2.01 * FRAME for (earlier, _), (later, _) in pairwise(shown))
    return shown


def boxes(path: Path) -> list[str]:
    """The names of an MP4's outermost boxes, in order."""
    content, at, names = path.read_bytes(), 0, []
    while at < len(content):
        names.append(content[at + 4 : at + 8].decode())
        at += int.from_bytes(content[at : at + 4], "big")
    return names


def packets(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(video=0) if packet.size]


def colour(image: Image.Image) -> tuple[int, ...]:
    return image.resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))  # type: ignore[return-value]


async def test_equal_clips_are_joined_packet_for_packet(store: MediaStore, draw: Callable[..., FilmScene]) -> None:
    scenes = [draw(hue=0), draw(hue=120, seconds=1.5), draw(hue=240)]
    film = await film_of(store, scenes)
    path = store.path(film.video.key)
    assert packets(path) == [packet for scene in scenes for packet in packets(store.path(scene.clip.video.key))]  # type: ignore[union-attr]
    assert len(frames(path)) == 24 + 36 + 24
    assert film.duration_seconds == pytest.approx(3.5)
    assert boxes(path).index("moov") < boxes(path).index("mdat")
    assert path.read_bytes().count(b"avc1") == 2  # a brand, and one sample entry


@pytest.mark.parametrize(
    "other",
    [
        {"codec": "mpeg4"},
        {"width": 200, "height": 90},
        {"width": 90, "height": 160},
        {"width": 161, "height": 91, "codec": "mpeg4"},
        {"fps": 30},
        {"options": {"bf": "0", "profile": "baseline"}},
        {"faststart": False, "options": {"crf": "40", "g": "12", "refs": "1"}},
    ],
    ids=["codec", "wider", "upright", "odd size", "rate", "profile", "parameter sets"],
)
async def test_clips_that_differ_are_joined_all_the_same(
    store: MediaStore, draw: Callable[..., FilmScene], other: dict[str, object]
) -> None:
    scenes = [draw(), draw(**other), draw()]
    film = await film_of(store, scenes)
    path = store.path(film.video.key)
    assert (film.width, film.height) == (160, 90)
    shown = frames(path)
    assert film.duration_seconds == pytest.approx(3, abs=3 * FRAME)
    assert len(shown) == round(film.duration_seconds * 24)
    assert {image.size for _, image in shown} == {(160, 90)}
    info = await inspect_clip(store, film.video)
    assert (info.codec, info.fps, info.has_audio) == ("h264", 24, False)
    assert path.read_bytes().count(b"avc1") == 2
    assert boxes(path).index("moov") < boxes(path).index("mdat")


async def test_a_scene_is_seen_where_the_manifest_says(store: MediaStore, draw: Callable[..., FilmScene]) -> None:
    scenes = [draw(hue=0), draw(missing=True, seconds=2), draw(hue=180, fps=30, seconds=1.2)]
    film = await film_of(store, scenes)
    manifest = orjson.loads(store.path(film.manifest.key).read_bytes())
    shown = frames(store.path(film.video.key))
    looks = []
    for scene in manifest["scenes"]:
        middle = scene["startSeconds"] + scene["durationSeconds"] / 2
        looks.append(min(shown, key=lambda at: abs(at[0] - middle))[1])
    assert [scene["durationSeconds"] for scene in manifest["scenes"]] == pytest.approx([1, 2, 1.2], abs=FRAME)
    assert sum(colour(looks[1])) < 120 < min(sum(colour(looks[0])), sum(colour(looks[2])))
    assert max(abs(a - b) for a, b in zip(colour(looks[0]), colour(looks[2]), strict=True)) > 10


async def test_a_clip_is_padded_never_distorted(store: MediaStore, draw: Callable[..., FilmScene]) -> None:
    film = await film_of(store, [draw(), draw(), draw(width=90, height=90)])
    last = frames(store.path(film.video.key))[-1][1]
    assert sum(last.getpixel((5, 45))) < 60  # type: ignore[arg-type]
    assert sum(last.getpixel((155, 45))) < 60  # type: ignore[arg-type]
    assert sum(colour(last.crop((40, 5, 120, 85)))) > 120


async def test_sound_is_kept_in_its_scene_and_silent_elsewhere(
    store: MediaStore, draw: Callable[..., FilmScene]
) -> None:
    film = await film_of(store, [draw(), draw(sound=True), draw()])
    with av.open(str(store.path(film.video.key))) as container:
        stream = container.streams.audio[0]
        assert float(stream.duration * stream.time_base) == pytest.approx(3, abs=0.03)
        loud = {round(f.time, 1) for f in container.decode(stream) if any(bytes(f.planes[0])[: f.samples * 4])}
    assert loud
    assert min(loud) >= 0.9
    assert max(loud) <= 2.1
    assert len(frames(store.path(film.video.key))) == 72
    assert (await inspect_clip(store, film.video)).has_audio


async def test_players_are_told_title_origin_and_chapters(store: MediaStore, draw: Callable[..., FilmScene]) -> None:
    film = await film_of(store, [draw(), draw(seconds=2)])
    with av.open(str(store.path(film.video.key))) as container:
        assert container.metadata["title"] == "The Lighthouse Keeper"
        assert container.metadata["comment"] == "AI-generated with Luma ray-2 by Storyreel"
        told = [
            (chapter["metadata"]["title"], chapter["start"] * chapter["time_base"]) for chapter in container.chapters()
        ]
    assert told == [("1. Scene 1: a boat & the sea.", 0), ("2. Scene 2: a boat & the sea.", Fraction(1))]


async def test_beside_the_film_lie_poster_captions_stills_and_manifest(
    store: MediaStore, draw: Callable[..., FilmScene]
) -> None:
    scenes = [draw(missing=True), draw(still=True), draw()]
    film = await film_of(store, scenes)
    folder = store.path(film.video.key).parent
    assert sorted(path.name for path in folder.iterdir()) == [
        "captions.vtt", "film.mp4", "manifest.json", "poster.jpg", "scene-001.jpg", "scene-003.jpg",
    ]  # fmt: skip
    for file in (film.video, film.poster, film.captions, film.manifest):
        assert await store.verify(file, full=True)
    assert store.path(film.poster.key).read_bytes() == b"JPEG"  # the still of the first clip
    with Image.open(folder / "scene-001.jpg") as card:
        assert card.size == (160, 90)
    assert store.path(film.captions.key).read_text().split("\n\n")[2] == (
        "00:00:01.000 --> 00:00:02.000\nScene 2: a boat &amp; the sea."
    )


async def test_the_manifest_tells_what_the_film_was_made_of(store: MediaStore, draw: Callable[..., FilmScene]) -> None:
    scenes = [draw(), draw(missing=True), draw()]
    film = await film_of(store, scenes)
    told = orjson.loads(store.path(film.manifest.key).read_bytes())
    assert told["schemaVersion"] == 1
    assert told["aiGenerated"] is True
    assert told["scriptSha256"] == sha256(SCRIPT.encode()).hexdigest()
    assert told["options"] == VideoOptions().model_dump(mode="json", by_alias=True)
    assert told["storyboardStrategy"] == "sentences"
    assert told["film"]["sha256"] == film.video.sha256
    assert told["film"]["size"] == film.video.size
    assert told["film"]["reencoded"] is True
    assert told["costUsd"] == 1.42
    assert [scene["generationId"] for scene in told["scenes"]] == ["generation-1", None, "generation-3"]
    assert [scene["costUsd"] for scene in told["scenes"]] == [0.71, 0, 0.71]
    assert told["scenes"][0]["clip"]["sha256"] == scenes[0].clip.video.sha256  # type: ignore[union-attr]
    assert told["scenes"][1]["clip"] is None
    assert told["scenes"][1]["error"] == "refused by moderation"
    assert told["versions"]["av"] == av.__version__


async def test_equal_clips_give_an_equal_film(store: MediaStore, draw: Callable[..., FilmScene]) -> None:
    scenes = [draw(), draw(), draw()]
    first = await film_of(store, scenes)
    assert await film_of(store, scenes) == first
    assert (await film_of(store, scenes[:2])).video.key != first.video.key
    assert await store.verify(first.video, full=True)


async def test_encoding_again_gives_the_same_film(store: MediaStore, draw: Callable[..., FilmScene]) -> None:
    """At 160 pixels one of ten would differ in a block; see `assemble`."""
    shape = {"width": 128, "height": 72}
    scenes = [draw(**shape), draw(missing=True), draw(fps=30, **shape)]
    first = await film_of(store, scenes)
    assert await film_of(store, scenes) == first
    assert await store.verify(first.video, full=True)


async def test_encoding_again_at_any_width_gives_the_same_picture(
    store: MediaStore, draw: Callable[..., FilmScene]
) -> None:
    """In 1,200 films of this size one block differed now and then: by an RMS of 3.4 over the picture at most."""
    scenes = [draw(), draw(missing=True), draw(fps=30)]
    first, second = await film_of(store, scenes), await film_of(store, scenes)
    shown = [frames(store.path(film.video.key)) for film in (first, second)]
    for (at, image), (again_at, again) in zip(*shown, strict=True):
        assert at == again_at
        assert max(ImageStat.Stat(ImageChops.difference(image, again)).rms) < 8
    assert await store.verify(first.video, full=True)  # made again, it took nothing's place


async def test_progress_rises_to_one_in_the_callers_thread(store: MediaStore, draw: Callable[..., FilmScene]) -> None:
    loop, told = asyncio.get_running_loop(), []

    def on_progress(share: float) -> None:
        assert asyncio.get_running_loop() is loop
        told.append(share)

    await film_of(store, [draw(), draw(missing=True)], on_progress=on_progress)
    assert told == sorted(told)
    assert len(told) > 10
    assert (told[0], told[-1]) == (0, 1)


async def test_a_cancelled_film_leaves_nothing(store: MediaStore, draw: Callable[..., FilmScene]) -> None:
    scenes = [draw(seconds=3, width=320, height=180), draw(missing=True)]
    begun = asyncio.Event()
    making = asyncio.create_task(film_of(store, scenes, on_progress=lambda share: begun.set() if share > 0 else None))
    await begun.wait()
    making.cancel()
    with pytest.raises(asyncio.CancelledError):
        await making
    assert [path for path in store.root.rglob("*") if path.is_file() and "scenes" not in path.parts] == []


async def test_no_clips_no_film(store: MediaStore, draw: Callable[..., FilmScene]) -> None:
    for scenes in ([], [draw(missing=True), draw(missing=True)]):
        with pytest.raises(MediaError, match="No scene has a clip"):
            await film_of(store, scenes)


def damage(path: Path, how: str) -> None:
    content = path.read_bytes()
    if how == "gone":
        path.unlink()
        return
    damaged = {"empty": b"", "text": b"<html>Not here</html>", "short": content[:-400]}
    damaged["flipped"] = content[:-400] + bytes(400)
    path.write_bytes(damaged[how])


@pytest.mark.parametrize("how", ["gone", "empty", "text", "short", "flipped"])
async def test_a_damaged_clip_names_its_scene(store: MediaStore, draw: Callable[..., FilmScene], how: str) -> None:
    scenes = [draw(), draw(), draw()]
    damage(store.path(scenes[1].clip.video.key), how)  # type: ignore[union-attr]
    with pytest.raises(ClipUnusable, match="clip of scene 2") as caught:
        await film_of(store, scenes)
    assert caught.value.scene_number == 2
    assert [path for path in store.root.rglob("*") if path.is_file() and "scenes" not in path.parts] == []


@pytest.mark.parametrize("how", ["gone", "empty", "text", "short"])
@pytest.mark.parametrize("faststart", [False, True])
async def test_inspecting_finds_what_does_not_play(
    store: MediaStore, draw: Callable[..., FilmScene], how: str, faststart: bool
) -> None:
    video = draw(faststart=faststart).clip.video  # type: ignore[union-attr]
    damage(store.path(video.key), how)
    with pytest.raises(MediaError, match=r"^The clip .+\.$"):
        await inspect_clip(store, video)


@pytest.mark.parametrize("cut", range(1, 12))
async def test_a_clip_cut_anywhere_is_found_out(store: MediaStore, draw: Callable[..., FilmScene], cut: int) -> None:
    video = draw(seconds=2, faststart=True).clip.video  # type: ignore[union-attr]
    path = store.path(video.key)
    path.write_bytes(path.read_bytes()[: video.size * cut // 12])
    with pytest.raises(MediaError):
        await inspect_clip(store, video)


async def test_a_file_with_sound_alone_is_no_clip(store: MediaStore, tmp_path: Path) -> None:
    with av.open("sine=duration=1", format="lavfi") as tone, av.open(str(tmp_path / "a.mp4"), "w") as file:
        stream = file.add_stream("aac", rate=44_100)
        for frame in tone.decode(audio=0):
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    kept = await store.put("a.mp4", tmp_path / "a.mp4")
    with pytest.raises(MediaError, match=r"^The clip has no picture\.$"):
        await inspect_clip(store, kept)


async def test_inspecting_tells_the_shape(store: MediaStore, draw: Callable[..., FilmScene]) -> None:
    info = await inspect_clip(store, draw(width=200, height=100, fps=30, seconds=1.5).clip.video)  # type: ignore[union-attr]
    assert (info.width, info.height, info.fps, info.codec, info.duration_seconds) == (200, 100, 30, "h264", 1.5)


async def test_a_still_is_a_jpeg_of_the_clips_size(store: MediaStore, draw: Callable[..., FilmScene]) -> None:
    scene = draw(width=200, height=100)
    kept = await make_still(store, scene.clip.video.key, "still.jpg")  # type: ignore[union-attr]
    with Image.open(store.path(kept.key)) as image:
        assert (image.format, image.size) == ("JPEG", (200, 100))


@pytest.mark.parametrize(
    ("fade", "shows"),
    [
        ("fade=out:st=0.6:d=0.2", "before the black"),
        ("fade=in:st=0.7:d=0.1", "after the black"),
    ],
)
async def test_a_still_shows_something_where_much_is_black(
    store: MediaStore, tmp_path: Path, fade: str, shows: str
) -> None:
    fading = f"testsrc2=size=160x90:rate=24:duration=2,{fade}"
    with av.open(fading, format="lavfi") as source, av.open(str(tmp_path / "a.mp4"), "w") as file:
        stream = file.add_stream("libx264", rate=24)
        stream.width, stream.height, stream.pix_fmt = 160, 90, "yuv420p"
        for frame in source.decode(video=0):
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    await store.put("a.mp4", tmp_path / "a.mp4")
    await make_still(store, "a.mp4", "a.jpg")
    with Image.open(store.path("a.jpg")) as image:
        assert sum(colour(image)) > 100, shows


FULL = """
    import asyncio, resource, sys
    from pathlib import Path
    from uuid import UUID
    from tasks.film import FilmScene, assemble
    from tasks.ledger import Clip
    from tasks.media import MediaError, MediaStore
    from tasks.options import VideoOptions

    async def main() -> None:
        store = MediaStore(Path(sys.argv[1]))
        clip = Clip(await store.put("clip.mp4", Path(sys.argv[2])), 2, 320, 180)
        scenes = [FilmScene(n, "A boat", "boat", 2, clip) for n in (1, 2)]
        scenes += [FilmScene(3, "A boat", "boat", 2)] if sys.argv[3] == "encoded" else []
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[4]), resource.RLIM_INFINITY))
        try:
            await assemble(store, job_id=UUID(int=1), title="A", script="A boat", options=VideoOptions(),
                           storyboard_strategy="given", scenes=scenes)
        except MediaError as error:
            print(error, error.retry)
        print([path.name for path in store.root.rglob("*") if path.is_file()])

    asyncio.run(main())
"""


@pytest.mark.parametrize("way", ["copied", "encoded"])
@pytest.mark.parametrize("limit", [1_000, 60_000])
def test_a_full_disk_ends_a_film_in_one_sentence(tmp_path: Path, way: str, limit: int) -> None:
    clip = draw_clip(tmp_path / "clip.mp4", seconds=2, width=320, height=180)
    assert clip.stat().st_size > 40_000
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(FULL), str(tmp_path / "media"), str(clip), way, str(limit)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout == "The disk is full: The film could not be written. True\n['clip.mp4']\n", ran.stderr


async def test_forty_scenes_make_one_film(store: MediaStore, tmp_path: Path) -> None:
    video = await store.put("clip.mp4", draw_clip(tmp_path / "a.mp4", seconds=0.5))
    still = StoredFile("clip.mp4", video.size, video.sha256)
    clip = Clip(video, 0.5, 160, 90, still)
    film = await film_of(store, [FilmScene(n, f"Scene {n}", "p", 0.5, clip) for n in range(1, 41)])
    assert film.duration_seconds == 20
    assert len(frames(store.path(film.video.key))) == 480
