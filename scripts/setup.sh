#!/usr/bin/env bash
# Installs what a build needs and is missing: Debian packages, with apt-get where this user may (root, or sudo without a
# password); elsewhere prints the one line to type and exits with 2. Nothing is done where nothing is missing.
#   scripts/setup.sh          to build and to test
#   scripts/setup.sh lint     also the second compiler
set -euo pipefail

missing=()
need_command() { command -v "$1" >/dev/null 2>&1 || missing+=("$2"); }
need_library() { pkg-config --exists "$1" 2>/dev/null || missing+=("$2"); }

need_command gcc gcc
need_command cmake cmake
need_command ninja ninja-build
need_command make make
need_command pkg-config pkg-config
printf '#include <stdio.h>\n' | gcc -fsyntax-only -x c - 2>/dev/null || missing+=(libc6-dev)
need_library jansson libjansson-dev
need_library yaml-0.1 libyaml-dev
need_library libutf8proc libutf8proc-dev
need_library libpcre2-8 libpcre2-dev
need_library libcurl libcurl4-openssl-dev
need_library libcrypto libssl-dev
need_library libxxhash libxxhash-dev
need_library zlib zlib1g-dev
need_library cmocka libcmocka-dev
if [ "${1:-}" = lint ]; then
  need_command clang-14 clang-14
  need_command shellcheck shellcheck
  need_command groff groff
fi
[ ${#missing[@]} -gt 0 ] || exit 0

echo "missing: ${missing[*]}"
as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
    as_root=(sudo -n)
  else
    echo "Install them with this line, then go on:"
    echo "  sudo apt-get install -y --no-install-recommends ${missing[*]}"
    exit 2
  fi
fi
if ! command -v apt-get >/dev/null 2>&1; then
  echo "This system has no apt-get: install what these Debian packages hold, then go on."
  exit 2
fi
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" ca-certificates
