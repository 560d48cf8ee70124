/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nm-ikat-auth-dialog: tells nmcli, GNOME Shell and the like which secrets a connection wants, so that they
 * ask for them in their own way (--external-ui-mode). It has no window of its own. The caller writes the
 * connection's data and known secrets to standard input, and reads a key file with a group per secret.
 */
#include <NetworkManager.h>

#include "base/secret.h"
#include "nm/no_core.h"
#include "nm/plan.h"

#define VALUES_MAX 64

static struct nm_values values_of(GHashTable *table, struct nm_value room[VALUES_MAX])
{
    struct nm_values values = {.values = room};
    GHashTableIter iterator;
    gpointer name, value;
    g_hash_table_iter_init(&iterator, table);
    while (values.n < VALUES_MAX && g_hash_table_iter_next(&iterator, &name, &value))
        room[values.n++] = (struct nm_value){name, value};
    return values;
}

static void group(GKeyFile *file, const char *secret, const char *value, gboolean ask)
{
    g_key_file_set_string(file, secret, "Value", value == NULL ? "" : value);
    g_key_file_set_string(file, secret, "Label", nm_secret_label(secret));
    g_key_file_set_boolean(file, secret, "IsSecret", TRUE);
    g_key_file_set_boolean(file, secret, "ShouldAsk", ask);
}

/* describe - the key file. The secret that the login uses is asked for if it is missing, or was wrong. */
static char *describe(GHashTable *data, GHashTable *secrets, const char *name, gboolean again)
{
    struct nm_value data_room[VALUES_MAX], secrets_room[VALUES_MAX];
    struct nm_settings settings = {.uuid = "",
                                   .data = values_of(data, data_room),
                                   .secrets = values_of(secrets, secrets_room)};
    const struct nm_settings bare = {.uuid = "", .data = settings.data};
    const char *wanted = nm_secret_missing(&bare);
    GKeyFile *file = g_key_file_new();
    char *title = g_strdup_printf("Authenticate VPN %s", name);
    g_key_file_set_integer(file, "VPN Plugin UI", "Version", 2);
    g_key_file_set_string(file, "VPN Plugin UI", "Title", title);
    g_key_file_set_string(file, "VPN Plugin UI", "Description", title);
    if (wanted != NULL)
        group(file, wanted, g_hash_table_lookup(secrets, wanted),
              again || nm_secret_missing(&settings) != NULL);
    char *text = g_key_file_to_data(file, NULL, NULL);
    g_key_file_free(file);
    g_free(title);
    return text;
}

int main(int argc, char **argv)
{
    char *uuid = NULL, *name = NULL, *service = NULL, **hints = NULL;
    gboolean again = FALSE, interaction = FALSE, external = FALSE;
    GHashTable *data = NULL, *secrets = NULL;
    const GOptionEntry entries[] = {
        {"uuid", 'u', 0, G_OPTION_ARG_STRING, &uuid, "UUID of the connection", "UUID"},
        {"name", 'n', 0, G_OPTION_ARG_STRING, &name, "name of the connection", "NAME"},
        {"service", 's', 0, G_OPTION_ARG_STRING, &service, "type of the connection", "SERVICE"},
        {"reprompt", 'r', 0, G_OPTION_ARG_NONE, &again, "the secret was wrong", NULL},
        {"allow-interaction", 'i', 0, G_OPTION_ARG_NONE, &interaction, "a person may be asked",
         NULL},
        {"hint", 't', 0, G_OPTION_ARG_STRING_ARRAY, &hints, "ignored", "HINT"},
        {"external-ui-mode", 0, 0, G_OPTION_ARG_NONE, &external, "the caller asks", NULL},
        {0},
    };
    no_core();
    GOptionContext *options = g_option_context_new("- secrets of a VPN connection of ikat");
    g_option_context_add_main_entries(options, entries, NULL);
    bool ok = g_option_context_parse(options, &argc, &argv, NULL) && name != NULL;
    g_option_context_free(options);
    if (!ok || !external) {
        g_printerr("nm-ikat-auth-dialog: has no window; it needs --name and --external-ui-mode\n");
        return 2;
    }
    if (!nm_vpn_service_plugin_read_vpn_details(0, &data, &secrets)) {
        g_printerr("nm-ikat-auth-dialog: standard input has no connection\n");
        return 1;
    }
    char *text = describe(data, secrets, name, again);
    g_print("%s", text);
    wipe(text, strlen(text));
    g_free(text);
    g_hash_table_unref(data);
    g_hash_table_unref(secrets);
    return 0;
}
