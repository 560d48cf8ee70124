/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/process/resolv_conf.h"

#include "base/error.h"
#include "base/writer.h"

/* line_ours - `line` without its end. */
static bool line_ours(struct span line)
{
    size_t len = sizeof(RESOLV_CONF_MARK) - 1;
    return line.len >= len && memcmp(line.ptr + line.len - len, RESOLV_CONF_MARK, len) == 0;
}

static void others_copy(struct span text, struct writer *w)
{
    while (text.len > 0) {
        const uint8_t *end = memchr(text.ptr, '\n', text.len);
        size_t len = end != NULL ? (size_t)(end - text.ptr) : text.len;
        size_t whole = end != NULL ? len + 1 : len;
        if (!line_ours(span_of(text.ptr, len)))
            write_bytes(w, span_of(text.ptr, whole));
        text = span_of(text.ptr + whole, text.len - whole);
    }
}

int resolv_conf_edit(struct span before, const struct address *servers, size_t n, struct buffer out)
{
    char text[ADDRESS_TEXT_MAX];
    struct writer w = writer_of(out.ptr, out.len);
    for (size_t i = 0; i < n; i++) {
        write_bytes(&w, span_text("nameserver "));
        write_bytes(&w, span_text(address_print(&servers[i], text)));
        write_bytes(&w, span_text(RESOLV_CONF_MARK "\n"));
    }
    others_copy(before, &w);
    return writer_failed(&w) ? ERR_TRUNCATED : (int)w.len;
}
