/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_HAND_OVER_H
#define DAEMON_HAND_OVER_H

/*
 * The file of an upgrade: the sessions that an engine hands to its successor.
 *
 *      magic, version, then for each session: octets of the cores, octets of the engine, each behind its length
 *
 * The octets of the cores are those of multipath/whole_session.h, with a digest of their own. A file that is cut has
 * fewer sessions: those before the cut are whole.
 */

#include "base/error.h"
#include "base/reader.h"

#define HAND_OVER_VERSION 1
#define HAND_OVER_ENGINE  (64 * 1024) /* the most octets of the engine */

struct handed_session {
    struct span cores, engine;
};

/* hand_over_begin, hand_over_add - write to `fd`. ERR_SYSTEM: the file is cut here. */
int hand_over_begin(int fd) MUST_USE;
int hand_over_add(int fd, const struct handed_session *session) MUST_USE;

/* hand_over_open - reads the beginning of a file. ERR_INVALID: it is another file, or of an unknown version.
 * hand_over_next - the next session, borrowed from the file. false: none is left, or the rest is cut. */
int hand_over_open(struct reader *ret_file, struct span octets) MUST_USE;
bool hand_over_next(struct reader *file, struct handed_session *ret_session);

#endif
