"""The studio page: three documents, and its files under an address that changes with their content.

All of it is read once, at the start (it is smaller than a photograph), so a request touches no disk. The files may be
kept by browsers for ever, since another version has another address; the documents are asked for again by their ETag.
"""

import gzip
import hashlib
import mimetypes
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, NamedTuple

from fastapi import APIRouter, Request, Response

from api.problems import Problem

FOLDER: Final = Path(__file__).parent / "studio"
DOCUMENTS: Final = {"/": "index.html", "/jobs/{job_id}": "job.html", "/library": "library.html"}
SECURITY: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; font-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_TYPES: Final = {
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}
_FOREVER: Final = "public, max-age=31536000, immutable"


class Asset(NamedTuple):
    """A file as it is sent."""

    body: bytes
    packed: bytes | None
    """Smaller by gzip; None for what is packed in itself."""
    etag: str
    media_type: str


class Pages:
    """The page's files in memory."""

    def __init__(self, folder: Path = FOLDER) -> None:
        files = {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }
        self.version = hashlib.sha256(b"".join(name.encode() + body for name, body in files.items())).hexdigest()[:12]
        at = f'"/studio/{self.version}/'.encode()
        self.assets = {
            name: _asset(name, body.replace(b'"/studio/', at) if name.endswith(".html") else body)
            for name, body in files.items()
        }

    def router(self) -> APIRouter:
        """Its routes, which are no part of the documented API."""
        router = APIRouter(include_in_schema=False)
        for address, name in DOCUMENTS.items():
            router.add_api_route(address, self._document(name), methods=["GET", "HEAD"], name=name)
        router.add_api_route("/studio/{version}/{name:path}", self._file, methods=["GET", "HEAD"])
        return router

    def _document(self, name: str) -> Callable[[Request], Awaitable[Response]]:
        async def document(request: Request) -> Response:
            return _answer(request, self.assets[name], "no-cache")

        return document

    async def _file(self, request: Request, version: str, name: str) -> Response:
        """A page that was loaded before an update asks under the old address: it gets what there is, unkept."""
        asset = self.assets.get(name)
        if asset is None or name.endswith(".html"):
            raise Problem(404, "not_found", "There is nothing at this address.")
        return _answer(request, asset, _FOREVER if version == self.version else "no-cache")


def _asset(name: str, body: bytes) -> Asset:
    kind = _TYPES.get(Path(name).suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
    etag = f'"{hashlib.sha256(body).hexdigest()[:20]}"'
    packed = None if kind.startswith("font/") else gzip.compress(body, mtime=0)
    return Asset(body, packed, etag, f"{kind}; charset=utf-8" if kind.startswith("text/") else kind)


def _answer(request: Request, asset: Asset, caching: str) -> Response:
    """The file, packed where the browser takes that; 304 when it has it."""
    headers = SECURITY | {"ETag": asset.etag, "Cache-Control": caching, "Vary": "Accept-Encoding"}
    if asset.etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    if asset.packed and "gzip" in request.headers.get("accept-encoding", ""):
        return Response(asset.packed, headers=headers | {"Content-Encoding": "gzip"}, media_type=asset.media_type)
    return Response(asset.body, headers=headers, media_type=asset.media_type)
