# SPDX-License-Identifier: Apache-2.0
# The guard of remote services, and what follows from how a transfer ended.
