#!/bin/sh
# Fetch what the browser tests need, as far as this machine lets us: npm packages, and Debian's Chromium when we are root.
set -u
cd "$(dirname "$0")/../tests/browser" || exit 1
if ! command -v npm >/dev/null 2>&1; then
    echo "npm is not installed: the browser tests will be skipped"
    exit 0
fi
npm ci --silent --no-audit --no-fund || exit 1
if ! command -v chromium >/dev/null 2>&1 && command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
    apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium >/dev/null || exit 1
fi
command -v chromium >/dev/null 2>&1 || echo "chromium is not installed: the browser tests will be skipped"
