# The page: built files ship with the source, so that make needs no npm. After a change in src/:
# npm ci && npm run build in client/web, and commit dist/; tests/web_page_dist.sh checks it.

webdir = $(pkgdatadir)/web
dist_web_DATA = \
	client/web/dist/LICENSES.txt \
	client/web/dist/app.css \
	client/web/dist/app.js \
	client/web/dist/icon.svg \
	client/web/dist/index.html
nodist_web_DATA = client/web/app.css.gz client/web/app.js.gz
CLEANFILES += $(nodist_web_DATA)

# edxweb serves NAME.gz in place of NAME to who takes it.
client/web/app.css.gz: client/web/dist/app.css
	$(AM_V_GEN)$(MKDIR_P) client/web && gzip -9nc $(srcdir)/client/web/dist/app.css >$@
client/web/app.js.gz: client/web/dist/app.js
	$(AM_V_GEN)$(MKDIR_P) client/web && gzip -9nc $(srcdir)/client/web/dist/app.js >$@

EXTRA_DIST += \
	client/web/LICENSES \
	client/web/build.mjs \
	client/web/icon.svg \
	client/web/index.html \
	client/web/package-lock.json \
	client/web/package.json \
	client/web/src/alarms.ts \
	client/web/src/arrays.ts \
	client/web/src/chart.ts \
	client/web/src/colour.ts \
	client/web/src/config.ts \
	client/web/src/css.d.ts \
	client/web/src/dom.ts \
	client/web/src/format.ts \
	client/web/src/freshness.ts \
	client/web/src/header.ts \
	client/web/src/history.ts \
	client/web/src/linechart.ts \
	client/web/src/lines.ts \
	client/web/src/main.ts \
	client/web/src/maps.ts \
	client/web/src/planes.ts \
	client/web/src/probe.ts \
	client/web/src/quality.ts \
	client/web/src/radial.ts \
	client/web/src/range.ts \
	client/web/src/raster.ts \
	client/web/src/save.ts \
	client/web/src/scree.ts \
	client/web/src/settings.ts \
	client/web/src/spectrum.ts \
	client/web/src/state.ts \
	client/web/src/style.css \
	client/web/src/tables.ts \
	client/web/src/tile.ts \
	client/web/src/timeline.ts \
	client/web/src/trend.ts \
	client/web/src/types.ts \
	client/web/src/viewport.ts \
	client/web/src/wire.ts \
	client/web/tsconfig.json
