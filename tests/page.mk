# The page in a browser. Both skip where node or what npm installs for client/web is missing.

TESTS      += tests/web_page.sh tests/web_page_dist.sh
EXTRA_DIST += tests/web_page.sh tests/web_page_dist.sh tests/web_page.mjs tests/web_mock.mjs
