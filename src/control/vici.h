/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONTROL_VICI_H
#define CONTROL_VICI_H

/*
 * The VICI wire format. A frame is a length of 4 octets in network order and that many octets: a
 * packet type, for some types a name (1 octet of length), and a message, which is a list of
 * elements:
 *
 *   SECTION_START 1 name | SECTION_END 2 | KEY_VALUE 3 name value | LIST_START 4 name | LIST_ITEM 5
 * value | LIST_END 6          name: u8 length, octets; value: u16 length, octets
 */

#include "control/tree.h"

#define VICI_FRAME_MAX (512 * 1024)
#define VICI_DEPTH_MAX 16

enum vici_packet {
    VICI_CMD_REQUEST = 0,
    VICI_CMD_RESPONSE = 1,
    VICI_CMD_UNKNOWN = 2,
    VICI_EVENT_REGISTER = 3,
    VICI_EVENT_UNREGISTER = 4,
    VICI_EVENT_CONFIRM = 5,
    VICI_EVENT_UNKNOWN = 6,
    VICI_EVENT = 7,
};

struct vici_frame {
    uint8_t type;
    char name[256]; /* printable; empty for types without */
    struct span message;
};
/* vici_frame_read - the octets behind the length. false: malformed. */
bool vici_frame_read(struct span octets, struct vici_frame *ret_frame);

/* vici_message_read - a section without a name that holds the elements; NULL: malformed, nested
 * deeper than VICI_DEPTH_MAX, or no memory. */
struct tree *vici_message_read(struct span message);

/*
 * struct vici_writer - a frame that grows as it is written; failure is sticky. Take the octets with
 * vici_writer_frame() and free them with vici_writer_done().
 */
struct vici_writer {
    uint8_t *octets; /* owned */
    size_t len, cap;
    bool failed;
};

void vici_begin(struct vici_writer *w, uint8_t type, const char *name);
void vici_section(struct vici_writer *w, const char *name);
void vici_section_end(struct vici_writer *w);
void vici_list(struct vici_writer *w, const char *name);
void vici_item(struct vici_writer *w, const char *text);
void vici_item_span(struct vici_writer *w, struct span text);
void vici_list_end(struct vici_writer *w);
void vici_octets(struct vici_writer *w, const char *name, struct span value);
void vici_put(struct vici_writer *w, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void vici_tree(struct vici_writer *w, const struct tree *section); /* its elements */
/* vici_writer_frame - the whole frame with its length in front; empty: failed, or too large. */
struct span vici_writer_frame(struct vici_writer *w);
void vici_writer_done(struct vici_writer *w); /* wipes and frees */

#endif
