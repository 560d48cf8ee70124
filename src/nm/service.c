/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nm-ikat-service: NetworkManager's VPN connections of type ikat. NetworkManager starts a process for each
 * connection that comes up, and asks it over D-Bus; the process asks ikatd over VICI.
 *
 *   Connect -> load -> initiate (a thread waits for it) -> Config, Ip4Config, Ip6Config
 *           -> child-updown of ikatd: the same again, or Failure
 *   Disconnect, end of NetworkManager or of this process -> terminate, unload
 *
 * libnm keeps the state of the connection (NMVpnServicePlugin), ikatd that of the session.
 */
#include <NetworkManager.h>
#include <glib-unix.h>

#include "nm/config.h"
#include "nm/no_core.h"
#include "nm/vici_calls.h"

#define SERVICE_NAME "org.freedesktop.NetworkManager.ikat"
#define VALUES_MAX   64

typedef struct {
    NMVpnServicePlugin parent;
    char *socket;
    char conn[NM_CONN_MAX]; /* loaded at ikatd; empty: none */
    char device[NM_DEVICE_MAX], key_id[64];
    bool persists;
    bool up;               /* NetworkManager was told so */
    unsigned attempt;      /* number of the login; an older one is ignored when it ends */
    struct nm_grant grant; /* what NetworkManager was told */
    struct client *events; /* child-updown; NULL: no connection */
    guint events_source;
} IkatPlugin;

typedef struct {
    NMVpnServicePluginClass parent;
} IkatPluginClass;

static GType ikat_plugin_get_type(void);
G_DEFINE_TYPE(IkatPlugin, ikat_plugin, NM_TYPE_VPN_SERVICE_PLUGIN)

/* --- the connection's settings --- */

struct collected {
    struct nm_value values[VALUES_MAX];
    guint n; /* more than VALUES_MAX: the rest is left out */
};

typedef const char *value_get(NMSettingVpn *vpn, const char *name);

/* collect - takes `names`; the strings stay the setting's. */
static void collect(NMSettingVpn *vpn, const char **names, value_get *get, struct collected *all)
{
    for (guint i = 0; i < all->n && i < VALUES_MAX; i++)
        all->values[i] = (struct nm_value){names[i], get(vpn, names[i])};
    g_free(names);
}

struct settings_room {
    struct collected data, secrets;
};

/* settings_of - false: it is no VPN connection, or has more values than any of ours. */
static bool settings_of(NMConnection *connection, struct settings_room *room,
                        struct nm_settings *ret)
{
    NMSettingVpn *vpn = nm_connection_get_setting_vpn(connection);
    if (vpn == NULL || nm_connection_get_uuid(connection) == NULL)
        return false;
    const char **names = nm_setting_vpn_get_data_keys(vpn, &room->data.n);
    collect(vpn, names, nm_setting_vpn_get_data_item, &room->data);
    names = nm_setting_vpn_get_secret_keys(vpn, &room->secrets.n);
    collect(vpn, names, nm_setting_vpn_get_secret, &room->secrets);
    *ret = (struct nm_settings){.uuid = nm_connection_get_uuid(connection),
                                .data = {room->data.values, room->data.n},
                                .secrets = {room->secrets.values, room->secrets.n}};
    return room->data.n <= VALUES_MAX && room->secrets.n <= VALUES_MAX;
}

/* is_for_some - only some users may use the connection. Each user may make such a connection for himself, without
 * being an administrator, and ikatd finds secrets and keys by identities, whoever has loaded them: his could be taken
 * for those of others, and theirs for his. */
static bool is_for_some(NMConnection *connection)
{
    NMSettingConnection *setting = nm_connection_get_setting_connection(connection);
    return setting == NULL || nm_setting_connection_get_num_permissions(setting) != 0;
}

/* --- up and down --- */

static void events_close(IkatPlugin *plugin)
{
    if (plugin->events_source != 0)
        (void)g_source_remove(plugin->events_source);
    plugin->events_source = 0;
    plugin->events = client_close(plugin->events);
}

static void end(IkatPlugin *plugin)
{
    plugin->attempt++;
    plugin->up = false;
    events_close(plugin);
    if (plugin->conn[0] != '\0')
        nm_session_end(plugin->socket, plugin->conn, plugin->key_id);
    plugin->conn[0] = plugin->key_id[0] = '\0';
}

static void fail(IkatPlugin *plugin, NMVpnPluginFailure reason, const char *why)
{
    g_message("ikat: %s: %s", plugin->conn, why);
    end(plugin);
    nm_vpn_service_plugin_failure(NM_VPN_SERVICE_PLUGIN(plugin), reason);
    (void)nm_vpn_service_plugin_disconnect(NM_VPN_SERVICE_PLUGIN(plugin), NULL);
}

/* show - tells NetworkManager the state of the session. A new login may bring other addresses. */
static void show(IkatPlugin *plugin)
{
    NMVpnServicePlugin *to = NM_VPN_SERVICE_PLUGIN(plugin);
    struct nm_grant grant = {0};
    enum nm_answer answer = nm_session_grant(plugin->socket, plugin->conn, &grant);
    /* the session is lost: ikatd drops its packets and logs in again */
    if (answer == NM_NO && plugin->up && plugin->persists)
        answer = nm_session_is_loaded(plugin->socket, plugin->conn) == NM_NO ? NM_NO : NM_UNKNOWN;
    if (answer == NM_NO || (answer == NM_UNKNOWN && !plugin->up))
        fail(plugin, NM_VPN_PLUGIN_FAILURE_CONNECT_FAILED,
             answer == NM_NO ? "the session has ended" : "ikatd did not answer; see its log");
    if (answer != NM_YES)
        return;
    if (plugin->up && nm_grant_equal(&grant, &plugin->grant))
        return;
    if (grant.n_addresses == 0) {
        fail(plugin, NM_VPN_PLUGIN_FAILURE_BAD_IP_CONFIG, "the gateway gave no inner address");
        return;
    }
    plugin->grant = grant;
    plugin->up = true;
    nm_vpn_service_plugin_set_config(to,
                                     nm_config_general(&grant, plugin->device, plugin->persists));
    if (nm_grant_has(&grant, ADDRESS_V4))
        nm_vpn_service_plugin_set_ip4_config(to, nm_config_ip(&grant, ADDRESS_V4));
    if (nm_grant_has(&grant, ADDRESS_V6))
        nm_vpn_service_plugin_set_ip6_config(to, nm_config_ip(&grant, ADDRESS_V6));
}

/* event_keep - keeps the event for later, because show() may close the connection from which it
 * comes. */
static void event_keep(void *context, const char *name, struct tree *message)
{
    struct tree *kept = context;
    (void)name;
    kept->first = message->first;
    kept->last = message->last;
    message->first = message->last = NULL;
}

static gboolean events_ready(gint fd, GIOCondition condition, gpointer context)
{
    IkatPlugin *plugin = context;
    struct tree *message = tree_new(TREE_SECTION, "");
    guint source = plugin->events_source;
    (void)fd;
    (void)condition;
    if (message == NULL || !client_event_take(plugin->events, event_keep, message))
        fail(plugin, NM_VPN_PLUGIN_FAILURE_CONNECT_FAILED, "ikatd has ended");
    else if (plugin->up && tree_get(message, plugin->conn) != NULL)
        show(plugin);
    tree_free(message);
    /* end() removes the source, and a later login makes another one */
    return source == plugin->events_source ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

static bool events_open(IkatPlugin *plugin, char error[NM_ERROR_MAX])
{
    plugin->events = client_open(plugin->socket, error);
    if (plugin->events == NULL || !client_register(plugin->events, "child-updown"))
        return false;
    plugin->events_source = g_unix_fd_add(client_descriptor(plugin->events),
                                          G_IO_IN | G_IO_HUP | G_IO_ERR, events_ready, plugin);
    return true;
}

/* --- the login, in a thread --- */

struct login {
    IkatPlugin *plugin; /* a reference */
    unsigned attempt;
    char *socket;
    char conn[NM_CONN_MAX];
    bool ok;
    char error[NM_ERROR_MAX];
};

static gboolean login_ended(gpointer context)
{
    struct login *login = context;
    IkatPlugin *plugin = login->plugin;
    if (login->attempt == plugin->attempt && login->ok)
        show(plugin);
    else if (login->attempt == plugin->attempt)
        fail(plugin,
             nm_failure_is_login(login->error) ? NM_VPN_PLUGIN_FAILURE_LOGIN_FAILED
                                               : NM_VPN_PLUGIN_FAILURE_CONNECT_FAILED,
             login->error);
    g_object_unref(plugin);
    g_free(login->socket);
    g_free(login);
    return G_SOURCE_REMOVE;
}

static gpointer login_run(gpointer context)
{
    struct login *login = context;
    login->ok = nm_session_initiate(login->socket, login->conn, login->error);
    (void)g_idle_add(login_ended, login);
    return NULL;
}

static void login_begin(IkatPlugin *plugin)
{
    struct login *login = g_new0(struct login, 1);
    login->plugin = g_object_ref(plugin);
    login->attempt = ++plugin->attempt;
    login->socket = g_strdup(plugin->socket);
    memcpy(login->conn, plugin->conn, sizeof(login->conn));
    g_thread_unref(g_thread_new("login", login_run, login));
}

/* --- what NetworkManager asks for --- */

static gboolean refuse(GError **error, NMVpnPluginError code, const char *why)
{
    char *text = g_utf8_make_valid(why, -1); /* a value that is cut may end inside of a character */
    g_message("ikat: %s", text);
    g_set_error_literal(error, NM_VPN_PLUGIN_ERROR, (gint)code, text);
    g_free(text);
    return FALSE;
}

static gboolean ikat_connect(NMVpnServicePlugin *base, NMConnection *connection, GError **error)
{
    IkatPlugin *plugin = (IkatPlugin *)base;
    struct settings_room room;
    struct nm_settings settings;
    struct nm_plan plan;
    char why[NM_WHY_MAX], failed[NM_ERROR_MAX] = "";
    if (!settings_of(connection, &room, &settings))
        return refuse(error, NM_VPN_PLUGIN_ERROR_BAD_ARGUMENTS,
                      "the connection has no VPN settings, or too many");
    if (is_for_some(connection))
        return refuse(error, NM_VPN_PLUGIN_ERROR_BAD_ARGUMENTS,
                      "connection.permissions: ikat has connections for all users only");
    if (!nm_plan_build(&settings, &plan, why))
        return refuse(error, NM_VPN_PLUGIN_ERROR_BAD_ARGUMENTS, why);
    end(plugin);
    g_strlcpy(plugin->conn, plan.conn, sizeof(plugin->conn));
    g_strlcpy(plugin->device, plan.device, sizeof(plugin->device));
    plugin->persists = plan.persists;
    /* end what a killed service has left */
    nm_session_end(plugin->socket, plugin->conn, plugin->key_id);
    bool ok = events_open(plugin, failed) &&
              nm_session_load(plugin->socket, &plan, plugin->key_id, failed);
    nm_plan_done(&plan);
    if (!ok) {
        end(plugin);
        return refuse(error, NM_VPN_PLUGIN_ERROR_LAUNCH_FAILED, failed);
    }
    login_begin(plugin);
    return TRUE;
}

static gboolean ikat_need_secrets(NMVpnServicePlugin *base, NMConnection *connection,
                                  const char **setting_name, GError **error)
{
    struct settings_room room;
    struct nm_settings settings;
    (void)base;
    if (!settings_of(connection, &room, &settings))
        return refuse(error, NM_VPN_PLUGIN_ERROR_BAD_ARGUMENTS,
                      "the connection has no VPN settings, or too many");
    if (nm_secret_missing(&settings) == NULL)
        return FALSE;
    *setting_name = NM_SETTING_VPN_SETTING_NAME;
    return TRUE;
}

static gboolean ikat_disconnect(NMVpnServicePlugin *base, GError **error)
{
    (void)error;
    end((IkatPlugin *)base);
    return TRUE;
}

static void ikat_plugin_dispose(GObject *object)
{
    IkatPlugin *plugin = (IkatPlugin *)object;
    end(plugin);
    g_clear_pointer(&plugin->socket, g_free);
    G_OBJECT_CLASS(ikat_plugin_parent_class)->dispose(object);
}

static void ikat_plugin_init(IkatPlugin *plugin)
{
    plugin->conn[0] = '\0';
}

static void ikat_plugin_class_init(IkatPluginClass *class)
{
    class->parent.connect = ikat_connect;
    class->parent.need_secrets = ikat_need_secrets;
    class->parent.disconnect = ikat_disconnect;
    G_OBJECT_CLASS(class)->dispose = ikat_plugin_dispose;
}

/* --- the program --- */

static gboolean stop(gpointer loop)
{
    g_main_loop_quit(loop);
    return G_SOURCE_REMOVE;
}

static void quit(NMVpnServicePlugin *plugin, gpointer loop)
{
    (void)plugin;
    g_main_loop_quit(loop);
}

static int serve(const char *bus_name, const char *socket)
{
    GError *error = NULL;
    IkatPlugin *plugin = g_initable_new(ikat_plugin_get_type(), NULL, &error,
                                        NM_VPN_SERVICE_PLUGIN_DBUS_SERVICE_NAME, bus_name,
                                        NM_VPN_SERVICE_PLUGIN_DBUS_WATCH_PEER, TRUE, NULL);
    if (plugin == NULL) {
        g_printerr("nm-ikat-service: %s\n", error->message);
        g_error_free(error);
        return 1;
    }
    plugin->socket = g_strdup(socket);
    GMainLoop *loop = g_main_loop_new(NULL, FALSE);
    (void)g_signal_connect(plugin, "quit", G_CALLBACK(quit), loop);
    (void)g_unix_signal_add(SIGTERM, stop, loop);
    (void)g_unix_signal_add(SIGINT, stop, loop);
    g_main_loop_run(loop);
    end(plugin); /* a login under way may hold the last reference */
    nm_vpn_service_plugin_shutdown(NM_VPN_SERVICE_PLUGIN(plugin));
    g_object_unref(plugin);
    g_main_loop_unref(loop);
    return 0;
}

int main(int argc, char **argv)
{
    char *bus_name = NULL, *socket = NULL;
    gboolean debug = FALSE, persist = FALSE;
    GError *error = NULL;
    /* NetworkManager passes the bus name; people who look for a fault pass the others */
    const GOptionEntry entries[] = {
        {"bus-name", 0, 0, G_OPTION_ARG_STRING, &bus_name, "name on the system bus", "NAME"},
        {"socket", 's', 0, G_OPTION_ARG_FILENAME, &socket, "control socket of ikatd", "PATH"},
        {"debug", 0, 0, G_OPTION_ARG_NONE, &debug, "accepted, and means nothing", NULL},
        {"persist", 0, 0, G_OPTION_ARG_NONE, &persist, "accepted, and means nothing", NULL},
        {0},
    };
    GOptionContext *options = g_option_context_new("- NetworkManager's VPN connections of ikat");
    g_option_context_add_main_entries(options, entries, NULL);
    bool ok = g_option_context_parse(options, &argc, &argv, &error);
    g_option_context_free(options);
    if (!ok) {
        g_printerr("nm-ikat-service: %s\n", error->message);
        g_error_free(error);
        return 2;
    }
    no_core();
    int code = serve(bus_name == NULL ? SERVICE_NAME : bus_name,
                     socket == NULL ? "/run/ikat.vici" : socket);
    g_free(bus_name);
    g_free(socket);
    return code;
}
