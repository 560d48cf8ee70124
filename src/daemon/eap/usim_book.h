/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_USIM_BOOK_H
#define DAEMON_USIM_BOOK_H

/*
 * The state of each USIM of an End User, beside its key: the highest accepted sequence number, and
 * the names from a Gateway (eap/names.h). The book is a mapped file, so a process without file
 * access can write it. Written state is in the kernel's page cache at once: it survives our
 * processes, but not a power failure. The last USIM_BOOK identities are kept.
 */

#include "eap/names.h"

#define USIM_BOOK      256
#define USIM_BOOK_ROOM (USIM_BOOK * 1024) /* octets of the file */

struct usim_book;

/* usim_book_new - maps the file, whose descriptor stays the caller's; malformed slots are empty.
 * -1, and a file without the room: memory only. NULL: no memory. */
struct usim_book *usim_book_new(int fd);
struct usim_book *usim_book_free(struct usim_book *book); /* takes NULL; returns NULL */

/* usim_book_names - false: none for this identity. usim_book_keep - replaces them. */
bool usim_book_names(const struct usim_book *book, struct span identity, struct eap_names *ret);
void usim_book_keep(struct usim_book *book, struct span identity, const struct eap_names *names);

/* usim_book_sqn_take - as struct eap_secrets, sqn_take. */
bool usim_book_sqn_take(struct usim_book *book, struct span identity, uint64_t sqn,
                        uint64_t *ret_highest);

#endif
