# SPDX-License-Identifier: Apache-2.0
"""ikatd with every other free IKEv2 daemon, whose ESP is in the kernel: in a guest (lab/guest.py) that has one."""
