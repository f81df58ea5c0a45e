# tests/interop.mk: with Python, HyperSpy and HDF5 tools

TESTS      += tests/interop_store.py tests/interop_hyperspy.py
EXTRA_DIST += tests/interop_store.py tests/interop_hyperspy.py
