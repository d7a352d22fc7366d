"""Small real clips, drawn by FFmpeg's test sources, for the tests of media and film."""

from pathlib import Path

import av


def draw_clip(
    path: Path,
    *,
    seconds: float = 1.0,
    width: int = 160,
    height: int = 90,
    fps: int = 24,
    codec: str = "libx264",
    hue: int = 0,
    sound: bool = False,
    faststart: bool = True,
    options: dict[str, str] | None = None,
) -> Path:
    """An MP4 with a moving test picture and, when asked, a 440 Hz tone."""
    picture = f"testsrc2=size={width}x{height}:rate={fps}:duration={seconds},hue=h={hue}"
    muxer = {"movflags": "+faststart"} if faststart else {}
    with av.open(picture, format="lavfi") as source, av.open(str(path), "w", format="mp4", options=muxer) as clip:
        video = clip.add_stream(
            codec, rate=fps, options=options or {"preset": "veryfast"} if codec == "libx264" else {}
        )
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        audio = clip.add_stream("aac", rate=44_100, layout="mono") if sound else None
        for frame in source.decode(video=0):
            frame.pict_type = 0
            clip.mux(video.encode(frame.reformat(format="yuv420p")))
        clip.mux(video.encode())
        if audio:
            with av.open(f"sine=frequency=440:sample_rate=44100:duration={seconds}", format="lavfi") as tone:
                for frame in tone.decode(audio=0):
                    clip.mux(audio.encode(frame))
            clip.mux(audio.encode())
    return path
