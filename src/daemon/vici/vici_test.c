/* SPDX-License-Identifier: Apache-2.0 */
#include <time.h>

#include "daemon/vici/test_client.h"

/* --- commands --- */

static void about(void **state)
{
    struct world *w = *state;
    struct answer a = ask(w, "version", "");
    assert_string_equal(tree_text(a.message, "daemon"), "ikatd");
    tree_free(a.message);
    a = ask(w, "stats", "");
    assert_string_equal(tree_text(tree_get(a.message, "ikesas"), "total"), "0");
    assert_non_null(tree_get(tree_get(a.message, "uptime"), "running"));
    const char *since = tree_text(tree_get(a.message, "uptime"), "since");
    struct tm date; /* as exporters parse it */
    assert_non_null(since);
    assert_non_null(strptime(since, "%b %d %H:%M:%S %Y", &date));
    const struct tree *drops = tree_get(tree_get(a.message, "ikat"), "drops");
    assert_string_equal(tree_text(drops, "out-no-policy"), "7");
    assert_string_equal(tree_text(drops, "in-replayed"), "4");
    assert_string_equal(tree_text(drops, "in-checksum"), "0");
    const struct tree *failed = tree_get(tree_get(a.message, "ikat"), "logins-failed");
    assert_string_equal(tree_text(failed, "peer-auth-failed"), "0");
    assert_null(tree_text(failed, "ok"));
    const struct tree *failovers = tree_get(tree_get(a.message, "ikat"), "failovers");
    assert_string_equal(tree_text(failovers, "number"), "3");
    assert_string_equal(tree_text(failovers, "gaps-us"), "600000");
    assert_string_equal(tree_text(failovers, "longest-us"), "300000");
    tree_free(a.message);
    expect(w, "reload-settings", "", NULL);
    expect(w, "load-say", "level=1;msg=forged", "for the loader"); /* by no client */
    a = ask(w, "no-such-command", "");
    assert_int_equal(a.frame.type, VICI_CMD_UNKNOWN);
    tree_free(a.message);
    /* without configuration each listing is answered, and is empty */
    static const char *const lists[] = {"list-sas",         "list-conns",    "list-policies",
                                        "list-certs",       "list-sessions", "list-paths",
                                        "list-authorities", "get-keys",      "get-authorities"};
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        a = ask(w, lists[i], "");
        assert_int_equal(a.frame.type, VICI_CMD_RESPONSE);
        for (const struct tree *part = a.message->first; part != NULL; part = part->next)
            assert_null(part->first);
        tree_free(a.message);
    }
}

static void connections(void **state)
{
    struct world *w = *state;
    load_conn(w, "office", NULL, NULL);
    load_conn(w, "office", NULL, NULL); /* once more: replaced, not doubled */
    load_conn(w, "home", NULL, NULL);
    load_conn(w, "bad", "mobik", "connection bad: mobik: unknown key, did you mean 'mobike'?");
    load_conn(w, "bad", "version", "IKEv1 is not supported");
    load_conn(w, "bad", "PREFER", "PREFER: ");
    expect(w, "load-conn", "", "exactly one section");
    expect(w, "load-conn", "office=1", "exactly one section");
    struct answer a = ask(w, "get-conns", "");
    const struct tree *list = tree_get(a.message, "conns");
    assert_string_equal((char *)list->first->value, "office");
    assert_string_equal((char *)list->first->next->value, "home");
    assert_null(list->first->next->next);
    tree_free(a.message);
    a = ask(w, "list-conns", ""); /* not registered: no event */
    assert_int_equal(a.frame.type, VICI_CMD_RESPONSE);
    tree_free(a.message);
    register_event(w, w->fd, "list-conn", VICI_EVENT_REGISTER, VICI_EVENT_CONFIRM);
    a = ask(w, "list-conns", "ike=home");
    assert_int_equal(a.frame.type, VICI_EVENT);
    assert_string_equal(a.frame.name, "list-conn");
    assert_non_null(tree_get(tree_get(tree_get(a.message, "home"), "children"), "net"));
    tree_free(a.message);
    a = answer(w->fd);
    assert_int_equal(a.frame.type, VICI_CMD_RESPONSE);
    tree_free(a.message);
    register_event(w, w->fd, "list-path", VICI_EVENT_REGISTER, VICI_EVENT_CONFIRM);
    a = ask(w, "list-paths", "");
    assert_string_equal(tree_text(tree_get(a.message, "wifi"), "conn"), "office");
    assert_string_equal(tree_text(tree_get(a.message, "wifi"), "interface"), "eth3");
    assert_string_equal(tree_text(tree_get(a.message, "wifi"), "bytes-in"), "4000");
    assert_string_equal(tree_text(tree_get(a.message, "wifi"), "packets-out"), "5");
    tree_free(a.message);
    tree_free(answer(w->fd).message);
    expect(w, "unload-conn", "name=office", NULL);
    expect(w, "unload-conn", "name=office", "no connection of that name");
    expect(w, "unload-conn", "", "no connection of that name");
}

static void policies(void **state)
{
    struct world *w = *state;
    static const char *const none[] = {"drop=yes", "pass=yes;child=net", "ike=home", "child=net",
                                       "trap=yes;child=lan"};
    load_conn(w, "office", NULL, NULL);
    struct answer a = ask(w, "list-policies", "trap=yes"); /* not registered: no event */
    assert_int_equal(a.frame.type, VICI_CMD_RESPONSE);
    tree_free(a.message);
    register_event(w, w->fd, "list-policy", VICI_EVENT_REGISTER, VICI_EVENT_CONFIRM);
    for (size_t i = 0; i < ARRAY_LEN(none); i++) {
        a = ask(w, "list-policies", none[i]);
        assert_int_equal(a.frame.type, VICI_CMD_RESPONSE);
        tree_free(a.message);
    }
    a = ask(w, "list-policies", "trap=yes;drop=yes;ike=office");
    assert_int_equal(a.frame.type, VICI_EVENT);
    const struct tree *policy = tree_get(a.message, "office/trapped");
    assert_string_equal(tree_text(policy, "mode"), "TUNNEL");
    assert_string_equal((char *)tree_get(policy, "local-ts")->first->value, "dynamic");
    assert_string_equal((char *)tree_get(policy, "remote-ts")->first->value,
                        "10.1.0.0/16[tcp/ssh]");
    tree_free(a.message);
    a = answer(w->fd);
    assert_int_equal(a.frame.type, VICI_CMD_RESPONSE);
    tree_free(a.message);
    a = ask(w, "list-policies", "pass=yes");
    assert_int_equal(a.frame.type, VICI_EVENT);
    assert_string_equal(tree_text(tree_get(a.message, "office/lan"), "mode"), "PASS");
    tree_free(a.message);
    tree_free(answer(w->fd).message);
}

/* Lists of revocations and OCSP responses: what the verifier has. */
static void cached_certs(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *question, *types[3];
    } rows[] = {
        {"", {"X509_CRL", "OCSP_RESPONSE"}},
        {"type=x509_crl", {"X509_CRL"}},
        {"type=OCSP_RESPONSE;flag=any", {"OCSP_RESPONSE"}},
        {"type=X509", {NULL}},
        {"flag=CA", {NULL}},
        {"subject=CN=x", {NULL}},
    };
    register_event(w, w->fd, "list-cert", VICI_EVENT_REGISTER, VICI_EVENT_CONFIRM);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct answer a = ask(w, "list-certs", rows[i].question);
        for (const char *const *type = rows[i].types; *type != NULL; type++) {
            assert_int_equal(a.frame.type, VICI_EVENT);
            assert_string_equal(tree_text(a.message, "type"), *type);
            assert_non_null(tree_get(a.message, "data"));
            tree_free(a.message);
            a = answer(w->fd);
        }
        assert_int_equal(a.frame.type, VICI_CMD_RESPONSE);
        tree_free(a.message);
    }
}

static void installing(void **state)
{
    struct world *w = *state;
    expect(w, "install", "", "missing configuration name");
    expect(w, "install", "child=net;ike=office", NULL);
    assert_string_equal(w->engine.conn, "office");
    expect(w, "uninstall", "child=net", NULL);
    assert_string_equal(w->engine.conn, "");
    expect(w, "install", "child=many", "more than 64");
    expect(w, "install", "child=any", "needs");
    expect(w, "install", "child=x", "no loaded connection has this child");
    expect(w, "uninstall", "child=x", "no policy of this child is installed");
}

/* Requests of stock clients that ikat does not support are refused with a reason. */
static void refusals(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *command, *elements, *why;
    } credentials[] = {
        {"load-cert", "type=X509", "'data' is no certificate"},
        {"load-cert", "type=X509;data=-----BEGIN CERTIFICATE-----", "'data' is no certificate"},
        {"load-cert", "type=other;data=x", "'type' or 'flag' is not known"},
        {"load-cert", "type=X509;flag=AA;data=x", "attribute certificates"},
        {"load-cert", "type=x509crl;data=x", "'data' is no CRL"},
        {"load-key", "type=any", "'data' is missing"},
        {"unload-key", "id=00", "no private key of that id"},
        {"unload-key", "id=0000000000000000000000000000000000000000", "no private key of that id"},
        {"load-token", "slot=1", "'handle' is missing"},
        {"load-token", "handle=xy", "is not the id of a key"},
        {"load-token", "handle=00;slot=x", "is not the number of a slot"},
        {"load-token", "handle=00;path=/lib/own.so", "unknown key"},
        {"load-shared", "type=xauth;id=a;data=x", "of IKEv1"},
        {"load-authority", "", "exactly one section"},
        {"unload-authority", "name=x", "no authority of that name"},
    };
    for (size_t i = 0; i < ARRAY_LEN(credentials); i++)
        expect(w, credentials[i].command, credentials[i].elements, credentials[i].why);
    expect(w, "load-key", "type=any;data=x", NULL);
    w->engine.matches = 0;
    expect(w, "redirect", "ike=office", "missing target gateway");
    expect(w, "redirect", "ike=office;gateway=a b", "neither an address nor a name");
    expect(w, "redirect", "gateway=192.0.2.9", "missing redirect selector");
    expect(w, "redirect", "gateway=192.0.2.9;peer-ip=x", "peer-ip");
    expect(w, "redirect", "gateway=192.0.2.9;ike=office", "no matching SAs to redirect");
    w->engine.matches = 3;
    expect(w, "redirect", "gateway=gw.example;peer-ip=192.0.2.0/24;peer-id=*.example", NULL);
    assert_string_equal(w->engine.redirect.gateway.name, "gw.example");
    assert_int_equal(w->engine.redirect.peers.last.octets[3], 255);
    w->engine.refused = 2;
    expect(w, "redirect", "gateway=192.0.2.9;ike=office", "2 of 3 peers did not announce");
    w->engine.matches = w->engine.refused = 0;
    expect(w, "flush-certs", "", NULL);
    expect(w, "flush-certs", "type=X509", NULL);
    struct answer a = ask(w, "get-algorithms", "");
    assert_non_null(tree_text(tree_get(a.message, "aead"), "AES_GCM_16"));
    assert_non_null(tree_text(tree_get(a.message, "ke"), "CURVE_25519"));
    tree_free(a.message);
}

static void secrets(void **state)
{
    struct world *w = *state;
    expect(w, "load-shared", "id=a;type=ike;data=abc;owners=alice,gw", NULL);
    expect(w, "load-shared", "id=a;type=IKE;data=bcde;owners=%any", NULL);
    expect(w, "load-shared", "id=b;type=ike;data=x", NULL);
    assert_int_equal(w->engine.n_secrets, 2);
    assert_int_equal(w->engine.secrets[0].n_octets, 4);
    assert_int_equal(w->engine.secrets[0].first, 'b');
    assert_int_equal(w->engine.secrets[0].n_owners, 0);
    expect(w, "load-shared", "id=c;type=other;data=x",
           "only secrets of type ike, eap, ntlm and ppk");
    expect(w, "load-shared", "id=c;type=ike", "'data' is missing");
    expect(w, "load-shared", "id=c;type=ike;data=", "'data' is missing");
    expect(w, "load-shared", "id=c;type=ike;data=x;owners=a,b,c,d,e,f,g,h,i", "more than 8");
    char long_id[160] = "type=ike;data=x;id=";
    memset(long_id + strlen(long_id), 'n', 64);
    expect(w, "load-shared", long_id, "'id' is too long");
    struct answer a = ask(w, "get-shared", "");
    assert_string_equal((char *)tree_get(a.message, "keys")->first->value, "a");
    tree_free(a.message);
    expect(w, "unload-shared", "id=a", NULL);
    expect(w, "unload-shared", "id=a", "no secret of that id");
    expect(w, "clear-creds", "", NULL);
    assert_int_equal(w->engine.n_secrets, 0);
}

static struct answer load_pool(struct world *w, const char *name, const char *addrs)
{
    struct vici_writer writer;
    vici_begin(&writer, VICI_CMD_REQUEST, "load-pool");
    vici_section(&writer, name);
    vici_put(&writer, "addrs", "%s", addrs);
    vici_section_end(&writer);
    return ask_writer(w, &writer);
}

static void pools(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *name, *addrs, *error;
    } table[] = {{"one", "10.3.0.0/24", ""},
                 {"one", "10.3.0.0/24", ""},
                 {"two", "10.3.0.128/25", "pool two overlaps pool one"},
                 {"two", "x", "is not a subnet"}};
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct answer a = load_pool(w, table[i].name, table[i].addrs);
        assert_non_null(strstr(tree_text_or(a.message, "errmsg", ""), table[i].error));
        tree_free(a.message);
    }
    struct answer a = ask(w, "get-pools", "");
    assert_string_equal(tree_text(tree_get(a.message, "one"), "base"), "10.3.0.1");
    assert_string_equal(tree_text(tree_get(a.message, "one"), "size"), "254");
    assert_null(tree_get(a.message, "two"));
    tree_free(a.message);
    expect(w, "load-pool", "", "exactly one section");
    expect(w, "unload-pool", "name=one", NULL);
    expect(w, "unload-pool", "name=one", "no pool of that name");
}

static void orders(void **state)
{
    struct world *w = *state;
    struct test_engine *t = &w->engine;
    expect(w, "rekey", "", "missing rekey selector");
    expect(w, "rekey", "ike=office", "no matching SAs");
    t->matches = 2;
    struct answer a = ask(w, "rekey", "child=net;reauth=yes;ike-id=7;child-id=0x8");
    assert_string_equal(tree_text(a.message, "matches"), "2");
    assert_true(t->reauth && t->filter.ike_id == 7 && t->filter.child_id == 8);
    assert_string_equal(t->child, "net");
    assert_false(t->filter.unused_old);
    tree_free(a.message);
    tree_free(ask(w, "rekey", "ike-id=7;unused-old=yes").message);
    assert_true(t->filter.unused_old && !t->reauth);
    expect(w, "terminate", "", "missing terminate selector");
    expect(w, "terminate", "ike-id=99999999999", "missing terminate selector");
    expect(w, "terminate", "session-id=0", "missing terminate selector");
    assert_int_equal(t->n_terminated, 0);
    expect(w, "terminate", "ike=office;force=yes;timeout=-1", NULL);
    assert_true(t->force);
    expect(w, "terminate", "session-id=12;timeout=-1", NULL);
    assert_true(!t->force && t->filter.session_id == 12 && t->filter.remote_id == NULL);
    expect(w, "terminate", "remote-id=*.user.example;timeout=-1", NULL);
    assert_true(t->filter.remote_id != NULL && t->filter.session_id == 0);
    t->matches = 0;
    expect(w, "terminate", "ike=office", "no matching SAs to terminate");
    expect(w, "initiate", "child=net", "CHILD_SA config 'net' not found");
    expect(w, "initiate", "ike=office;timeout=1000", "IKE_SA config 'office' not found");
    assert_int_equal(t->timeout, NANOS_PER_SEC);
    assert_true(t->alone); /* the IKE SA only, as with charon */
    expect(w, "initiate", "ike=office;first-child=yes", "IKE_SA config 'office' not found");
    assert_false(t->alone);
    expect(w, "initiate", "", "missing configuration name");
    load_conn(w, "office", NULL, NULL);
    expect(w, "initiate", "child=net;timeout=-1", NULL);
    assert_string_equal(t->conn, "office"); /* the connection that has this child */
    t->at_once = true;
    expect(w, "initiate", "ike=office", NULL);
    expect(w, "reload-settings", "", NULL); /* nothing hangs */
}

/* --- commands that take a while --- */

static void later(void **state)
{
    struct world *w = *state;
    struct test_engine *t = &w->engine;
    struct vici_writer writer;
    load_conn(w, "office", NULL, NULL);
    register_event(w, w->fd, "control-log", VICI_EVENT_REGISTER, VICI_EVENT_CONFIRM);
    struct answer a = ask(w, "initiate", "ike=office;child=net");
    assert_int_equal(a.frame.type, 0xff); /* no answer yet */
    assert_false(a.ended);
    begin(&writer, "get-conns", ""); /* waits behind it */
    send_frame(w->fd, &writer);
    turn(w);
    t->watch.log(
        t->watch.context,
        &(struct engine_line){.group = "IKE", .conn = "office", .sa = 3, .text = "a line"});
    t->watch.log(t->watch.context, &(struct engine_line){.level = 2, .text = "too much"});
    a = answer(w->fd);
    assert_string_equal(a.frame.name, "control-log");
    assert_string_equal(tree_text(a.message, "msg"), "a line");
    assert_string_equal(tree_text(a.message, "ikesa-name"), "office");
    assert_string_equal(tree_text(a.message, "ikesa-uniqueid"), "3");
    tree_free(a.message);
    test_engine_end(t, false, "auth-failed");
    turn(w);
    a = answer(w->fd);
    assert_string_equal(tree_text(a.message, "success"), "no");
    assert_string_equal(tree_text(a.message, "errmsg"), "auth-failed");
    tree_free(a.message);
    a = answer(w->fd); /* the waiting request is answered, too, without more octets of the client */
    assert_int_equal(a.frame.type, VICI_CMD_RESPONSE);
    assert_non_null(tree_get(a.message, "conns"));
    tree_free(a.message);
    t->matches = 3;
    a = ask(w, "terminate", "ike=office");
    assert_int_equal(a.frame.type, 0xff);
    test_engine_end(t, true, "");
    a = answer(w->fd);
    assert_string_equal(tree_text(a.message, "success"), "yes");
    assert_string_equal(tree_text(a.message, "terminated"), "1");
    tree_free(a.message);
}

static void vanishes(void **state)
{
    struct world *w = *state;
    load_conn(w, "office", NULL, NULL);
    for (int i = 0; i < 3; i++) {
        int fd = client(w);
        struct vici_writer writer;
        begin(&writer, "initiate", "ike=office");
        send_frame(fd, &writer);
        turn(w);
        assert_non_null(w->engine.watch.done);
        if (i == 1)
            send_all(fd, "\0\0", 2); /* in the middle of a frame */
        (void)close(fd);
        turn(w);
        assert_null(w->engine.watch.done); /* no client waits any more */
    }
    expect(w, "reload-settings", "", NULL);
}

/* --- frames --- */

static void fragments(void **state)
{
    struct world *w = *state;
    struct vici_writer writer;
    vici_begin(&writer, VICI_CMD_REQUEST, "load-shared");
    vici_put(&writer, "id", "a");
    vici_put(&writer, "type", "ike");
    vici_put(&writer, "data", "octet by octet");
    struct span frame = vici_writer_frame(&writer);
    for (size_t i = 0; i < frame.len; i++) {
        assert_int_equal(w->engine.n_secrets, 0);
        send_all(w->fd, frame.ptr + i, 1);
        turn(w);
    }
    struct answer a = answer(w->fd);
    assert_string_equal(tree_text(a.message, "success"), "yes");
    tree_free(a.message);
    uint8_t many[16 * 1024]; /* several at once, the last one cut */
    size_t n = 0;
    while (n + frame.len <= sizeof(many)) {
        memcpy(many + n, frame.ptr, frame.len);
        n += frame.len;
    }
    send_all(w->fd, many, n - 5);
    turn(w);
    send_all(w->fd, many + n - 5, 5);
    turn(w);
    for (size_t i = 0; i < n / frame.len; i++) {
        turn(w); /* more than the socket holds at once */
        a = answer(w->fd);
        assert_int_equal(a.frame.type, VICI_CMD_RESPONSE);
        tree_free(a.message);
    }
    vici_writer_done(&writer);
}

static bool cut_off(struct world *w, int fd)
{
    turn(w);
    char octet;
    return recv(fd, &octet, 1, MSG_DONTWAIT) == 0;
}

static void garbage(void **state)
{
    struct world *w = *state;
    static const struct {
        uint8_t octets[12];
        size_t len;
        bool ends;
    } table[] = {
        {{0, 0, 0, 0}, 4, true},             /* an empty frame */
        {{0, 8, 0, 1}, 4, true},             /* 512 KiB and one octet */
        {{255, 255, 255, 255}, 4, true},     /* 4 GiB */
        {"GET / HTTP/1", 12, true},          /* the same */
        {{0, 0, 0, 1, 8}, 5, false},         /* unknown type: ignored */
        {{0, 0, 0, 2, 0, 200}, 6, false},    /* a name that is not there */
        {{0, 0, 0, 3, 0, 1, 7}, 7, false},   /* that cannot be printed */
        {{0, 0, 0, 1, 1}, 5, false},         /* a response */
        {{0, 0, 0, 3, 7, 1, 'x'}, 7, false}, /* an event */
    };
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        int fd = client(w);
        send_all(fd, table[i].octets, table[i].len);
        assert_int_equal(cut_off(w, fd), table[i].ends);
        (void)close(fd);
    }
    /* a message that is malformed is answered, and the connection goes on */
    send_all(w->fd, "\0\0\0\x0a\0\7version\2", 14);
    turn(w);
    struct answer a = answer(w->fd);
    assert_string_equal(tree_text(a.message, "errmsg"), "the message is malformed");
    tree_free(a.message);
    struct vici_writer deep; /* sections in sections in sections */
    vici_begin(&deep, VICI_CMD_REQUEST, "load-conn");
    for (int i = 0; i < 40; i++)
        vici_section(&deep, "s");
    for (int i = 0; i < 40; i++)
        vici_section_end(&deep);
    a = ask_writer(w, &deep);
    assert_string_equal(tree_text(a.message, "errmsg"), "the message is malformed");
    tree_free(a.message);
    expect(w, "reload-settings", "", NULL);
}

/* A client that never reads is cut off. Other clients do not notice. */
static void slow_reader(void **state)
{
    struct world *w = *state;
    struct vici_writer writer;
    int fd = client(w);
    begin(&writer, "stats", "");
    struct span frame = vici_writer_frame(&writer);
    unsigned sent = 0;
    ssize_t n = 1;
    while (n > 0 && sent < 200000) {
        for (int i = 0; n > 0 && i < 64; i++, sent++)
            n = send(fd, frame.ptr, frame.len, MSG_NOSIGNAL | MSG_DONTWAIT);
        turn(w);
    }
    assert_true(n < 0 && sent < 200000); /* EPIPE: 2 MiB of answers were not read */
    vici_writer_done(&writer);
    expect(w, "reload-settings", "", NULL);
    (void)close(fd);
    /* the same while its command runs: what it sends is bounded too */
    fd = client(w);
    load_conn(w, "office", NULL, NULL);
    begin(&writer, "initiate", "ike=office");
    send_frame(fd, &writer);
    turn(w);
    static uint8_t flood[65536];
    size_t total = 0;
    while ((n = send(fd, flood, sizeof(flood), MSG_NOSIGNAL | MSG_DONTWAIT)) > 0 &&
           total < 64 * 1024 * 1024) {
        total += (size_t)n;
        turn(w);
    }
    assert_true(total < 8 * 1024 * 1024);
    turn(w);
    assert_null(w->engine.watch.done);
    (void)close(fd);
}

/* X3: idle clients make room for others; clients that wait for events do not. */
static void many_clients(void **state)
{
    struct world *w = *state;
    static int fds[300];
    for (int waiting = 0; waiting < 2; waiting++) {
        unsigned served = 0;
        register_event(w, w->fd, "path", VICI_EVENT_REGISTER, VICI_EVENT_CONFIRM);
        for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
            struct vici_writer writer;
            w->engine.now += NANOS_PER_MS;
            fds[i] = client(w);
            vici_begin(&writer, waiting ? VICI_EVENT_REGISTER : VICI_CMD_REQUEST,
                       waiting ? "log" : "version");
            struct span frame = vici_writer_frame(&writer);
            (void)send(fds[i], frame.ptr, frame.len, MSG_NOSIGNAL);
            vici_writer_done(&writer);
            turn(w);
            uint8_t octets[512];
            served += recv(fds[i], octets, sizeof(octets), MSG_DONTWAIT) > 0;
        }
        assert_int_equal(served,
                         waiting ? 255 + (geteuid() == 0 ? 16 : 0) : 300); /* one is always there */
        for (size_t i = 0; i < ARRAY_LEN(fds); i++)
            (void)close(fds[i]);
        turn(w);
    }
    expect(w, "reload-settings", "", NULL);
}

/* The loader has a channel of its own: clients that use all places do not lock it out. */
static void loader_comes_in(void **state)
{
    struct world *w = *state;
    int fds[255], pair[2], usual = w->fd;
    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        fds[i] = client(w);
        turn(w);
        register_event(w, fds[i], "log", VICI_EVENT_REGISTER, VICI_EVENT_CONFIRM);
    }
    register_event(w, usual, "log", VICI_EVENT_REGISTER, VICI_EVENT_CONFIRM);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    vici_server_loader(w->server, pair[0], 1);
    w->fd = pair[1];
    expect(w, "reload-settings", "", NULL);
    expect(w, "load-say", "level=1;msg=event=config-refused", NULL);
    expect(w, "load-say", "level=1", "for the loader");
    w->fd = usual;
    (void)close(pair[1]);
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        (void)close(fds[i]);
    turn(w);
}

/* The loader learns of its commit once the processes that keep secrets have switched. */
static void loader_waits(void **state)
{
    struct world *w = *state;
    struct vici_writer writer;
    uint8_t octets[512];
    int pair[2], usual = w->fd;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    vici_server_loader(w->server, pair[0], 1);
    w->fd = pair[1];
    for (int error = 0; error >= ERR_NO_MEMORY; error--) {
        expect(w, "load-begin", "", NULL);
        begin(&writer, "load-commit", "");
        send_frame(w->fd, &writer);
        turn(w);
        assert_int_equal(recv(w->fd, octets, sizeof(octets), MSG_DONTWAIT), -1);
        assert_non_null(w->engine.committed.done);
        w->engine.committed.done(w->engine.committed.context, error, "full", NULL);
        turn(w);
        ssize_t n = recv(w->fd, octets, sizeof(octets), MSG_DONTWAIT);
        assert_true(n > 0);
        assert_true((memmem(octets, (size_t)n, "yes", 3) != NULL) == (error == 0));
    }
    w->fd = usual;
    (void)close(pair[1]);
    turn(w);
}

/* An object of the files stays when a client asks to unload it, until a client loads one under that
 * name. */
static void files_stay(void **state)
{
    struct world *w = *state;
    struct vici_writer writer;
    uint8_t octets[512];
    int pair[2], usual = w->fd;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    vici_server_loader(w->server, pair[0], 1);
    w->fd = pair[1];
    expect(w, "load-begin", "", NULL);
    load_conn(w, "zebra", NULL, NULL);
    load_conn(w, "office", NULL, NULL);
    tree_free(load_pool(w, "one", "10.3.0.0/24").message);
    expect(w, "load-shared", "id=file;type=ike", NULL);
    begin(&writer, "load-commit", "");
    send_frame(w->fd, &writer);
    turn(w);
    w->engine.committed.done(w->engine.committed.context, 0, "", NULL);
    turn(w);
    assert_true(recv(w->fd, octets, sizeof(octets), MSG_DONTWAIT) > 0);
    w->fd = usual;
    (void)close(pair[1]);
    expect(w, "unload-conn", "name=office", "'office' stays: it is of the files");
    expect(w, "unload-conn", "name=zebra", "'zebra' stays");
    expect(w, "unload-conn", "name=a", "no connection of that name");
    expect(w, "unload-conn", "name=zebras", "no connection of that name");
    expect(w, "unload-pool", "name=one", "'one' stays");
    expect(w, "unload-shared", "id=file", "'file' stays");
    load_conn(w, "office", NULL, NULL);
    expect(w, "unload-conn", "name=office", NULL);
    expect(w, "unload-conn", "name=zebra", "'zebra' stays");
    turn(w);
}

/* A change that comes before the first load has ended is made after it, and in order. */
static void change_waits_for_first_load(void **state)
{
    struct world *w = *state;
    struct vici_writer writer;
    uint8_t octets[512];
    int pair[2], usual = w->fd;
    vici_server_loading(w->server, true);
    tree_free(ask(w, "version", "").message); /* it changes nothing */
    begin(&writer, "load-shared", "id=mine;type=ike;data=x");
    send_frame(usual, &writer);
    begin(&writer, "version", "");
    send_frame(usual, &writer);
    turn(w);
    assert_int_equal(recv(usual, octets, sizeof(octets), MSG_DONTWAIT), -1);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    vici_server_loader(w->server, pair[0], 1);
    w->fd = pair[1];
    expect(w, "load-shared", "id=file;type=ike;data=x", NULL);
    assert_int_equal(w->engine.n_secrets, 1);
    w->fd = usual;
    (void)close(pair[1]);
    vici_server_loading(w->server, false);
    turn(w);
    assert_int_equal(w->engine.n_secrets, 2);
    assert_string_equal(w->engine.secrets[1].id, "mine");
    struct answer a = answer(usual);
    assert_string_equal(tree_text(a.message, "success"), "yes");
    tree_free(a.message);
    a = answer(usual);
    assert_string_equal(tree_text(a.message, "daemon"), "ikatd");
    tree_free(a.message);
}

/* D19: prepared objects are not in use before the commit. A failed commit changes nothing. */
static void load_at_once(void **state)
{
    struct world *w = *state;
    load_conn(w, "before", NULL, NULL);
    expect(w, "load-shared", "id=old;type=ike;data=x", NULL);
    expect(w, "load-commit", "", "no load-begin");
    for (int fault = 1; fault >= 0; fault--) {
        expect(w, "load-begin", "", NULL);
        load_conn(w, "after", NULL, NULL);
        expect(w, "load-shared", "id=new;type=ike;data=y", NULL);
        tree_free(load_pool(w, "one", "10.3.0.0/24").message);
        tree_free(load_pool(w, "two", fault ? "10.3.0.128/25" : "10.4.0.0/24").message);
        assert_non_null(ike_conn_find(w->engine.ike, "before"));
        assert_null(ike_conn_find(w->engine.ike, "after"));
        assert_string_equal(w->engine.secrets[0].id, "old");
        expect(w, "load-commit", "", fault ? "pool two" : NULL);
        assert_true((ike_conn_find(w->engine.ike, "after") != NULL) == !fault);
        assert_true((ike_conn_find(w->engine.ike, "before") != NULL) == fault);
        assert_string_equal(w->engine.secrets[0].id, fault ? "old" : "new");
        assert_int_equal(w->engine.n_secrets, 1);
    }
    expect(w, "load-begin", "", NULL);
    expect(w, "load-cert", "type=X509;flag=CA;data=x", "'data' is no certificate");
    expect(w, "load-commit", "", "a key or certificate of this load was refused");
    expect(w, "load-begin", "", NULL); /* left open: the end of the client wipes it */
    expect(w, "load-shared", "id=late;type=ike;data=z", NULL);
}

/* --- events --- */

/* The event of an end names connection, identities, addresses and the Child SA. A replaced SA, or
 * one that never came up, causes no event. */
static void ends_keep_their_subject(void **state)
{
    struct world *w = *state;
    static const struct ike_child_policy policy = {.name = "net"};
    static struct ike_conn conn = {.refs = 1, .name = "office"};
    struct ike_gone gone = {.sa = {.id = 9, .rekey_at_ns = NANOS_NEVER},
                            .session = {.id = 2, .conn = &conn},
                            .child = {.id = 5, .policy = &policy, .spi_in = 0x1234, .up = true}};
    struct ike_event event = {.kind = IKE_EV_CHILD_DOWN, .sa = 9, .child = 5, .gone = &gone};
    assert_int_equal(identity_parse("anna.example.org", &gone.session.remote_id), 0);
    gone.session.claimed_id = gone.session.remote_id;
    assert_true(address_parse("192.0.2.7", &gone.sa.path.remote.address));
    assert_true(address_parse("192.0.2.1", &gone.sa.path.local.address));
    register_event(w, w->fd, "child-updown", VICI_EVENT_REGISTER, VICI_EVENT_CONFIRM);
    vici_server_event(w->server, &event);
    struct answer a = answer(w->fd);
    const struct tree *office = tree_get(a.message, "office");
    const struct tree *child = tree_get(tree_get(office, "child-sas"), "net-5");
    assert_null(tree_get(a.message, "up"));
    assert_string_equal(tree_text(office, "remote-id"), "anna.example.org");
    assert_string_equal(tree_text(office, "remote-host"), "192.0.2.7");
    assert_string_equal(tree_text(child, "spi-in"), "00001234");
    tree_free(a.message);
    gone.replaced = true;
    vici_server_event(w->server, &event);
    gone.replaced = gone.child.up = false;
    vici_server_event(w->server, &event);
    assert_int_equal(answer(w->fd).frame.type, 0xff);
}

static void events(void **state)
{
    struct world *w = *state;
    static const struct path_news news = {
        .kind = PATH_NEWS_STATE, .conn = "office", .path = "wifi"};
    int other = client(w);
    register_event(w, w->fd, "no-such-event", VICI_EVENT_REGISTER, VICI_EVENT_UNKNOWN);
    register_event(w, w->fd, "path", VICI_EVENT_UNREGISTER, VICI_EVENT_UNKNOWN);
    register_event(w, w->fd, "path", VICI_EVENT_REGISTER, VICI_EVENT_CONFIRM);
    register_event(w, w->fd, "ike-updown", VICI_EVENT_REGISTER, VICI_EVENT_CONFIRM);
    turn(w);
    vici_server_path_news(w->server, &news);
    struct answer a = answer(w->fd);
    assert_string_equal(a.frame.name, "path");
    assert_string_equal(tree_text(a.message, "path"), "wifi");
    tree_free(a.message);
    vici_server_event(w->server, &(struct ike_event){.kind = IKE_EV_SA_DOWN, .sa = 9});
    a = answer(w->fd);
    assert_string_equal(a.frame.name, "ike-updown");
    assert_string_equal(tree_text(tree_get(a.message, "(unnamed)"), "uniqueid"), "9");
    tree_free(a.message);
    assert_int_equal(answer(other).frame.type, 0xff); /* it asked for none */
    register_event(w, w->fd, "path", VICI_EVENT_UNREGISTER, VICI_EVENT_CONFIRM);
    vici_server_path_news(w->server, &news);
    assert_int_equal(answer(w->fd).frame.type, 0xff);
    /* a client that has gone, or that does not read, does not keep events from others */
    register_event(w, other, "ike-updown", VICI_EVENT_REGISTER, VICI_EVENT_CONFIRM);
    for (int i = 0; i < 20; i++) {
        if (i == 10)
            (void)shutdown(other, SHUT_RD);
        vici_server_event(w->server, &(struct ike_event){.kind = IKE_EV_SA_UP, .sa = 9});
        a = answer(w->fd);
        assert_int_equal(a.frame.type, VICI_EVENT);
        tree_free(a.message);
    }
    (void)close(other);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(about),
        TEST(connections),
        TEST(secrets),
        TEST(pools),
        TEST(policies),
        TEST(cached_certs),
        TEST(installing),
        TEST(refusals),
        TEST(orders),
        TEST(later),
        TEST(vanishes),
        TEST(fragments),
        TEST(garbage),
        TEST(slow_reader),
        TEST(many_clients),
        TEST(files_stay),
        TEST(loader_comes_in),
        TEST(loader_waits),
        TEST(change_waits_for_first_load),
        TEST(load_at_once),
        TEST(events),
        TEST(ends_keep_their_subject),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
