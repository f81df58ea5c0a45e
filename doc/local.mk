EXTRA_DIST += doc/page.png \
	doc/performance.png \
	README.md \
	NEWS.md \
	HACKING.md \
	COPYING \
	doc/architecture.md \
	doc/examples/notebook.py \
	doc/examples/publish.py \
	doc/examples/watch.py \
	doc/guide.md \
	doc/performance.md \
	doc/protocol.md \
	doc/reliability.md \
	doc/results.md \
	doc/scaling.md \
	doc/web.md
