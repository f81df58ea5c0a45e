#!/usr/bin/env bash
# What client/web/dist ships is what client/web/src makes, byte for byte, and small enough.
set -u -o pipefail

top=$(cd "${EDX_SRCDIR:-.}" && pwd) || exit 1
web=$top/client/web
if [ ! -d "$web/node_modules/esbuild" ] || ! command -v node >/dev/null; then
    echo "skipped: no node, or no esbuild: npm ci --prefix client/web"
    exit 77
fi
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT

cd "$web" || exit 1
"$web/node_modules/.bin/tsc" --noEmit || exit 1
node build.mjs "$dir" || exit 1
diff -rq "$dir" "$web/dist" || {
    echo "client/web/dist is not what client/web/src makes: run npm run build in client/web, and commit dist"
    exit 1
}
bytes=$(($(gzip -9nc "$dir/app.js" | wc -c) + $(gzip -9nc "$dir/app.css" | wc -c)))
echo "app.js and app.css: $bytes bytes compressed, expected at most 60000"
[ "$bytes" -le 60000 ]
