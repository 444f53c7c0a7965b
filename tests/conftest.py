"""What all tests share: without a browser or namespaces, their tests are skipped with the reason."""

import pytest
from hypothesis import settings

from tests.e2e import chromium, netns

# How long an example takes says how busy the machine is, and nothing of what is tested.
settings.register_profile("house", deadline=None)
settings.load_profile("house")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip tests of the markers `browser` and `netns` with the reason why they can't run here."""
    reasons = {"browser": chromium.missing()}
    if any(item.get_closest_marker("netns") for item in items):
        reasons["netns"] = netns.capabilities().namespaces
    for item in items:
        for marker, reason in reasons.items():
            if reason and item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=reason))
