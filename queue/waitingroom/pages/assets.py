"""The page's static files: read once, compressed once, and named by what they hold, so that browsers may keep them for good.

A process of another version, as there are during an upgrade, is asked for files it has under another name: it answers with its
own and lets nobody keep them.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

FOLDER = Path(__file__).parent / "static"
KINDS = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".webp": "image/webp",
    ".woff2": "font/woff2",
}
_TEXTS = frozenset({".css", ".js", ".svg"})
_FOREVER = "public, max-age=31536000, immutable"
_COMMENT_LINES = re.compile(rb"^[ ]*//.*\n", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class _Asset:
    body: bytes
    squeezed: bytes | None
    kind: str


class Assets:
    """The files of some folders, a later folder's over an earlier one's."""

    def __init__(self, folders: Iterable[Path] = (FOLDER,)) -> None:
        files = {path.name: path for folder in folders for path in sorted(folder.iterdir()) if path.is_file()}
        self._assets = {name: _load(path) for name, path in files.items()}
        digest = hashlib.sha256()
        for name in sorted(self._assets):
            digest.update(name.encode() + b"\0" + self._assets[name].body)
        self._version = digest.hexdigest()[:12]

    @property
    def address(self) -> str:
        """Where the files are, without a slash at the end."""
        return f"/static/{self._version}"

    def names(self) -> list[str]:
        """Return the files' names."""
        return sorted(self._assets)

    def size(self, name: str) -> int:
        """Return how many bytes of a file go over the wire to a browser which takes gzip."""
        asset = self._assets[name]
        return len(asset.squeezed or asset.body)

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of this group."""
        return [web.get("/static/{version}/{name}", self.serve)]

    async def serve(self, request: web.Request) -> web.Response:
        """Answer with a file."""
        asset = self._assets.get(request.match_info["name"])
        if asset is None:
            raise web.HTTPNotFound(text="no such file")
        known = request.match_info["version"] == self._version
        headers = {"Cache-Control": _FOREVER if known else "no-cache", "Content-Type": asset.kind}
        if asset.squeezed is not None:
            headers["Vary"] = "Accept-Encoding"
            if "gzip" in request.headers.get("Accept-Encoding", ""):
                headers["Content-Encoding"] = "gzip"
                return web.Response(body=asset.squeezed, headers=headers)
        return web.Response(body=asset.body, headers=headers)


def _load(path: Path) -> _Asset:
    body = path.read_bytes()
    if path.suffix == ".js" and path.parent == FOLDER:
        # Comments are for who reads our sources, and were a fifth of what a phone had to load. A brand's files stay as they are.
        body = _COMMENT_LINES.sub(b"", body)
    kind = KINDS[path.suffix]
    if path.suffix not in _TEXTS:
        return _Asset(body, None, kind)
    return _Asset(body, gzip.compress(body, 9, mtime=0), f"{kind}; charset=utf-8")
