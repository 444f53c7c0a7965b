#!/bin/sh
# Installs Chromium and Firefox ESR, and iproute2 and nftables for lossy links, from Debian's packages where that
# is allowed. Never fails: tests that need what is missing are skipped with a reason.
missing=""
command -v "${CHROMIUM:-chromium}" >/dev/null 2>&1 || missing="$missing chromium fonts-dejavu-core"
command -v "${FIREFOX:-firefox-esr}" >/dev/null 2>&1 || missing="$missing firefox-esr"
command -v tc >/dev/null 2>&1 || missing="$missing iproute2"
command -v nft >/dev/null 2>&1 || missing="$missing nftables"
[ -z "$missing" ] && exit 0
if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
    echo "installing:$missing"
    (apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing) \
        >/dev/null 2>&1 || echo "could not install:$missing (their tests will be skipped)"
else
    echo "not installed:$missing; their tests will be skipped (as root: apt-get install$missing)"
fi
exit 0
