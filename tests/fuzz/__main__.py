"""Feeds the native engine what nobody should send: `python -m tests.fuzz --seconds 600`.

Two searches at once, each on a core. The C files that read packets, built with AddressSanitizer and UBSan, are given
mutations of whatever took a new way through them (guide.c; read.c is the way of a packet). And both engines follow
random scripts in which packets are damaged, and must send the same datagrams; under `make fuzz` with the sanitizers.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest

from sfu.wire import extensions
from tests.forwarding.doubles import packet
from tests.forwarding.test_same_bytes import same
from tests.forwarding.worlds import CODECS, Camera, given_randomness

HERE = Path(__file__).parent
NATIVE = HERE.parents[1] / "sfu" / "forwarding" / "native"
STRICT = ("-Wall", "-Wextra", "-Werror")
FLAGS = ("-std=gnu11", "-O1", "-g", "-fno-omit-frame-pointer", "-fno-sanitize-recover=undefined", *STRICT)
SANITIZERS = "-fsanitize=address,undefined,bounds-strict"
GUIDED = "-fsanitize-coverage=trace-pc"
PROGRESS = 30.0
# As read.c has it: codec and payload type, what of a descriptor is compared, ids, and how packets leave.
SETUPS = [bytes((number, 0x8F, 5, 3, 0x35, 0x84, number * 3 & 15, 255)) for number in range(6)]


def build(folder: Path) -> Path:
    """The program that searches; its usage is in guide.c."""
    environment = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}

    def cc(*arguments: str | Path) -> None:
        subprocess.run(["cc", *FLAGS, SANITIZERS, *arguments], check=True, env=environment)

    objects = []
    for source in (*sorted(NATIVE.glob("*.c")), HERE / "read.c", HERE / "guide.c"):
        objects.append(folder / f"{source.stem}.o")
        guided = [] if source.stem == "guide" else [GUIDED]
        cc(*guided, f"-I{NATIVE}", "-c", source, "-o", objects[-1])
    cc(*objects, "-lm", "-o", folder / "guide")
    return folder / "guide"


def packets(codec: str, random: Random) -> list[bytes]:
    """Some pictures, and what else a sender may do: sources, padding, long extensions of both kinds, RTX."""
    camera = Camera(codec, "", random)
    found = [data for number in range(3) for data in camera.frame(key=number == 0)]
    plain = packet(7, 9, random.randbytes(30))
    found.append(bytes((plain[0] | 2,)) + plain[1:12] + bytes(8) + plain[12:])
    found.append(packet(8, 9, b"", padding=200))
    found.append(
        packet(9, 9, random.randbytes(2000), block=extensions.build([(3, b"\1\2")], allow_two_byte=False))
    )
    long = [(number, random.randbytes(number & 127)) for number in (255, 1, 3, 10, 100)]
    found.append(packet(10, 9, b"\x90\x80\x01", block=extensions.build(long, allow_two_byte=True)))
    many = [(number % 14 + 1, random.randbytes(16)) for number in range(125)]
    found.append(packet(13, 9, b"\x90\x80\x01", block=extensions.build(many, allow_two_byte=False)))
    found.append(packet(11, 9, b"", block=b"\xbe\xde\0\1\0\0\0\0"))
    found.append(packet(12, 9, b"\0\7" + plain[12:], ssrc=1001, payload_type=97))
    return found


def seeds(seed: int) -> str:
    """Inputs to begin with, a line each: a setup, and packets each after its size."""
    random = Random(seed)
    lines = []
    for setup in SETUPS:
        for codec in CODECS:
            listed = packets(codec, random)
            for at in range(0, len(listed), 3):
                *some, last = listed[at : at + 3]
                sized = b"".join(len(one).to_bytes(2, "big") + one for one in some)
                lines.append(setup + sized + b"\xff\xff" + last)  # may grow
    return "".join(line.hex() + "\n" for line in lines)


def search(program: Path, inputs: str, seconds: float, seed: int) -> subprocess.Popen[str]:
    """Start it. It ends with 0 if it found nothing; else it has said what, and the input."""
    command = [str(program), str(seconds), str(seed)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, text=True)
    assert process.stdin is not None
    process.stdin.write(inputs)
    process.stdin.close()
    return process


def follow_scripts(seed: int, seconds: float) -> None:
    """Drive both engines; raises AssertionError where they differ. What is tried stands in the last line."""
    random, began, told, followed = Random(seed), time.monotonic(), 0.0, 0
    while (passed := time.monotonic() - began) < seconds:
        if passed >= told + PROGRESS:
            told = passed
            print(f"{passed:4.0f} s: {followed} scripts, the same datagrams of both engines", flush=True)
        codec, script = random.choice(list(CODECS)), random.getrandbits(32)
        print(f"--script {codec}:{script}   ", end="\r", file=sys.stderr, flush=True)
        same(codec, script)
        followed += 1
    print(f"{seconds:4.0f} s: {followed} scripts, the same datagrams of both engines", flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """0: nothing was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Hostile packets, read in C.")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--input", metavar="HEX", help="only this one, as it was printed, through the C files"
    )
    parser.add_argument("--script", metavar="CODEC:SEED", help="only this one, through both engines")
    values = parser.parse_args(arguments)
    given_randomness(pytest.MonkeyPatch())
    if values.script:
        codec, _, script = values.script.partition(":")
        same(codec, int(script))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        program = build(Path(folder))
        if values.input:
            return search(program, values.input, 0, values.seed).wait()
        guide = search(program, seeds(values.seed), values.seconds, values.seed)
        try:
            follow_scripts(values.seed, values.seconds)
        finally:
            code = guide.wait()
        return code


if __name__ == "__main__":
    sys.exit(main())
