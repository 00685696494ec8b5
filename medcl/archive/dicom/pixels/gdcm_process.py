"""GDCM in a process of its own: on some damaged streams it ends the process that it runs in, or never ends.

GDCM is the only decoder of lossless JPEG here. This file, run as a script (so that it starts in a moment,
without the rest of medcl), takes frames on its standard input and gives arrays on its standard output; when
it dies, or takes too long and is ended, the frame is lost and the next one starts it anew.
"""

from __future__ import annotations

import atexit
import contextlib
import io
import json
import os
import resource
import subprocess
import sys
import threading
from typing import Any, BinaryIO

import numpy as np

MEMORY = 4 << 30
"""Memory that a decoder may ask for: as much as the largest scan that is read."""

FRAME_S = 4.0
"""Seconds that one frame may take: over a hundred times what 512 x 512 pixels need."""

READY = b"ready\n"
_LOCK = threading.Lock()
_CHILDREN: dict[int, subprocess.Popen[bytes]] = {}


def decode_apart(syntax: str, value: bytes, options: dict[str, Any]) -> np.ndarray:
    """Decode an encapsulated frame with GDCM outside this process.

    Raises:
        ValueError: the frame cannot be decoded, takes over `FRAME_S`, or cost the other process its life.
    """
    with _LOCK:
        child = _child()
        request = json.dumps({"syntax": syntax, "options": options, "length": len(value)}).encode()
        alarm = threading.Timer(FRAME_S, child.kill)
        alarm.start()
        try:
            answer = _answer(child, request + b"\n" + value)
        except (OSError, EOFError):
            answer = b""
            _end(child)
        finally:
            alarm.cancel()
    if not answer:
        raise ValueError("not decoded")
    return np.asarray(np.load(io.BytesIO(answer), allow_pickle=False))


def _answer(child: subprocess.Popen[bytes], request: bytes) -> bytes:
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write(request)
    child.stdin.flush()
    head = child.stdout.read(8)
    length = int.from_bytes(head, "little")
    answer = child.stdout.read(length)
    if len(head) < 8 or len(answer) < length:
        raise EOFError
    return answer


def _child() -> subprocess.Popen[bytes]:
    """Return this process's decoder, started if there is none alive; a forked process gets its own."""
    child = _CHILDREN.get(os.getpid())
    if child is not None and child.poll() is not None:
        _end(child)
        child = None
    if child is None:
        child = subprocess.Popen(
            [sys.executable, "-P", __file__, str(MEMORY)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert child.stdout is not None
        child.stdout.readline()  # the start, in which libraries load, is not the first frame's time
        _CHILDREN[os.getpid()] = child
    return child


def close() -> None:
    """End this process's decoder, if it has one."""
    child = _CHILDREN.pop(os.getpid(), None)
    if child is not None:
        _end(child)


atexit.register(close)


def _end(child: subprocess.Popen[bytes]) -> None:
    child.kill()
    with contextlib.suppress(BrokenPipeError), child:  # closes its pipes and waits for its end
        pass


def serve(requests: BinaryIO, answers: BinaryIO, memory: int) -> None:
    """Answer requests until there are no more; an answer of no bytes says that a frame is not decoded."""
    from pydicom.pixels import get_decoder

    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    answers.write(READY)
    answers.flush()
    while line := requests.readline():
        request = json.loads(line)
        value = requests.read(request["length"])
        buffer = io.BytesIO()
        try:
            array, _ = get_decoder(request["syntax"]).as_array(
                value, index=0, decoding_plugin="gdcm", **request["options"]
            )
            np.save(buffer, array, allow_pickle=False)
        except Exception:  # whatever the decoder finds wrong, the frame is lost and the next may be sound
            buffer = io.BytesIO()
        answers.write(len(buffer.getvalue()).to_bytes(8, "little") + buffer.getvalue())
        answers.flush()


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer, int(sys.argv[1]))
