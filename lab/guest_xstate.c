/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Preloaded into User-Mode Linux 6.1, which keeps 2,696 octets of the processor's extended state
 * for each of its processes. The host takes the state back only as a whole (EFAULT else), and where
 * the processor has AMX it is 11,008 octets: not even the first process would start. What the guest
 * does not know is left as the host has it.
 */
#include <dlfcn.h>
#include <elf.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

#define XSTATE_MAX 65536 /* octets; the guest's kernel has one thread that traces */

typedef long tracer(enum __ptrace_request request, ...);

static long xstate_set(tracer *next, void *pid, void *type, const struct iovec *known)
{
    static unsigned char state[XSTATE_MAX];
    struct iovec whole = {state, sizeof(state)};
    if (next(PTRACE_GETREGSET, pid, type, &whole) < 0)
        return -1;
    memcpy(state, known->iov_base, known->iov_len < whole.iov_len ? known->iov_len : whole.iov_len);
    return next(PTRACE_SETREGSET, pid, type, &whole);
}

/* ptrace(2), as the C library declares it. */
long ptrace(enum __ptrace_request request, ...)
{
    static tracer *next;
    if (next == NULL) {
        void *symbol = dlsym(RTLD_NEXT, "ptrace");
        memcpy(&next, &symbol, sizeof(next)); /* ISO C has no cast from data to code */
    }
    va_list args;
    va_start(args, request);
    void *pid = va_arg(args, void *); /* whatever they are, they come in one register each */
    void *address = va_arg(args, void *);
    void *data = va_arg(args, void *);
    va_end(args);
    if (request == PTRACE_SETREGSET && (size_t)address == NT_X86_XSTATE)
        return xstate_set(next, pid, address, data);
    return next(request, pid, address, data);
}
