/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/common/eap_methods.h"

#include "ike/terms/identity.h"

/* The order in which eap-dynamic offers them, and their names in the configuration. */
static const struct eap_word {
    enum eap_type type;
    const char *text;
    bool
        only_by_name; /* eap-dynamic never offers it: it tells the password, or is one way of TTLS */
} words[] = {
    {EAP_TYPE_MSCHAPV2, "eap-mschapv2", false},
    {EAP_TYPE_AKA_PRIME, "eap-aka-prime", false},
    {EAP_TYPE_AKA, "eap-aka", false},
    {EAP_TYPE_SIM, "eap-sim", false},
    {EAP_TYPE_TLS, "eap-tls", false},
    {EAP_TYPE_TTLS, "eap-ttls", false},
    {EAP_TYPE_PEAP, "eap-peap", false},
    {EAP_TYPE_MD5, "eap-md5", false},
    {EAP_TYPE_GTC, "eap-gtc", true},
    {EAP_TYPE_TTLS_PAP, "eap-ttls-pap", true},
    {EAP_TYPE_TTLS_CHAP, "eap-ttls-chap", true},
    {EAP_TYPE_TTLS_MSCHAPV2, "eap-ttls-mschapv2", true},
};

#define N_WORDS (sizeof(words) / sizeof(words[0]))

bool eap_credentials_parse(const char *text, uint32_t *ret)
{
    bool any = strcmp(text, "eap") == 0 || strcmp(text, "eap-dynamic") == 0;
    bool radius = strcmp(text, "eap-radius") == 0;
    if (any || radius)
        *ret = any ? EAP_CREDENTIALS_ANY : EAP_CREDENTIALS_RADIUS;
    for (size_t i = 0; !any && !radius; i++) {
        if (i == N_WORDS)
            return false;
        if (strcmp(text, words[i].text) != 0)
            continue;
        *ret = (uint32_t)words[i].type;
        break;
    }
    return true;
}

const char *eap_credentials_print(uint32_t credentials)
{
    if (credentials == EAP_CREDENTIALS_RADIUS)
        return "eap-radius";
    for (size_t i = 0; i < N_WORDS; i++)
        if ((uint32_t)words[i].type == credentials)
            return words[i].text;
    return "eap-dynamic";
}

bool eap_credentials_say(uint32_t credentials)
{
    return credentials == EAP_TYPE_MSCHAPV2 || credentials == EAP_TYPE_MD5 ||
           credentials == EAP_TYPE_GTC || credentials == EAP_TYPE_TLS ||
           credentials == EAP_CREDENTIALS_RADIUS;
}

size_t eap_credentials_methods(uint32_t credentials, bool authenticator, bool need_key,
                               uint8_t ret[EAP_METHODS])
{
    size_t n = 0;
    for (size_t i = 0; i < N_WORDS && n < EAP_METHODS; i++) {
        enum eap_type type = words[i].type;
        bool wanted = (credentials == EAP_CREDENTIALS_ANY && !words[i].only_by_name) ||
                      credentials == (uint32_t)type;
        if (wanted && eap_type_plays(type, authenticator) &&
            (!need_key || eap_type_derives_keys(type)))
            ret[n++] = (uint8_t)type;
    }
    return n;
}

bool eap_identity_fits(const char *pattern, struct span identity)
{
    return identity_fits_eap(pattern, identity);
}
