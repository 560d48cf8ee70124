/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ikat-exporter: ikatd's figures over HTTP, for Prometheus. Its only privilege is access to the
 * control socket. It listens on the loopback interface by default.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/values.h"
#include "ctl/metrics.h"

#define SOCKET_DEFAULT  "/run/ikat.vici"
#define ADDRESS_DEFAULT "127.0.0.1"
#define PORT_DEFAULT    9814
#define CLIENTS_MAX     16
#define CLIENT_IDLE_S   10

static const char usage[] = "usage: ikat-exporter [-s SOCKET] [-a ADDRESS] [-p PORT]\n"
                            "  -s  control socket of ikatd (" SOCKET_DEFAULT ")\n"
                            "  -a  IPv4 address to listen on (" ADDRESS_DEFAULT ")\n"
                            "  -p  TCP port (9814)\n";

/* answer - responds with a body that libmicrohttpd frees if `owned`, and copies otherwise. */
static enum MHD_Result answer(struct MHD_Connection *connection, unsigned status, char *body,
                              bool owned)
{
    enum MHD_ResponseMemoryMode mode = owned ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_MUST_COPY;
    struct MHD_Response *response = MHD_create_response_from_buffer(strlen(body), body, mode);
    if (response == NULL)
        return MHD_NO;
    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
                                  status == MHD_HTTP_OK ? METRICS_CONTENT_TYPE : "text/plain");
    enum MHD_Result result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *body,
                                  size_t *body_len, void **state)
{
    static char not_here[] = "the figures are at /metrics\n", no_daemon[] = "no daemon\n";
    char error[512];
    (void)version, (void)body, (void)body_len, (void)state;
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0)
        return answer(connection, MHD_HTTP_METHOD_NOT_ALLOWED, not_here, false);
    if (strcmp(url, "/metrics") != 0)
        return answer(connection, MHD_HTTP_NOT_FOUND, not_here, false);
    struct client *client = client_open(context, error);
    char *text = client == NULL ? NULL : metrics_fetch(client);
    client_close(client);
    if (text == NULL)
        return answer(connection, MHD_HTTP_SERVICE_UNAVAILABLE, no_daemon, false);
    return answer(connection, MHD_HTTP_OK, text, true);
}

static bool address_parse(const char *host, uint64_t port, struct sockaddr_in *ret_address)
{
    *ret_address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    return port > 0 && port <= UINT16_MAX && inet_pton(AF_INET, host, &ret_address->sin_addr) == 1;
}

static int serve(const char *socket, const struct sockaddr_in *address)
{
    sigset_t ends;
    int number;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    (void)sigprocmask(SIG_BLOCK, &ends, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    struct MHD_Daemon *daemon = MHD_start_daemon(
        MHD_USE_INTERNAL_POLLING_THREAD, 0, NULL, NULL, on_request, (void *)(uintptr_t)socket,
        MHD_OPTION_SOCK_ADDR, (const struct sockaddr *)address, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)CLIENTS_MAX, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)CLIENT_IDLE_S,
        MHD_OPTION_END);
    if (daemon == NULL) {
        (void)fprintf(stderr, "ikat-exporter: cannot listen: %s\n", strerror(errno));
        return EXIT_FAILURE;
    }
    (void)sigwait(&ends, &number);
    MHD_stop_daemon(daemon);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    const char *socket = SOCKET_DEFAULT, *host = ADDRESS_DEFAULT;
    uint64_t port = PORT_DEFAULT;
    struct sockaddr_in address;
    bool sound = true;
    int c;
    while ((c = getopt(argc, argv, "s:a:p:h")) != -1) {
        switch (c) {
        case 's': socket = optarg; break;
        case 'a': host = optarg; break;
        case 'p': sound = sound && value_u64(optarg, &port); break;
        case 'h': return fputs(usage, stdout) < 0;
        default: sound = false;
        }
    }
    if (!sound || optind != argc || !address_parse(host, port, &address)) {
        (void)fputs(usage, stderr);
        return 2;
    }
    return serve(socket, &address);
}
