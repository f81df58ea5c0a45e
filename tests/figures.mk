# tests/figures.mk: results as tables and figures

FIGURES_LIVE = tests/client_export.py tests/client_report.py
TESTS       += $(FIGURES_LIVE)
EXTRA_DIST  += $(FIGURES_LIVE) tests/figures_runs.py tests/figures.supp
