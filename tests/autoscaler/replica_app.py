"""A replica for the pool's tests, run as a process. Its behaviour is set by flags and by what it is asked over HTTP."""

import argparse
import os
import signal
import sys
import time

from aiohttp import web


class State:
    ready = True


async def show_ready(request: web.Request) -> web.Response:
    return web.Response(status=200 if State.ready else 503)


async def set_ready(request: web.Request) -> web.Response:
    State.ready = request.match_info["ready"] == "yes"
    return web.Response()


async def crash(request: web.Request) -> web.Response:
    os._exit(3)


async def show_pid(request: web.Request) -> web.Response:
    return web.Response(text=str(os.getpid()))


async def show_metrics(request: web.Request) -> web.Response:
    return web.Response(text="# TYPE busy gauge\nbusy 35\n")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--stubborn", action="store_true", help="ignore SIGTERM")
    arguments = parser.parse_args()
    app = web.Application()
    app.router.add_get("/readyz", show_ready)
    app.router.add_get("/metrics", show_metrics)
    app.router.add_get("/pid", show_pid)
    app.router.add_post("/ready/{ready}", set_ready)
    app.router.add_post("/crash", crash)
    sys.stdout.write(f"replica on port {arguments.port}\n")
    sys.stdout.flush()
    if arguments.stubborn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    else:
        signal.signal(signal.SIGTERM, say_goodbye)
    web.run_app(app, host="127.0.0.1", port=arguments.port, handle_signals=False, print=None, access_log=None)


def say_goodbye(number: int, frame: object) -> None:
    sys.stdout.write(f"asked to end at {time.time():.6f}\n")
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
