/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EAP_PACKET_H
#define EAP_PACKET_H

/*
 * The frame of an EAP packet (RFC 3748 section 4):
 *
 *   | Code (1) | Identifier (1) | Length (2, with this header) | Type (1) | Type-Data ... |
 *
 * Success and Failure end after Length.
 */

#include "base/reader.h"
#include "base/writer.h"

#define EAP_HEADER 4

enum eap_code { EAP_REQUEST = 1, EAP_RESPONSE, EAP_SUCCESS, EAP_FAILURE };

struct eap_packet {
    enum eap_code code;
    uint8_t identifier;
    uint8_t type;       /* 0: Success, Failure */
    struct span octets; /* the whole packet, borrowed */
    struct span data;   /* Type-Data, borrowed */
};

/* eap_packet_read - false: malformed. Its Length must be that of `octets`: IKE and RADIUS add no
 * padding. */
bool eap_packet_read(struct span octets, struct eap_packet *ret_packet);

/* eap_packet_begin - writes Code, Identifier, a Length of 0, and Type. */
void eap_packet_begin(struct writer *w, enum eap_code code, uint8_t identifier, uint8_t type);

/* eap_packet_end - writes Length. The packet begins at the start of `w`. May be called again after
 * more octets were written. */
void eap_packet_end(struct writer *w);

/* eap_packet_short - writes a Success or Failure. */
void eap_packet_short(struct writer *w, enum eap_code code, uint8_t identifier);

#endif
