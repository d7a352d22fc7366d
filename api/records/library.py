"""A person's films."""

from typing import Any
from uuid import UUID

from sqlmodel import col, or_, select

from api.models import LOCAL_USER, GenerationJob, Video
from api.records.base import Records
from api.records.jobs import cursor_of, newest_first
from api.records.ledger import title_of
from api.schemas import VideoIn, VideoList, VideoView
from api.views import video_view
from tasks.media import media_url


class VideoNotFound(Exception):
    """No such film, or not this person's."""


class Library(Records):
    """The videos table, newest first."""

    async def videos(
        self, limit: int, cursor: str | None = None, search: str | None = None, owner_id: str = LOCAL_USER
    ) -> VideoList:
        """A page; `search` looks into titles and scripts. Raises `BadCursor`."""
        query = _with_film().where(Video.owner_id == owner_id)
        if search:
            query = query.where(
                or_(*(field.icontains(search, autoescape=True) for field in (col(Video.title), col(Video.script))))
            )
        async with self.database.reading() as session:
            rows = list(await session.exec(newest_first(query, Video, cursor).limit(limit + 1)))
        after = cursor_of(rows[limit - 1][0]) if len(rows) > limit else None
        return VideoList(videos=[video_view(video, film) for video, film in rows[:limit]], next=after)

    async def video(self, video_id: UUID, owner_id: str = LOCAL_USER) -> VideoView:
        """One film. Raises `VideoNotFound`."""
        async with self.database.reading() as session:
            row = (await session.exec(_with_film().where(Video.id == video_id, Video.owner_id == owner_id))).first()
        if row is None:
            raise VideoNotFound
        return video_view(*row)

    async def save_video(self, new: VideoIn, owner_id: str = LOCAL_USER) -> UUID:
        """Keep a film; one of our own jobs is kept once, however often it is sent."""
        async with self.database.writing() as session:
            named = _job_id(new)  # locked, so that two who save it at once don't both think they are first
            job = await session.get(GenerationJob, named, with_for_update=True) if named else None
            job_id = job.id if job and job.owner_id == owner_id else None
            mine = select(Video).where(Video.owner_id == owner_id, Video.job_id == job_id)
            video = (await session.exec(mine)).first() if job_id else None
            video = video or Video(owner_id=owner_id, job_id=job_id, title="", script=new.script, status=new.status)
            for name in ("script", "status", "storyboard", "video_data"):
                setattr(video, name, getattr(new, name))
            film = job.film if job and job_id else None  # of our own job the film, not the first clip it was made from
            video.video_url = media_url(film["video"]["key"]) if film else new.video_url or video.video_url
            video.generation_id = new.generation_id or video.generation_id
            video.title = new.title or video.title or (job.title if job_id and job else title_of(new.script))
            session.add(video)
            return video.id

    async def delete_video(self, video_id: UUID, owner_id: str = LOCAL_USER) -> None:
        """Take a film out of the library; its job and files stay. Raises `VideoNotFound`."""
        async with self.database.writing() as session:
            video = await session.get(Video, video_id)
            if video is None or video.owner_id != owner_id:
                raise VideoNotFound
            await session.delete(video)


def _with_film() -> Any:
    return select(Video, GenerationJob.film).join(
        GenerationJob, col(GenerationJob.id) == col(Video.job_id), isouter=True
    )


def _job_id(new: VideoIn) -> UUID | None:
    """The old frontend puts the job's id into `videoData.id`."""
    if not isinstance(new.video_data, dict):
        return None
    try:
        return UUID(str(new.video_data.get("id")))
    except ValueError:
        return None
