# SPDX-License-Identifier: Apache-2.0
# What takes longer than `make check` allows. `make soak` runs all of it.
soak: soak-s3 soak-kills
.PHONY: soak

# Builds MinIO first.
soak-s3: tests/conformance/test_remote_s3_versitygw
	top_srcdir='$(abs_top_srcdir)' $(srcdir)/tests/soak/s3.sh '$(abs_top_builddir)' $(SOAK_S3_ROUNDS)
.PHONY: soak-s3
EXTRA_DIST += tests/soak/s3.sh

# Runs killed at random over the three remote backends.
SOAK_KILL_CYCLES = 2000
soak-kills: all
	top_srcdir='$(abs_top_srcdir)' top_builddir='$(abs_top_builddir)' python3 \
		$(srcdir)/tests/fault/random_kills.py --cycles $(SOAK_KILL_CYCLES)
.PHONY: soak-kills
