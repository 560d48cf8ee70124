/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/hooks/resolv_conf.h"

#include "base/error.h"
#include "base/writer.h"

/* line_ours - `line` comes without its end. */
static bool line_ours(struct span line)
{
    size_t len = sizeof(RESOLV_CONF_MARK) - 1;
    return line.len >= len && memcmp(line.ptr + line.len - len, RESOLV_CONF_MARK, len) == 0;
}

/* line_next - takes the first line off `text`, with its end. */
static struct span line_next(struct span *text)
{
    const uint8_t *end = memchr(text->ptr, '\n', text->len);
    size_t len = end != NULL ? (size_t)(end - text->ptr) + 1 : text->len;
    struct span line = span_of(text->ptr, len);
    *text = span_of(text->ptr + len, text->len - len);
    return line;
}

static struct span without_end(struct span line)
{
    bool ended = line.len > 0 && line.ptr[line.len - 1] == '\n';
    return span_of(line.ptr, line.len - (ended ? 1 : 0));
}

static bool begins(struct span line, const char *word)
{
    size_t len = strlen(word);
    return line.len > len && memcmp(line.ptr, word, len) == 0 &&
           (line.ptr[len] == ' ' || line.ptr[len] == '\t');
}

/* others_copy - copies all lines that are not ours. `ret_search`: the domains of the last search
 * list. */
static void others_copy(struct span text, struct writer *w, struct span *ret_search)
{
    bool search_ours = false;
    *ret_search = (struct span){0};
    while (text.len > 0) {
        struct span line = line_next(&text), plain = without_end(line);
        bool ours = line_ours(plain) || (search_ours && begins(plain, "search"));
        search_ours = span_equal(plain, span_text(RESOLV_CONF_SEARCH_MARK));
        if (ours || search_ours)
            continue;
        write_bytes(w, line);
        if (begins(plain, "search") || begins(plain, "domain"))
            *ret_search = span_of(plain.ptr + 7, plain.len - 7);
    }
}

static bool ends_line(const struct writer *w)
{
    struct span text = writer_span(w);
    return text.len == 0 || text.ptr[text.len - 1] == '\n';
}

static void search_write(const char *domains, struct span others, struct writer *w)
{
    if (domains[0] == '\0')
        return;
    if (!ends_line(w))
        write_bytes(w, span_text("\n"));
    write_bytes(w, span_text(RESOLV_CONF_SEARCH_MARK "\nsearch "));
    write_bytes(w, span_text(domains));
    if (others.len > 0)
        write_bytes(w, span_text(" "));
    write_bytes(w, others);
    write_bytes(w, span_text("\n"));
}

int resolv_conf_edit(struct span before, const struct resolv_conf_ours *ours, struct buffer out)
{
    char text[ADDRESS_TEXT_MAX];
    struct writer w = writer_of(out.ptr, out.len);
    struct span search;
    for (size_t i = 0; i < ours->n; i++) {
        write_bytes(&w, span_text("nameserver "));
        write_bytes(&w, span_text(address_print(&ours->servers[i], text)));
        write_bytes(&w, span_text(RESOLV_CONF_MARK "\n"));
    }
    others_copy(before, &w, &search);
    search_write(ours->domains, search, &w);
    return writer_failed(&w) ? ERR_TRUNCATED : (int)w.len;
}
