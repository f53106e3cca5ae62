"""What pods print: a test writes it, and `pods/log` answers with it, to its end or on and on.

Sources: `pkg/registry/core/pod/rest/log.go` and `pkg/registry/core/pod/strategy.go` (which container, and the errors about it);
and, for what a former instance printed, `validateContainerLogStatus` of `pkg/kubelet/kubelet_pods.go`.
Not modelled: timestamps, sinceSeconds, limitBytes.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict

from aiohttp import web

from tests.autoscaler.kubernetes_api.requests import is_true
from tests.autoscaler.kubernetes_api.statuses import Json, bad_request


class Logs:
    """The logs of one server's pods, by pod and container."""

    def __init__(self) -> None:
        self._texts: dict[tuple[str, str], bytearray] = defaultdict(bytearray)
        self._changed = asyncio.Event()
        self._ended: set[str] = set()
        self._former: dict[tuple[str, str], bytes] = {}

    def write(self, pod: str, text: bytes, container: str = "app") -> None:
        """Print something in a pod."""
        self._texts[pod, container] += text
        self._announce()

    def restart(self, pod: str, container: str = "app") -> None:
        """Begin the log of a container's next instance."""
        self._former[pod, container] = bytes(self._texts.pop((pod, container), b""))
        self._announce()

    def end(self, pod: str) -> None:
        """Let a pod print nothing more: whoever follows its log is told the end."""
        self._ended.add(pod)
        self._announce()

    async def answer(self, request: web.Request, pod: Json) -> web.StreamResponse:
        """Answer as the kubelet would, through the API server."""
        name, query = pod["metadata"]["name"], request.query
        containers = [container["name"] for container in pod["spec"]["containers"]]
        preparing = [container["name"] for container in pod["spec"].get("initContainers") or []]
        container = query.get("container", "")
        if not container and len(containers) > 1:
            others = f" or one of the init containers: [{' '.join(preparing)}]" if preparing else ""
            raise bad_request(
                f"a container name must be specified for pod {name}, choose one of: [{' '.join(containers)}]{others}"
            )
        container = container or containers[0]
        if container not in (*containers, *preparing):
            raise bad_request(f"container {container} is not valid for pod {name}")
        previous = is_true(query.get("previous"))
        if previous and (name, container) not in self._former:
            raise bad_request(f'previous terminated container "{container}" in pod "{name}" not found')
        text = bytearray(self._former[name, container]) if previous else self._texts[name, container]
        position = _start(bytes(text), query.get("tailLines"))
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        while True:
            changed = self._changed
            if position < len(text):
                await response.write(bytes(text[position:]))
                position = len(text)
            if previous or not is_true(query.get("follow")) or name in self._ended:
                break
            await changed.wait()
        await response.write_eof()
        return response

    def _announce(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


def _start(text: bytes, tail_lines: str | None) -> int:
    """Return where the last lines begin."""
    if tail_lines is None:
        return 0
    lines = text.splitlines(keepends=True)
    count = int(tail_lines)
    return sum(map(len, lines[: len(lines) - count])) if count < len(lines) else 0
