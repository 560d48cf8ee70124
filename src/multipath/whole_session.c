/* SPDX-License-Identifier: Apache-2.0 */
#include "multipath/whole_session.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/reader.h"

#define VERSION 1 /* an importer reads this one, and the one before once there is one */
#define HEAD    5 /* of a section: its tag, its length */
/* each Child SA may be there twice while it is rekeyed */
#define CHILDREN (2 * LIMIT_CHILD_SAS_SESSION)

enum section { SECTION_PATHS = 1, SECTION_IKE, SECTION_CHILD };

/* --- export --- */

static size_t section_begin(struct writer *w, enum section tag)
{
    write_u8(w, (uint8_t)tag);
    write_u32(w, 0);
    return w->len;
}

static void section_end(struct writer *w, size_t at)
{
    if (!writer_failed(w))
        writer_patch_u32(w, at - 4, (uint32_t)(w->len - at));
}

static unsigned children_of(const struct session_home *home, ike_session_id id,
                            ike_child_id children[CHILDREN])
{
    struct ike_child_info child = {0};
    unsigned n = 0;
    while (n < CHILDREN && ike_session_child_next(home->ike, id, child.id, &child))
        children[n++] = child.id;
    return n;
}

static int paths_write(const struct session_home *from, ike_session_id id, struct writer *w,
                       nanos now)
{
    size_t at = section_begin(w, SECTION_PATHS);
    int error = path_manager_export(from->paths, id, w, now);
    section_end(w, at);
    return error;
}

/* ike_write - from here on the session cannot stay. */
static int ike_write(const struct session_home *from, ike_session_id id, struct writer *w,
                     nanos now)
{
    struct ike_exported core;
    size_t at = section_begin(w, SECTION_IKE);
    int error = ike_session_export(from->ike, id, &core, now);
    if (error != 0)
        return error;
    write_bytes(w, span_of(core.octets, core.len));
    section_end(w, at);
    ike_exported_done(&core);
    return 0;
}

/* child_write - a Child SA that the data plane does not have, or only lets linger, has no section. */
static void child_write(const struct session_home *from, ike_child_id child, struct writer *w,
                        nanos now)
{
    size_t before = w->len, at = section_begin(w, SECTION_CHILD);
    if (data_plane_export(from->plane, child, w, now) == 0)
        section_end(w, at);
    else
        w->len = before;
}

static int session_write(const struct session_home *from, ike_session_id id, struct writer *w,
                         nanos now)
{
    ike_child_id children[CHILDREN];
    unsigned n = children_of(from, id, children);
    write_u8(w, VERSION);
    int error = paths_write(from, id, w, now);
    if (error == 0)
        error = ike_write(from, id, w, now);
    for (unsigned i = 0; error == 0 && i < n; i++)
        child_write(from, children[i], w, now);
    ASSERT(error != 0 || !writer_failed(w)); /* octets_most */
    return error;
}

/* octets_most - the room is there before the session begins to leave: it could not stay afterwards. */
static size_t octets_most(const struct session_home *from, ike_session_id id)
{
    ike_child_id children[CHILDREN];
    return 1 + (HEAD + PATH_EXPORT) + (HEAD + ike_session_export_most(from->ike, id)) +
           children_of(from, id, children) * (size_t)(HEAD + DATA_PLANE_EXPORT);
}

int whole_session_export(const struct session_home *from, ike_session_id id,
                         struct ike_exported *ret_exported, nanos now)
{
    size_t most = octets_most(from, id);
    struct ike_exported exported = {.octets = malloc(most)};
    if (exported.octets == NULL)
        return ERR_NO_MEMORY;
    struct writer w = writer_of(exported.octets, most);
    int error = session_write(from, id, &w, now);
    exported.len = w.len;
    if (error == 0)
        *ret_exported = exported;
    else
        ike_exported_done(&exported);
    return error;
}

/* --- import --- */

struct sections {
    struct span paths, ike, children[CHILDREN];
    unsigned n_children;
};

/* section_note - false: one that may not come here. */
static bool section_note(struct sections *sections, uint8_t tag, struct span octets)
{
    switch (tag) {
    case SECTION_PATHS:
        if (sections->paths.ptr != NULL)
            return false;
        sections->paths = octets;
        return true;
    case SECTION_IKE:
        if (sections->ike.ptr != NULL)
            return false;
        sections->ike = octets;
        return true;
    case SECTION_CHILD:
        if (sections->n_children == CHILDREN)
            return false;
        sections->children[sections->n_children++] = octets;
        return true;
    default: return false;
    }
}

static bool sections_read(struct span octets, struct sections *sections)
{
    struct reader r = reader_of(octets);
    if (read_u8(&r) != VERSION)
        return false;
    while (!reader_done(&r)) {
        uint8_t tag = read_u8(&r);
        struct span section = read_bytes(&r, read_u32(&r));
        if (reader_failed(&r) || section.len == 0 || !section_note(sections, tag, section))
            return false;
    }
    return sections->paths.ptr != NULL && sections->ike.ptr != NULL;
}

int whole_session_import(const struct session_home *into, struct span octets,
                         ike_session_id *ret_id, nanos now)
{
    struct sections sections = {0};
    *ret_id = 0;
    if (!sections_read(octets, &sections))
        return ERR_INVALID;
    int error = ike_session_import(into->ike, sections.ike, ret_id, now);
    if (error != 0) {
        *ret_id = 0;
        return error;
    }
    for (unsigned i = 0; error == 0 && i < sections.n_children; i++)
        error = data_plane_import(into->plane, sections.children[i], now);
    if (error == 0 && into->paths != NULL)
        error = path_manager_import(into->paths, sections.paths, now);
    return error;
}
