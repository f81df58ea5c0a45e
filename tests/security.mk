# tests/security.mk: who may connect, what the services may do

SECURITY_TESTS = tests/curve.py tests/confined.py
TESTS      += $(SECURITY_TESTS)
EXTRA_DIST += $(SECURITY_TESTS) tests/daemon/confined.py
