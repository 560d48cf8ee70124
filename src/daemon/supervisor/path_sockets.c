/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/supervisor/path_sockets.h"

#include <errno.h>
#include <net/if.h>
#include <unistd.h>

#include "daemon/supervisor/supervisor.h"
#include "linux/udp_socket.h"

int path_sockets(const struct priv_request *request, unsigned n_workers, uint32_t *ret_n,
                 int ret_fds[LIMIT_WORKERS])
{
    char device[IF_NAMESIZE];
    bool nat = request->port == NAT_PORT;
    if ((!nat && request->port != IKE_PORT) || if_indextoname(request->interface, device) == NULL)
        return ERR_INVALID;
    unsigned n = nat ? n_workers : 1; /* the engine alone reads at port 500 */
    struct udp_socket_options options = {
        .local = {.address = request->address, .port = request->port},
        .device = device,
        .mark = OUTER_MARK,
        .reuseport = true,
        .gro = nat};
    for (unsigned i = 0; i < n; i++) {
        ret_fds[i] = udp_socket_open(&options);
        if (ret_fds[i] < 0) {
            int saved = errno;
            while (i-- > 0)
                close(ret_fds[i]);
            errno = saved;
            return ERR_SYSTEM;
        }
    }
    *ret_n = n;
    return 0;
}
