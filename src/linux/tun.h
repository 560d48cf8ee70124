/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LINUX_TUN_H
#define LINUX_TUN_H

#include "base/error.h"
#include "base/span.h"

#define TUN_NAME_MAX 16 /* IFNAMSIZ */
#define TUN_DRIVER   "/dev/net/tun"

/*
 * tun_open - a TUN device with `n` queues, non-blocking, with a struct esp_vnet before each frame,
 * and checksum and segmentation offload on. `name`: "ikat0" or "ikat%d"; at most TUN_NAME_MAX - 1
 * octets. *ret_uso: takes UDP super-packets too (Linux 6.2). Needs CAP_NET_ADMIN. ERR_SYSTEM (errno
 * kept), ERR_INVALID.
 */
int tun_open(const char *name, unsigned n, int *ret_fds, char ret_name[TUN_NAME_MAX],
             bool *ret_uso) MUST_USE;

/* tun_up - sets the MTU and brings the device up. tun_mtu_set - the MTU alone. ERR_SYSTEM. */
int tun_up(const char *name, uint16_t mtu) MUST_USE;
int tun_mtu_set(const char *name, uint16_t mtu) MUST_USE;

#endif
