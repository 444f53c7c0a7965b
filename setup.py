"""Maps the top-level web/ folder into the wheel as the data of sfu.web; all else is in pyproject.toml."""

from setuptools import find_packages, setup

setup(
    packages=[
        *find_packages(include=["sfu", "sfu.*", "signaling", "signaling.*"]),
        "sfu.web",
        "sfu.web.js",
    ],
    package_dir={"sfu.web": "web"},
    package_data={
        "sfu": ["py.typed"],
        "signaling": ["py.typed", "PROTOCOL.md"],
        "sfu.web": ["*"],
        "sfu.web.js": ["*"],
    },
)
