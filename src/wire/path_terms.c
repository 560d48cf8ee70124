/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/path_terms.h"

#include "base/reader.h"
#include "base/writer.h"

#define FLAG_METERED 0x80

void path_terms_write(struct path_terms terms, uint8_t out[PATH_TERMS_LEN])
{
    struct writer w = writer_of(out, PATH_TERMS_LEN);
    write_u8(&w, PATH_TERMS_VERSION);
    write_u8(&w, terms.metered ? FLAG_METERED : 0);
    write_u16(&w, terms.classes);
    write_u32(&w, terms.rank);
    write_u32(&w, terms.weight);
}

bool path_terms_read(struct span data, struct path_terms *ret_terms)
{
    struct reader r = reader_of(data);
    uint8_t version = read_u8(&r);
    uint8_t flags = read_u8(&r);
    uint16_t classes = read_u16(&r);
    uint32_t rank = read_u32(&r), weight = read_u32(&r);
    if (reader_failed(&r) || version != PATH_TERMS_VERSION || weight == 0)
        return false;
    *ret_terms = (struct path_terms){
        .rank = rank, .weight = weight, .metered = (flags & FLAG_METERED) != 0, .classes = classes};
    return true;
}
