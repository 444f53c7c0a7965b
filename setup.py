"""What pyproject.toml can't say: the page's folder as data of sfu.web, and the native engine, which is optional."""

import os
import sys

from setuptools import Extension, find_packages, setup
from setuptools.command.build_ext import build_ext

NATIVE = "sfu/forwarding/native"
PARTS = ("meter", "outbox", "inbox", "rtp", "template", "link", "leg", "vp8", "track")
HAND_WRITTEN = [f"{NATIVE}/{name}.c" for name in PARTS]
HEADERS = [f"{NATIVE}/{name}.h" for name in PARTS]
BINDING = [
    f"{NATIVE}/c.pxd",
    *(
        f"{NATIVE}/{name}.pxi"
        for name in ("meter", "outbox", "link", "leg", "history", "vp8", "track", "intake", "inbox", "peek")
    ),
]
# The Python engine computes without fused multiplications: results must be the same.
FLAGS = ["-std=gnu11", "-O3", "-ffp-contract=off"]
STRICT = ["-Wall", "-Wextra", "-Werror", "-Wno-psabi"]
SANITIZE = [
    "-fsanitize=address,undefined",
    "-fno-sanitize-recover=undefined",
    "-fno-omit-frame-pointer",
    "-g",
]
# Bounds of arrays that end a struct, too; Python's own headers count on those having none.
SANITIZE_STRICT = ["-fsanitize=bounds-strict"]


class BuildNative(build_ext):
    """Builds the native engine where there is a compiler; without it one line is said, and Python does its work."""

    def run(self) -> None:
        try:
            super().run()
        except Exception:  # whatever a compiler may do wrong
            if os.environ.get("SFU_ENGINE") == "native":
                raise
            print(
                "The native engine is left out, Python will do its work: there is no C compiler that works "
                "(SFU_ENGINE=native shows what it says)",
                file=sys.stderr,
            )
            self.extensions = []

    def build_extension(self, ext: Extension) -> None:
        sanitized = bool(os.environ.get("SFU_SANITIZE"))
        flags = FLAGS + (SANITIZE if sanitized else [])
        # Warnings are errors in what is written by hand; what Cython writes is its own business.
        ext.extra_objects = self.compiler.compile(
            HAND_WRITTEN,
            self.build_temp,
            include_dirs=[NATIVE],
            extra_postargs=flags + STRICT + (SANITIZE_STRICT if sanitized else []),
            depends=HEADERS,
        )
        ext.extra_compile_args = [*flags, "-w"]
        ext.extra_link_args = SANITIZE[:1] if sanitized else []
        super().build_extension(ext)


def extensions() -> list[Extension]:
    """The native engine; none where it can't be built at all."""
    try:
        from Cython.Build import cythonize
    except ImportError:
        print("The native engine is left out, Python will do its work: there is no Cython", file=sys.stderr)
        return []
    core = Extension(
        "sfu.forwarding.native.core",
        [f"{NATIVE}/core.pyx"],
        include_dirs=[NATIVE],
        depends=[f"{NATIVE}/core.pyx", *BINDING, *HAND_WRITTEN, *HEADERS],
    )
    return cythonize([core], build_dir="build/cython", force=True) if sys.platform == "linux" else []


setup(
    packages=[
        *find_packages(include=["sfu", "sfu.*", "signaling", "signaling.*"]),
        "sfu.web",
        "sfu.web.js",
    ],
    package_dir={"sfu.web": "web"},
    package_data={
        "sfu": ["py.typed"],
        "sfu.forwarding.native": ["*.pyi"],
        "signaling": ["py.typed", "PROTOCOL.md"],
        "sfu.web": ["*"],
        "sfu.web.js": ["*"],
    },
    exclude_package_data={"sfu.forwarding.native": ["*.c", "*.h", "*.pyx", "*.pxd", "*.pxi"]},  # of the wheel
    ext_modules=extensions(),
    cmdclass={"build_ext": BuildNative},
)
