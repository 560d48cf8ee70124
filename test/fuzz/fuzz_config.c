/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text of a configuration file. If the first octet is not printable it chooses keys and values
 * instead: pairs of octets make a file of known words, which gets past the syntax.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "daemon/config/config_load.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const words[] = {
    "connections {\n",
    "c {\n",
    "}\n",
    "}\n",
    "local {\n auth = psk\n",
    "remote {\n auth = psk\n",
    "children {\n",
    "paths {\n",
    "pools {\n",
    "secrets {\n",
    "ike-1 {\n",
    "d : c {\n",
    "connections.c {\n",
    "interface = eth0\n",
    "id = ",
    "secret = ",
    "0x0a\n",
    "0sAAA=\n",
    "addrs = ",
    "10.0.0.0/24\n",
    "fd00::/64\n",
    "local_ts = ",
    "dynamic[tcp/80-90], ::/0[17]\n",
    "remote_addrs = ",
    "proposals = ",
    "aes128gcm16-prfsha256-x25519\n",
    "esp_proposals = ",
    "default\n",
    "rekey_time = ",
    "4h\n",
    "rekey_bytes = ",
    "500m\n",
    "prefer = ",
    "PREFER = off\n",
    "keep_old_notify = ",
    "MAX_IKE_SAS = 0\n",
    "99999999999999999999\n",
    "multipath = balance\n",
    "weight = ",
    "\"quoted \\\" text\"\n",
    "# a comment\n",
    "include x\n",
    "unknown = 1\n",
    "= \n",
    "vips = 0.0.0.0, ::\n",
    "pools = c, d\n",
    "dns = 10.0.0.1\n",
    "replay_window = ",
    "64\n",
};
#define WORDS (sizeof(words) / sizeof(words[0]))

static void check(struct span text)
{
    struct settings settings;
    struct build_error error = {.text = ""};
    int err = settings_parse("f", text, NULL, &settings);
    if (err == 0) {
        err = config_check(settings.root, &error);
        ASSERT(err == 0 || error.text[0] != '\0' || err == ERR_NO_MEMORY);
    } else {
        ASSERT(settings.error[0] != '\0');
    }
    settings_done(&settings);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char text[16384];
    size_t n = 0;
    if (size == 0 || (data[0] >= 0x20 && data[0] < 0x80)) {
        check(span_of(data, size));
        return 0;
    }
    for (size_t i = 1; i < size; i++) {
        const char *word = words[data[i] % WORDS];
        if (n + strlen(word) > sizeof(text))
            break;
        memcpy(text + n, word, strlen(word));
        n += strlen(word);
    }
    check(span_of(text, n));
    return 0;
}
