# SPDX-License-Identifier: Apache-2.0
"""Hosts and links in network namespaces, the daemons that run in them, and what can be measured there."""
