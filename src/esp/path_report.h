/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_PATH_REPORT_H
#define ESP_PATH_REPORT_H

/*
 * A report: the receiver of packets with order trailers tells their sender how each path did. It
 * travels as an ESP dummy packet (next header 59), which every other receiver discards (RFC 4303
 * section 2.6). All values are cumulative, so a lost report costs nothing but time.
 *
 *   octet 0     version (1) in the upper four bits, which is neither IPv4 nor IPv6; bit 0: answer
 *   octet 1     number of entries, at most 8
 *   octet 2-3   when the report was sent, ticks of 64 us modulo 2^16
 *   entries of 23 octets and 6 for each gap:
 *     4 SPI of the Child SA, as in the packets it tells of
 *     4 highest ESP sequence number that came, lower half
 *     4 packets that came, modulo 2^32
 *     4 octets of inner packets that came, modulo 2^32
 *     2 least delay, 2 delay of the highest number: arrival less send time, ticks modulo 2^16
 *     2 age: ticks since the highest number came, at most 65,535
 *     1 number of gaps, at most 8
 *     each gap: 4 its first sequence number, lower half; 2 its length
 */

#include "base/span.h"
#include "esp/order_trailer.h"

#define PATH_REPORT_ENTRIES 8
#define PATH_REPORT_GAPS    8
#define PATH_REPORT_MAX     (4 + PATH_REPORT_ENTRIES * (23 + PATH_REPORT_GAPS * 6))

struct path_gap {
    uint32_t first;
    uint16_t count;
};

struct path_report_entry {
    uint32_t spi, highest, packets, octets;
    uint16_t delay_min, delay_last, age;
    uint8_t n_gaps;
    struct path_gap gaps[PATH_REPORT_GAPS];
};

struct path_report {
    bool answer; /* the sender asks for a report about the path on which this one arrived */
    uint8_t n;
    uint16_t time;
    struct path_report_entry entries[PATH_REPORT_ENTRIES];
};

/* path_report_write - to `out` of PATH_REPORT_MAX octets; returns how many. */
size_t path_report_write(const struct path_report *report, uint8_t *out);

/* path_report_asks - a report of our version that asks for one; it need not be well-formed. */
bool path_report_asks(struct span octets);

/* path_report_read - false: another version, or not well-formed. Octets behind it are padding. */
bool path_report_read(struct span octets, struct path_report *ret_report);

#endif
