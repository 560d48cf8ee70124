/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_CARRIER_H
#define BASE_CARRIER_H

#include "base/address.h"
#include "base/error.h"
#include "base/reader.h"
#include "base/time.h"
#include "base/writer.h"

/*
 * struct carrier - takes the state of an object from one process to another. One function for each
 * struct serves both directions: each step takes the value that there is, and returns the value that
 * is there afterwards.
 *
 *      sa->spi_i = carry_u64(c, sa->spi_i);      writes spi_i, or reads it
 *
 * So the two directions cannot differ in order or width. A carrier that reads trusts nothing: a value
 * out of its bounds fails, failure is sticky, and all later steps return 0 or leave what they fill as
 * it is. Act only after carrier_done(). A carrier that writes fails in the same way, and never changes
 * the object: each step returns the value that it was given. Where the octets have keys, their owner
 * wipes them.
 *
 * Moments travel as their distance from `now`: the clock of the other process is another one.
 */
struct carrier {
    struct writer *w; /* borrowed; NULL: the carrier reads */
    struct reader r;
    nanos now;
    uint8_t version; /* of the octets */
    int error;       /* the first failure; 0: none */
};

struct carrier carrier_writes(struct writer *w, uint8_t version, nanos now);
struct carrier carrier_reads(struct span octets, uint8_t version, nanos now);
static inline bool carrier_is_reader(const struct carrier *c)
{
    return c->w == NULL;
}
/* carrier_fail - ERR_INVALID: the octets make no sense; any other enum error. The first one stays. */
void carrier_fail(struct carrier *c, int error);
/* carrier_check - fails with ERR_INVALID unless `sound`. */
void carrier_check(struct carrier *c, bool sound);
/* carrier_done - 0: all was written, or all was read and nothing is left. */
int carrier_done(const struct carrier *c) MUST_USE;

uint8_t carry_u8(struct carrier *c, uint8_t value);
uint16_t carry_u16(struct carrier *c, uint16_t value);
uint32_t carry_u32(struct carrier *c, uint32_t value);
uint64_t carry_u64(struct carrier *c, uint64_t value);
bool carry_bool(struct carrier *c, bool value);
/* carry_within - a number from `least` to `most`: a count, a length, a value of an enum. */
uint32_t carry_within(struct carrier *c, uint32_t value, uint32_t least, uint32_t most);
/* carry_moment - NANOS_NEVER stays. carry_stamp - a moment of the past where 0 means none: 0 stays,
 * and no other moment becomes 0. */
nanos carry_moment(struct carrier *c, nanos at);
nanos carry_stamp(struct carrier *c, nanos at);
void carry_octets(struct carrier *c, void *octets, size_t len);
/* carry_text - a string in `cap` octets, its NUL included; the rest is zeroed. */
void carry_text(struct carrier *c, char *text, size_t cap);
void carry_address(struct carrier *c, struct address *address);
void carry_endpoint(struct carrier *c, struct endpoint *endpoint);
void carry_range(struct carrier *c, struct address_range *range);

/* carry_begin, carry_end - a section: a tag, a length, and the octets between the two calls. A
 * reader cannot leave the section, and must read all of it. */
struct carrier_section {
    size_t at;           /* of the length, in the writer */
    struct reader outer; /* behind the section */
};
struct carrier_section carry_begin(struct carrier *c, uint8_t tag);
void carry_end(struct carrier *c, const struct carrier_section *section);

#endif
