#!/usr/bin/env bash
# The page in a real browser: web_page.mjs drives Debian's Chromium with playwright-core.
set -u -o pipefail

top=${EDX_SRCDIR:-.}
modules=$top/client/web/node_modules

skip() {
    echo "skipped: $*"
    exit 77
}

[ -z "${EDX_QUICK-}" ] || skip "EDX_QUICK is set"
command -v node >/dev/null || skip "no node: apt-get install nodejs npm"
[ "$(node -p 'process.versions.node.split(".")[0]')" -ge 18 ] || skip "node is older than 18"
for module in playwright-core axe-core; do
    [ -d "$modules/$module" ] || skip "no $module: npm ci --prefix client/web"
done
for chromium in "${EDX_CHROMIUM:-}" /usr/bin/chromium /usr/bin/chromium-browser /usr/bin/google-chrome; do
    [ -x "$chromium" ] && break
done
[ -x "$chromium" ] || skip "no chromium: apt-get install chromium"
EDX_CHROMIUM=$chromium exec timeout 900 node "$top/tests/web_page.mjs"
