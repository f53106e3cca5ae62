"""Runs a command which dies with the process that asked for it. Started as a file of its own: `launcher.py PARENT COMMAND...`.

A parent that is killed by SIGKILL cannot tidy up, so the kernel has to: PR_SET_PDEATHSIG has it send the child a SIGKILL. The
setting belongs to the child and must be made between fork and exec. `preexec_fn` would do that in a forked copy of our own
process, which is unsafe next to threads (and keeps subprocess from using vfork); so this little program stands in between: it
is exec'ed, makes the setting, which survives an exec, and execs the command. The signal is bound to the parent's *thread*, so
pools are started from the main thread, where the event loop runs. Elsewhere than on Linux it only execs.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
CANNOT_START = 127


def main(arguments: list[str]) -> int:
    """Bind our life to the parent's, then become the command; returns only when it cannot be started."""
    parent, command = int(arguments[0]), arguments[1:]
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
            sys.stderr.write(f"prctl: {os.strerror(ctypes.get_errno())}\n")
            return CANNOT_START
    if os.getppid() != parent:  # it died before the setting was made, so no signal will come
        return CANNOT_START
    # Python ignores these two, and what is ignored stays so across an exec.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    try:
        os.execvp(command[0], command)  # noqa: S606  # the pool document's own command; no shell is meant
    except OSError as error:
        sys.stderr.write(f"cannot start {command[0]!r}: {error.strerror}\n")
    return CANNOT_START


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
