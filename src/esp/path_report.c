/* SPDX-License-Identifier: Apache-2.0 */
#include "esp/path_report.h"

#include "base/assert.h"
#include "base/reader.h"
#include "base/writer.h"

#define VERSION 1
#define ANSWER  1

static void entry_write(struct writer *w, const struct path_report_entry *entry)
{
    ASSERT(entry->n_gaps <= PATH_REPORT_GAPS);
    write_u32(w, entry->spi);
    write_u32(w, entry->highest);
    write_u32(w, entry->packets);
    write_u32(w, entry->octets);
    write_u16(w, entry->delay_min);
    write_u16(w, entry->delay_last);
    write_u16(w, entry->age);
    write_u8(w, entry->n_gaps);
    for (uint8_t i = 0; i < entry->n_gaps; i++) {
        write_u32(w, entry->gaps[i].first);
        write_u16(w, entry->gaps[i].count);
    }
}

size_t path_report_write(const struct path_report *report, uint8_t *out)
{
    struct writer w = writer_of(out, PATH_REPORT_MAX);
    ASSERT(report->n <= PATH_REPORT_ENTRIES);
    write_u8(&w, (uint8_t)(VERSION << 4 | (report->answer ? ANSWER : 0)));
    write_u8(&w, report->n);
    write_u16(&w, report->time);
    for (uint8_t i = 0; i < report->n; i++)
        entry_write(&w, &report->entries[i]);
    ASSERT(!writer_failed(&w));
    return w.len;
}

static bool entry_read(struct reader *r, struct path_report_entry *entry)
{
    *entry = (struct path_report_entry){.spi = read_u32(r)};
    entry->highest = read_u32(r);
    entry->packets = read_u32(r);
    entry->octets = read_u32(r);
    entry->delay_min = read_u16(r);
    entry->delay_last = read_u16(r);
    entry->age = read_u16(r);
    entry->n_gaps = read_u8(r);
    if (entry->n_gaps > PATH_REPORT_GAPS)
        return false;
    for (uint8_t i = 0; i < entry->n_gaps; i++) {
        entry->gaps[i].first = read_u32(r);
        entry->gaps[i].count = read_u16(r);
    }
    return !reader_failed(r);
}

bool path_report_asks(struct span octets)
{
    return octets.len > 0 && octets.ptr[0] >> 4 == VERSION && (octets.ptr[0] & ANSWER) != 0;
}

bool path_report_read(struct span octets, struct path_report *ret_report)
{
    struct reader r = reader_of(octets);
    uint8_t first = read_u8(&r);
    struct path_report report = {.answer = (first & ANSWER) != 0, .n = read_u8(&r)};
    report.time = read_u16(&r);
    if (reader_failed(&r) || first >> 4 != VERSION || report.n > PATH_REPORT_ENTRIES)
        return false;
    for (uint8_t i = 0; i < report.n; i++)
        if (!entry_read(&r, &report.entries[i]))
            return false;
    *ret_report = report;
    return true;
}
