/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/aaa/aaa_account.h"

#include <inttypes.h>
#include <stdio.h>

#define PORT_VIRTUAL   5
#define SERVICE_FRAMED 2
#define BY_RADIUS      1
#define BY_ITSELF      2

static void text_write(struct writer *w, enum radius_attribute type, const char *text)
{
    if (text[0] != '\0')
        radius_attribute_write(w, type, span_text(text));
}

static void address_write(struct writer *w, enum radius_attribute type, const struct address *a)
{
    if (a->family != ADDRESS_NONE)
        radius_attribute_write(w, type, address_span(a));
}

/* Octets beyond 32 bits are Gigawords (RFC 2869 section 5.1). */
static void octets_write(struct writer *w, enum radius_attribute type, enum radius_attribute high,
                         uint64_t octets)
{
    radius_u32_write(w, type, (uint32_t)octets);
    radius_u32_write(w, high, (uint32_t)(octets >> 32));
}

static void traffic_write(struct writer *w, const struct aaa_traffic *t)
{
    octets_write(w, RADIUS_ACCT_INPUT_OCTETS, RADIUS_ACCT_INPUT_GIGAWORDS, t->octets_in);
    octets_write(w, RADIUS_ACCT_OUTPUT_OCTETS, RADIUS_ACCT_OUTPUT_GIGAWORDS, t->octets_out);
    radius_u32_write(w, RADIUS_ACCT_INPUT_PACKETS, (uint32_t)t->packets_in);
    radius_u32_write(w, RADIUS_ACCT_OUTPUT_PACKETS, (uint32_t)t->packets_out);
}

static void path_write(struct writer *w, const struct aaa_path *path)
{
    uint8_t octets[RADIUS_VALUE];
    struct writer value = writer_of(octets, sizeof(octets));
    char text[RADIUS_VALUE], local[ADDRESS_TEXT_MAX] = "any", remote[ADDRESS_TEXT_MAX] = "any";
    const struct aaa_traffic *t = &path->traffic;
    if (path->local.family != ADDRESS_NONE)
        address_print(&path->local, local);
    if (path->remote.family != ADDRESS_NONE)
        address_print(&path->remote, remote);
    (void)snprintf(text, sizeof(text),
                   "if=%s local=%s remote=%s in=%" PRIu64 "/%" PRIu64 " out=%" PRIu64 "/%" PRIu64,
                   path->interface[0] == '\0' ? "any" : path->interface, local, remote,
                   t->octets_in, t->packets_in, t->octets_out, t->packets_out);
    write_u32(&value, AAA_VENDOR);
    radius_attribute_write(&value, (enum radius_attribute)AAA_VENDOR_PATH, span_text(text));
    radius_attribute_write(w, RADIUS_VENDOR_SPECIFIC, writer_span(&value));
}

static void nas_write(struct writer *w, const struct aaa_account *a)
{
    text_write(w, RADIUS_NAS_IDENTIFIER, a->nas);
    address_write(
        w, a->nas_address.family == ADDRESS_V6 ? RADIUS_NAS_IPV6_ADDRESS : RADIUS_NAS_IP_ADDRESS,
        &a->nas_address);
}

static void user_write(struct writer *w, const struct aaa_account *a)
{
    if (a->user_len > 0)
        radius_attribute_write(w, RADIUS_USER_NAME, span_of(a->user, a->user_len));
    radius_u32_write(w, RADIUS_NAS_PORT, a->port);
    radius_u32_write(w, RADIUS_NAS_PORT_TYPE, PORT_VIRTUAL);
    text_write(w, RADIUS_NAS_PORT_ID, a->conn);
    radius_u32_write(w, RADIUS_SERVICE_TYPE, SERVICE_FRAMED);
    text_write(w, RADIUS_CALLED_STATION_ID, a->called);
    text_write(w, RADIUS_CALLING_STATION_ID, a->calling);
    address_write(w, RADIUS_FRAMED_IP_ADDRESS, &a->framed4);
    address_write(w, RADIUS_FRAMED_IPV6_ADDRESS, &a->framed6);
    write_bytes(w, span_of(a->classes, a->n_classes));
}

static void session_write(struct writer *w, const struct aaa_account *a)
{
    user_write(w, a);
    radius_u32_write(w, RADIUS_ACCT_AUTHENTIC, a->by_server ? BY_RADIUS : BY_ITSELF);
    if (a->kind == AAA_ACCOUNT_START)
        return;
    radius_u32_write(w, RADIUS_ACCT_SESSION_TIME, a->duration_s);
    traffic_write(w, &a->traffic);
    if (a->kind == AAA_ACCOUNT_STOP)
        radius_u32_write(w, RADIUS_ACCT_TERMINATE_CAUSE, a->cause);
    for (uint32_t i = 0; i < a->n_paths; i++)
        path_write(w, &a->paths[i]);
}

void aaa_account_write(const struct aaa_account *a, int64_t wall_s, struct writer *w)
{
    int64_t delay = wall_s > a->at_s ? wall_s - a->at_s : 0;
    radius_u32_write(w, RADIUS_ACCT_STATUS_TYPE, a->kind);
    radius_attribute_write(w, RADIUS_ACCT_SESSION_ID, span_text(a->session_id));
    nas_write(w, a);
    radius_u32_write(w, RADIUS_EVENT_TIMESTAMP, (uint32_t)a->at_s);
    radius_u32_write(w, RADIUS_ACCT_DELAY_TIME, delay > UINT32_MAX ? UINT32_MAX : (uint32_t)delay);
    if (aaa_account_of_session(a->kind))
        session_write(w, a);
}
