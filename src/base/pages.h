/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_PAGES_H
#define BASE_PAGES_H

/*
 * Memory for large tables that may stay nearly empty. The system gives each page when it is first written, and gets
 * all of them back at the end. calloc() writes zeros to the whole table where the heap has room for it, which stops its
 * thread for milliseconds.
 */

#include <stddef.h>

/* pages_new - zeroed; NULL: no memory. The caller owns it. */
void *pages_new(size_t size);

/* pages_free - `size` as for pages_new(); NULL is allowed. Returns NULL. */
void *pages_free(void *pages, size_t size);

#endif
