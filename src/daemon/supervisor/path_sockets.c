/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/supervisor/path_sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <unistd.h>

#include "daemon/supervisor/supervisor.h"
#include "linux/udp_socket.h"

static void fds_close(int *fds, unsigned n)
{
    int saved = errno;
    for (unsigned i = 0; i < n; i++)
        close(fds[i]);
    errno = saved;
}

static int sockets_open(const struct priv_request *request, unsigned n, const char *device,
                        int ret_fds[LIMIT_WORKERS])
{
    struct udp_socket_options options = {
        .local = {.address = request->address, .port = request->port},
        .device = device,
        .mark = OUTER_MARK,
        .reuseport = true,
        .gro = request->port == NAT_PORT};
    for (unsigned i = 0; i < n; i++) {
        ret_fds[i] = udp_socket_open(&options);
        if (ret_fds[i] < 0) {
            fds_close(ret_fds, i);
            return ERR_SYSTEM;
        }
    }
    return 0;
}

static int fds_copy(const int *fds, unsigned n, int ret_fds[LIMIT_WORKERS])
{
    for (unsigned i = 0; i < n; i++) {
        ret_fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 0);
        if (ret_fds[i] < 0) {
            fds_close(ret_fds, i);
            return ERR_SYSTEM;
        }
    }
    return 0;
}

/* kept_find - the sockets of the path; NULL: none. */
static struct path_sockets_of *kept_find(struct path_sockets *sockets, const struct priv_request *r)
{
    for (unsigned i = 0; i < PATH_SOCKETS_KEPT; i++) {
        struct path_sockets_of *of = &sockets->kept[i];
        if (of->n > 0 && of->interface == r->interface && of->port == r->port &&
            address_equal(&of->address, &r->address))
            return of;
    }
    return NULL;
}

/* keep - in the place of those that were asked for longest ago. Without a descriptor they are not kept. */
static void keep(struct path_sockets *sockets, const struct priv_request *r, const int *fds,
                 unsigned n)
{
    struct path_sockets_of *oldest = &sockets->kept[0];
    for (unsigned i = 1; i < PATH_SOCKETS_KEPT; i++)
        if (sockets->kept[i].used < oldest->used)
            oldest = &sockets->kept[i];
    fds_close(oldest->fds, oldest->n);
    *oldest = (struct path_sockets_of){
        .interface = r->interface, .port = r->port, .address = r->address, .used = ++sockets->uses};
    if (fds_copy(fds, n, oldest->fds) == 0)
        oldest->n = n;
}

int path_sockets_get(struct path_sockets *sockets, const struct priv_request *request,
                     unsigned n_workers, uint32_t *ret_n, int ret_fds[LIMIT_WORKERS])
{
    char device[IF_NAMESIZE];
    bool nat = request->port == NAT_PORT;
    if ((!nat && request->port != IKE_PORT) || if_indextoname(request->interface, device) == NULL)
        return ERR_INVALID;
    unsigned n = nat ? n_workers : 1; /* the engine alone reads at port 500 */
    struct path_sockets_of *of = kept_find(sockets, request);
    int error =
        of != NULL ? fds_copy(of->fds, n, ret_fds) : sockets_open(request, n, device, ret_fds);
    if (error != 0)
        return error;
    if (of != NULL)
        of->used = ++sockets->uses;
    else
        keep(sockets, request, ret_fds, n);
    *ret_n = n;
    return 0;
}

void path_sockets_done(struct path_sockets *sockets)
{
    for (unsigned i = 0; i < PATH_SOCKETS_KEPT; i++)
        fds_close(sockets->kept[i].fds, sockets->kept[i].n);
    *sockets = (struct path_sockets){.uses = 0};
}
