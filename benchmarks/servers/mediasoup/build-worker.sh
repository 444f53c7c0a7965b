#!/bin/sh
# Build mediasoup's worker from its npm package and from Debian 12's libraries, without installing any of them.
# Usage: build-worker.sh [folder]     (default: benchmarks/out/mediasoup)
set -eu
version=3.12.16
here=$(cd "$(dirname "$0")/../../.." && pwd)
home=${1:-$here/benchmarks/out/mediasoup}
mkdir -p "$home"
home=$(cd "$home" && pwd)
work=$(mktemp -d)
mkdir -p "$work/debian" "$work/sources/lists/partial"

npm install --prefix "$home" --ignore-scripts --no-audit --no-fund "mediasoup@$version"
(cd "$work" && npm pack "mediasoup@$version" && tar xzf "mediasoup-$version.tgz")
(cd "$work/debian" && apt-get download libabsl-dev libuv1-dev libusrsctp-dev nlohmann-json3-dev &&
    for package in *.deb; do dpkg -x "$package" root; done)
echo "deb-src http://deb.debian.org/debian bookworm main" > "$work/sources/list"
from="-o Dir::Etc::sourcelist=$work/sources/list -o Dir::Etc::sourceparts=- -o Dir::State::lists=$work/sources/lists"
# shellcheck disable=SC2086
(cd "$work/sources" && apt-get $from update && apt-get $from source --download-only libsrtp2 && tar xf libsrtp2_*.orig.tar.gz)
python3 -m venv "$work/meson" && "$work/meson/bin/pip" -q install 'meson<1.5'

worker=$work/package/worker
usr=$work/debian/root/usr
lib=$usr/lib/x86_64-linux-gnu
cd "$worker"
rm -f subprojects/*.wrap
stub() { # name, the lines of its meson.build
    mkdir -p "subprojects/$1"
    printf "project('%s', ['c', 'cpp'], version: '3.0')\n%s\n" "$1" "$2" > "subprojects/$1/meson.build"
}
stub openssl "openssl_dep = declare_dependency(version: '3.0', link_args: ['-lssl', '-lcrypto'])
meson.override_dependency('openssl', openssl_dep)"
stub nlohmann_json "nlohmann_json_dep = declare_dependency(compile_args: ['-isystem$usr/include'])"
stub libuv "libuv_dep = declare_dependency(compile_args: ['-isystem$usr/include'],
  link_args: ['$lib/libuv_a.a', '-lpthread', '-ldl'])"
stub usrsctp "usrsctp_dep = declare_dependency(compile_args: ['-isystem$usr/include'], link_args: ['$lib/libusrsctp.a'])"
archives=$(ls "$lib"/libabsl_*.a | sed "s/.*/'&'/" | paste -sd,)
stub abseil-cpp "absl_strings_dep = declare_dependency(compile_args: ['-isystem$usr/include'],
  link_args: ['-Wl,--start-group', $archives, '-Wl,--end-group'])
absl_types_dep = absl_strings_dep
absl_container_dep = absl_strings_dep"
stub catch2 "catch2_dep = declare_dependency()"
cp -r "$work/sources/libsrtp-2.5.0" subprojects/libsrtp2
python3 - <<'END'
import re
text = open("meson.build").read()
text = re.sub(r"default_options: \[\s*'warning_level=0',[^\]]*\]", "default_options: ['warning_level=0']", text)
start = text.index("['warning_level=0']", text.index("libsrtp2_proj"))
options = "'warning_level=0', 'crypto-library=openssl', 'crypto-library-kdf=disabled', 'tests=disabled', 'default_library=static'"
text = text[:start] + f"[{options}]" + text[start + len("['warning_level=0']"):]
text = text[: text.index("test_sources = [")]  # the worker alone
first, second = text.index("link_whole = ["), text.index("executable(\n  'mediasoup-worker',")
open("meson.build", "w").write(text[:first] + text[second:])
END
nice -n 19 "$work/meson/bin/meson" setup --buildtype release -Db_ndebug=true build
nice -n 19 ninja -C build -j1 mediasoup-worker
mkdir -p "$home/node_modules/mediasoup/worker/out/Release"
cp build/mediasoup-worker "$home/node_modules/mediasoup/worker/out/Release/"
rm -rf "$work"
