"""One example of each body that a developer meets first, by the name of its model."""

from typing import Any, Final

_JOB: Final = "0b8f1c7e-5d0a-4c1b-9a53-2f4f8d1f6a10"
_RUN: Final = "7d1f0f6e-2a55-4f0c-8f0e-3c6c2a9f1b77"
_ATTEMPT: Final = "f3a0c5d2-8e41-4b6a-9d2c-64f0b1e7c8a9"
_SCRIPT: Final = "A lighthouse keeper finds a letter in a bottle. She reads it by lamplight and rows out to answer it."
_PROMPT: Final = "Cinematic. A lighthouse keeper finds a letter in a bottle."
_CLIP: Final = f"/api/media/jobs/{_JOB}/scenes/001/{_ATTEMPT}"
_FILM: Final = f"/api/media/jobs/{_JOB}/films/9f2c4e1ab0d37758"
_VIDEO: Final[dict[str, Any]] = {
    "id": "5c0b3c5e-7a0d-4c58-8f3f-1a9a4be5a0d4",
    "jobId": _JOB,
    "title": "The answer",
    "script": _SCRIPT,
    "videoUrl": f"{_FILM}/film.mp4",
    "posterUrl": f"{_FILM}/poster.jpg",
    "generationId": None,
    "status": "completed",
    "storyboard": None,
    "videoData": None,
    "createdAt": "2026-11-20T10:02:10Z",
}

EXAMPLES: Final[dict[str, dict[str, Any]]] = {
    "GenerateRequest": {
        "script": _SCRIPT,
        "title": "The answer",
        "options": {"model": "ray-2", "aspectRatio": "16:9", "resolution": "720p", "duration": "9s", "maxScenes": 7},
        "integrityConfirmed": True,
        "maxCostUsd": 20,
    },
    "PlanRequest": {"script": _SCRIPT, "options": {"duration": "5s"}},
    "RegenerateRequest": {"prompt": "A lighthouse keeper opens a letter, close-up, warm lamplight."},
    "JobAccepted": {"jobId": _JOB, "status": "queued"},
    "ProblemView": {
        "type": "about:blank",
        "title": "Unprocessable Content",
        "status": 422,
        "detail": "Please write a longer script: at least 60 characters are needed, this one has 12.",
        "code": "invalid_request",
        "error": "Please write a longer script: at least 60 characters are needed, this one has 12.",
        "requestId": "6a4f3f0c-9b1e-4a57-8a0b-1f7f3d0f9f11",
        "errors": [
            {
                "at": "script",
                "message": "Please write a longer script: at least 60 characters are needed, this one has 12.",
            }
        ],
    },
    "RetryRequest": {"prompts": {"2": "A lighthouse keeper reads a letter, close-up, warm lamplight."}},
    "Plan": {
        "strategy": "sentences",
        "passedOver": [{"strategy": "paragraphs", "reason": "It is a single paragraph."}],
        "style": "cinematic",
        "setting": "A lighthouse keeper finds a letter in a bottle.",
        "scenes": [
            {
                "sceneNumber": 1,
                "sceneIndex": 0,
                "description": _SCRIPT,
                "prompt": _PROMPT,
                "start": 0,
                "end": len(_SCRIPT),
                "durationSeconds": 5,
                "costUsd": 0.71,
            }
        ],
        "costUsd": 0.71,
        "durationSeconds": 5,
    },
    "JobList": {
        "jobs": [
            {
                "jobId": _JOB,
                "title": "The answer",
                "status": "processing",
                "progress": 47,
                "currentStep": "Generating scene 2/3...",
                "posterUrl": None,
                "flowRunId": _RUN,
                "error": None,
                "createdAt": "2026-11-20T10:00:00Z",
                "endedAt": None,
            }
        ],
        "next": None,
    },
    "VideoIn": {"script": _SCRIPT, "videoUrl": f"{_CLIP}.mp4", "status": "completed", "videoData": {"id": _JOB}},
    "VideoView": _VIDEO,
    "VideoList": {"videos": [_VIDEO], "next": None},
    "Readiness": {
        "status": "not ready",
        "checks": [
            {"name": "ledger", "ok": True, "detail": "The schema is current."},
            {"name": "prefect", "ok": False, "detail": "No worker has asked for runs lately."},
            {"name": "luma", "ok": True, "detail": "Luma answers and takes the key."},
        ],
    },
    "JobView": {
        "jobId": _JOB,
        "status": "completed",
        "outcome": "full",
        "progress": 100,
        "currentStep": "Film ready",
        "waitingFor": None,
        "title": "The answer",
        "revision": 9,
        "run": 1,
        "flowRunId": _RUN,
        "flowRunUrl": None,
        "options": {"model": "ray-2", "aspectRatio": "16:9", "resolution": "720p", "duration": "9s"},
        "integrityConfirmed": True,
        "counts": {"total": 1, "pending": 0, "generating": 0, "completed": 1, "failed": 0},
        "cost": {"estimatedUsd": 1.56, "spentUsd": 1.56, "refundedUsd": 0, "unknownUsd": 0, "maxUsd": 20},
        "queuePosition": None,
        "etaSeconds": None,
        "results": {
            "storyboard": None,
            "scenes": [
                {
                    "sceneNumber": 1,
                    "sceneIndex": 0,
                    "description": "A lighthouse keeper finds a letter in a bottle.",
                    "prompt": _PROMPT,
                    "status": "completed",
                    "generationId": "2c1f8e0a-51b7-4a3e-8a6b-0e7b7c1d2f33",
                    "videoUrl": f"{_CLIP}.mp4",
                    "imageUrl": f"{_CLIP}.jpg",
                    "durationSeconds": 9,
                    "costUsd": 1.56,
                    "error": None,
                    "errorCode": None,
                    "takes": [],
                }
            ],
            "film": {
                "videoUrl": f"{_FILM}/film.mp4",
                "posterUrl": f"{_FILM}/poster.jpg",
                "captionsUrl": f"{_FILM}/captions.vtt",
                "manifestUrl": f"{_FILM}/manifest.json",
                "durationSeconds": 9,
                "width": 1280,
                "height": 720,
                "sizeBytes": 4194304,
                "sha256": "0" * 64,
            },
        },
        "error": None,
        "errorCode": None,
        "createdAt": "2026-11-20T10:00:00Z",
        "startedAt": "2026-11-20T10:00:01Z",
        "updatedAt": "2026-11-20T10:02:10Z",
        "endedAt": "2026-11-20T10:02:10Z",
    },
}
