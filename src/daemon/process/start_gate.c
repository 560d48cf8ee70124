/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/process/start_gate.h"

#include <errno.h>
#include <unistd.h>

bool gate_pass(const struct gate *gate)
{
    char end;
    ssize_t n;
    if (gate->gate_fd < 0)
        return true;
    close(gate->warm_fd);
    do
        n = read(gate->gate_fd, &end, 1);
    while (n < 0 && errno == EINTR);
    close(gate->gate_fd);
    return n == 0;
}
