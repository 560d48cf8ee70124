/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"

const char *error_text(int err)
{
    switch ((enum error)err) {
    case ERR_OK: return "success";
    case ERR_NO_MEMORY: return "out of memory";
    case ERR_CRYPTO: return "cryptographic operation failed";
    case ERR_FULL: return "limit reached";
    case ERR_INVALID: return "invalid argument";
    case ERR_NOT_FOUND: return "not found";
    case ERR_WRONG_STATE: return "not possible in this state";
    case ERR_SYSTEM: return "system call failed";
    case ERR_AUTH: return "authentication failed";
    case ERR_TRUNCATED: return "buffer too small";
    case ERR_AGAIN: return "try again";
    case ERR_DENIED: return "not allowed";
    }
    return "unknown error";
}
