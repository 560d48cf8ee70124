/* SPDX-License-Identifier: Apache-2.0 */
/* Identities as text and as ID payloads, distinguished names among them; and AlgorithmIdentifiers
 * and the outline of certificates, which are read by the same DER reader. */
#include <stdio.h>

#include "base/assert.h"
#include "crypto/signature.h"
#include "ike/terms/identity.h"
#include "wire/certificate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* sound - what was read can be printed, compared and hashed, and is what it is. */
static void sound(const struct ike_id *id)
{
    char text[IDENTITY_TEXT_MAX];
    identity_print(id, text);
    ASSERT(strlen(text) < sizeof(text));
    for (const char *c = text; *c != '\0'; c++)
        ASSERT(*c >= 0x20 && *c < 0x7f);
    if (id->type != ID_ANY)
        ASSERT(identity_equal(id, id) && identity_covers(id, id) == IDENTITY_EXACT);
    (void)identity_hash(id, 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[1024];
    struct ike_id id;
    struct signature_scheme scheme;
    struct wire_certificate outline;
    if (size == 0)
        return 0;
    const struct wire_id wire = {.type = data[0] % 16, .data = span_of(data + 1, size - 1)};
    if (identity_from_wire(&wire, &id))
        sound(&id);
    (void)snprintf(text, sizeof(text), "%.*s", (int)(size - 1), (const char *)data + 1);
    if (identity_parse(text, &id) == 0)
        sound(&id);
    if (signature_scheme_read(wire.data, &scheme))
        ASSERT(strcmp(signature_scheme_name(&scheme), "unknown") != 0);
    if (wire_certificate_read(wire.data, &outline))
        ASSERT(outline.key.len > 0);
    return 0;
}
