EXTRA_DIST += \
	README.md \
	NEWS.md \
	HACKING.md \
	COPYING \
	doc/architecture.md \
	doc/results.md
