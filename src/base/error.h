/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#define MUST_USE __attribute__((warn_unused_result))

/*
 * enum error - what the world can do to us. Returned as a negative value; 0 is success. The peer's
 * faults are not here: they are answered by a notify or by silence.
 */
enum error {
    ERR_OK = 0,
    ERR_NO_MEMORY = -1,   /* an allocation failed */
    ERR_CRYPTO = -2,      /* the crypto library refused, or a public value is invalid */
    ERR_FULL = -3,        /* a bounded table or queue has no room: see base/limits.h */
    ERR_INVALID = -4,     /* an argument from configuration or control does not make sense */
    ERR_NOT_FOUND = -5,   /* no such object */
    ERR_WRONG_STATE = -6, /* the object exists, but not in a state that allows this */
    ERR_SYSTEM = -7,      /* a system call failed; errno was logged where it happened */
    ERR_AUTH = -8,        /* an integrity check or an authentication failed */
    ERR_TRUNCATED = -9,   /* the output buffer is too small */
    ERR_AGAIN = -10,      /* nothing now; try when the descriptor is ready */
    ERR_DENIED = -11,     /* the configuration or the state of the host does not allow it */
};

const char *error_text(int err);

#endif
