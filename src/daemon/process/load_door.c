/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/process/load_door.h"

#include <unistd.h>

#include "daemon/common/channel.h"

int load_door_take(int orders_fd, int *ret_fd, uint64_t *ret_number)
{
    struct load_order order;
    int fds[LIMIT_WORKERS];
    unsigned n = 0;
    int error = channel_recv(orders_fd, &order, sizeof(order), fds, &n);
    if (error != 0)
        return error;
    if (n != 1 || order.load == 0) {
        for (unsigned i = 0; i < n; i++)
            close(fds[i]);
        return ERR_INVALID;
    }
    *ret_fd = fds[0];
    *ret_number = order.load;
    return 0;
}

unsigned load_stages_begin(struct load_stages *stages, uint64_t number)
{
    unsigned place = 0; /* numbers rise, and a free place has number 0 */
    for (unsigned i = 1; i < LOAD_STAGES; i++)
        if (stages->numbers[i] < stages->numbers[place])
            place = i;
    stages->numbers[place] = number;
    return place;
}

unsigned load_stages_end(struct load_stages *stages, uint64_t number)
{
    for (unsigned i = 0; i < LOAD_STAGES; i++)
        if (number != 0 && stages->numbers[i] == number) {
            stages->numbers[i] = 0;
            return i;
        }
    return LOAD_STAGES;
}
