# SPDX-License-Identifier: Apache-2.0
"""An IKEv2 peer written from the RFCs and docs/protocol.md alone, which says and does what a test wants, also what is
wrong."""
