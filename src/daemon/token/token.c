/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/token/token.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/secret.h"
#include "daemon/common/auth_parts.h"
#include "daemon/common/channel.h"
#include "daemon/common/log.h"
#include "daemon/process/confine.h"
#include "daemon/token/token_module.h"
#include "daemon/token/token_queue.h"
#include "linux/clock.h"
#include "linux/sandbox.h"

#define TOKEN_DESCRIPTORS 128
#define TOKEN_ROOM        (1 << 17)
#define TOKEN_PATIENCE    (10 * NANOS_PER_SEC)
#define WORKERS_MOST      8
#define CHILDREN_MOST     (2 * WORKERS_MOST) /* a driver may delay the end of a worker */

/* struct worker - a module, and the fork of this process that loads it. */
struct worker {
    char module[TOKEN_PATH];
    pid_t pid; /* 0: the fork does not run */
    int fd;    /* the channel to the fork */
    struct token_queue queue;
    struct token_job *job; /* in work; NULL: the worker is idle */
    nanos deadline;        /* of the job in work, else of the last one */
};

struct tokens {
    int fd; /* the channel to the keyholder */
    struct worker workers[WORKERS_MOST];
    unsigned n_workers, n_children;
    struct token_refusals refusals;
};

/* --- a worker --- */

/* worker_serve - answers requests until the parent closes the channel or kills the worker. */
static void worker_serve(int fd, const char *path)
{
    static uint8_t octets[AUTH_PARTS_MAX], out[TOKEN_ANSWER];
    static struct token_request request;
    struct token_answer answer;
    struct token_module *module = NULL;
    size_t n;
    while (channel_recv_tail(fd, &request, sizeof(request), (struct buffer){octets, sizeof(octets)},
                             &n) == 0) {
        struct writer w = writer_of(out, sizeof(out));
        answer = (struct token_answer){.job = request.job, .error = ERR_SYSTEM};
        if (module == NULL)
            module = token_module_open(path, answer.reason);
        if (module != NULL)
            token_module_answer(module, &request, span_of(octets, n), &answer, &w);
        wipe(&request, sizeof(request));
        if (channel_send_tail(fd, span_of(&answer, sizeof(answer)),
                              span_of(out, answer.n_octets)) != 0)
            break;
    }
    token_module_close(module);
}

/* tokens_forget - in a new worker: wipes the requests and PINs for other modules. The module runs next,
 * and must find no PIN of another one. */
static void tokens_forget(struct tokens *tokens)
{
    close(tokens->fd);
    for (unsigned i = 0; i < tokens->n_workers; i++) {
        struct worker *worker = &tokens->workers[i];
        token_queue_clear(&worker->queue);
        token_job_free(worker->job);
        if (worker->pid != 0)
            close(worker->fd);
    }
    wipe(tokens, sizeof(*tokens)); /* a digest of a short PIN tells the PIN */
}

static void worker_run(struct tokens *tokens, const struct worker *worker, int fd, pid_t parent)
{
    char module[TOKEN_PATH];
    memcpy(module, worker->module, sizeof(module));
    tokens_forget(tokens);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0 && getppid() == parent &&
        sandbox_no_signals() == 0)
        worker_serve(fd, module);
    _exit(EXIT_SUCCESS);
}

static int worker_start(struct tokens *tokens, struct worker *worker)
{
    int ends[2];
    if (tokens->n_children >= CHILDREN_MOST || channel_pair(ends, TOKEN_ROOM) != 0)
        return ERR_SYSTEM;
    pid_t parent = getpid();
    worker->pid = fork();
    if (worker->pid == 0) {
        close(ends[0]);
        worker_run(tokens, worker, ends[1], parent);
    }
    close(ends[1]);
    worker->fd = ends[0];
    tokens->n_children += worker->pid > 0;
    if (worker->pid > 0)
        return 0;
    worker->pid = 0;
    close(ends[0]);
    return ERR_SYSTEM;
}

/* worker_stop - does not wait for the end of the worker, because a driver may delay it. */
static void worker_stop(struct worker *worker)
{
    if (worker->pid == 0)
        return;
    (void)kill(worker->pid, SIGKILL);
    close(worker->fd);
    worker->pid = 0;
}

static void children_reap(struct tokens *tokens)
{
    while (tokens->n_children > 0 && waitpid(-1, NULL, WNOHANG) > 0)
        tokens->n_children--;
}

/* worker_replaceable - of the idle workers the one whose last job began first. Reloads can name new
 * modules without end, and any module can be loaded again. NULL: all are busy. */
static struct worker *worker_replaceable(struct tokens *tokens)
{
    struct worker *found = NULL;
    for (unsigned i = 0; i < tokens->n_workers; i++) {
        struct worker *worker = &tokens->workers[i];
        if (worker->job == NULL && worker->queue.n == 0 &&
            (found == NULL || worker->deadline < found->deadline))
            found = worker;
    }
    return found;
}

/* worker_of - the worker of that module, else a new one. NULL: all places have a busy worker. */
static struct worker *worker_of(struct tokens *tokens, const char *module)
{
    for (unsigned i = 0; i < tokens->n_workers; i++)
        if (strcmp(tokens->workers[i].module, module) == 0)
            return &tokens->workers[i];
    struct worker *worker = tokens->n_workers < WORKERS_MOST ? &tokens->workers[tokens->n_workers++]
                                                             : worker_replaceable(tokens);
    if (worker == NULL)
        return NULL;
    worker_stop(worker);
    memcpy(worker->module, module, TOKEN_PATH);
    token_queue_init(&worker->queue);
    return worker;
}

/* --- answers --- */

static int answer_send(const struct tokens *tokens, const struct token_answer *answer,
                       struct span octets)
{
    return channel_send_tail(tokens->fd, span_of(answer, sizeof(*answer)), octets);
}

static int refuse(const struct tokens *tokens, uint64_t job, int error, const char *reason)
{
    struct token_answer answer = {.job = job, .error = error};
    (void)snprintf(answer.reason, sizeof(answer.reason), "%s", reason);
    return answer_send(tokens, &answer, (struct span){0});
}

/* job_fail - ends the worker. The next job starts it again. */
static int job_fail(struct tokens *tokens, struct worker *worker, const char *reason)
{
    struct token_job *job = worker->job;
    worker->job = NULL;
    worker_stop(worker);
    log_line(LOG_LEVEL_WARNING, "event=token-worker-ended module=%s text=\"%s\"", worker->module,
             reason);
    int error = job == NULL ? 0 : refuse(tokens, job->request.job, ERR_SYSTEM, reason);
    token_job_free(job);
    return error;
}

/* worker_begin - gives an idle worker the next job of its queue, which is not empty. */
static int worker_begin(struct tokens *tokens, struct worker *worker)
{
    const struct token_job *job = worker->job = token_queue_take(&worker->queue);
    if (token_refusals_has(&tokens->refusals, &job->request.ref)) {
        int error =
            refuse(tokens, job->request.job, ERR_AUTH,
                   "the token refused this PIN before; it is tried again when it is loaded");
        token_job_free(worker->job);
        worker->job = NULL;
        return error;
    }
    worker->deadline = nanos_after(clock_now(), TOKEN_PATIENCE);
    if ((worker->pid == 0 && worker_start(tokens, worker) != 0) ||
        channel_send_tail(worker->fd, span_of(&job->request, sizeof(job->request)),
                          span_of(job->octets, job->request.n_octets)) != 0)
        return job_fail(tokens, worker, "its worker cannot be started");
    return 0;
}

static int queue_begin(struct tokens *tokens, struct worker *worker)
{
    int error = 0;
    while (error == 0 && worker->job == NULL && worker->queue.n > 0)
        error = worker_begin(tokens, worker);
    return error;
}

/* worker_answered - checks the answer, because the worker runs the code of a module. */
static int worker_answered(struct tokens *tokens, struct worker *worker)
{
    static uint8_t octets[TOKEN_ANSWER];
    struct token_answer answer;
    size_t n;
    int error = channel_recv_tail(worker->fd, &answer, sizeof(answer),
                                  (struct buffer){octets, sizeof(octets)}, &n);
    if (error != 0 || worker->job == NULL || answer.job != worker->job->request.job)
        return job_fail(tokens, worker, "the module of the token crashed");
    answer.reason[sizeof(answer.reason) - 1] = '\0';
    if (answer.error == ERR_AUTH)
        token_refusals_add(&tokens->refusals, &worker->job->request.ref, worker->job->request.load);
    token_job_free(worker->job);
    worker->job = NULL;
    return answer_send(tokens, &answer, span_of(octets, n));
}

/* --- requests --- */

static bool request_sound(const struct token_request *request)
{
    const struct token_ref *ref = &request->ref;
    return request->kind >= TOKEN_OPEN && request->kind <= TOKEN_CERT &&
           request->asker < TOKEN_ASKERS &&
           memchr(ref->module, '\0', sizeof(ref->module)) != NULL && ref->handle_len > 0 &&
           ref->handle_len <= sizeof(ref->handle) && ref->pin_len <= sizeof(ref->pin);
}

static int request_take(struct tokens *tokens)
{
    static uint8_t octets[AUTH_PARTS_MAX];
    struct token_request request;
    size_t n;
    int error = channel_recv_tail(tokens->fd, &request, sizeof(request),
                                  (struct buffer){octets, sizeof(octets)}, &n);
    if (error != 0)
        return error;
    if (!request_sound(&request))
        return refuse(tokens, request.job, ERR_INVALID, "the request makes no sense");
    if (request.kind == TOKEN_OPEN)
        token_refusals_forget(&tokens->refusals, &request.ref, request.load);
    struct worker *worker = worker_of(tokens, request.ref.module);
    error = worker == NULL ? ERR_FULL
                           : token_queue_add(&worker->queue, &request, span_of(octets, n),
                                             nanos_after(clock_now(), TOKEN_PATIENCE));
    wipe(&request.ref, sizeof(request.ref));
    return error == 0 ? queue_begin(tokens, worker)
                      : refuse(tokens, request.job, ERR_SYSTEM,
                               worker == NULL ? "too many modules are busy"
                                              : "too many requests wait for the token");
}

/* --- the loop --- */

static nanos worker_deadline(const struct worker *worker)
{
    nanos deadline = token_queue_deadline(&worker->queue);
    return worker->job == NULL
               ? deadline
               : nanos_min(deadline, nanos_min(worker->deadline, worker->job->deadline));
}

static int wait_ms(const struct tokens *tokens)
{
    nanos deadline = NANOS_NEVER;
    for (unsigned i = 0; i < tokens->n_workers; i++)
        deadline = nanos_min(deadline, worker_deadline(&tokens->workers[i]));
    if (deadline == NANOS_NEVER)
        return -1;
    nanos left = deadline - clock_now();
    return left <= 0 ? 0 : (int)(left / NANOS_PER_MS) + 1;
}

/* late_refuse - answers requests whose time is over, in the queue or in work. A job in work goes on: it
 * may have waited long for its turn, and its worker has the full time for it. */
static int late_refuse(struct tokens *tokens, struct worker *worker, nanos now)
{
    struct token_job *job;
    int error = 0;
    while (error == 0 && (job = token_queue_late(&worker->queue, now)) != NULL) {
        error = refuse(tokens, job->request.job, ERR_SYSTEM,
                       "the token had no time for it within 10 s");
        token_job_free(job);
    }
    if (error == 0 && worker->job != NULL && worker->job->deadline <= now) {
        worker->job->deadline = NANOS_NEVER;
        error = refuse(tokens, worker->job->request.job, ERR_SYSTEM,
                       "the token did not answer for 10 s");
    }
    return error;
}

static int worker_look(struct tokens *tokens, struct worker *worker, short revents)
{
    nanos now = clock_now();
    int error = 0;
    if (revents != 0)
        error = worker_answered(tokens, worker);
    else if (worker->job != NULL && now >= worker->deadline)
        error = job_fail(tokens, worker, "the token did not answer for 10 s");
    if (error == 0)
        error = late_refuse(tokens, worker, now);
    return error == 0 ? queue_begin(tokens, worker) : error;
}

static int tokens_turn(struct tokens *tokens)
{
    struct pollfd fds[1 + WORKERS_MOST] = {{.fd = tokens->fd, .events = POLLIN}};
    for (unsigned i = 0; i < tokens->n_workers; i++)
        fds[1 + i] = (struct pollfd){.fd = tokens->workers[i].pid == 0 ? -1 : tokens->workers[i].fd,
                                     .events = POLLIN};
    if (poll(fds, 1 + tokens->n_workers, wait_ms(tokens)) < 0)
        return errno == EINTR ? 0 : ERR_SYSTEM;
    children_reap(tokens);
    int error = 0;
    for (unsigned i = 0; error == 0 && i < tokens->n_workers; i++)
        error = worker_look(tokens, &tokens->workers[i], fds[1 + i].revents);
    return error == 0 && fds[0].revents != 0 ? request_take(tokens)
                                             : error; /* may replace workers */
}

int token_run(const struct spawn_start *start)
{
    const struct confinement kept = {.process = PROCESS_TOKEN,
                                     .files = SANDBOX_FILES_OWN,
                                     .calls = SANDBOX_READER,
                                     .descriptors = TOKEN_DESCRIPTORS,
                                     .threads = true};
    static struct tokens tokens;
    tokens.fd = start->fd;
    if (confine(&kept, start->parent) != 0) {
        log_line(LOG_LEVEL_ERROR, "event=helper-failed what=token reason=\"%s\"", strerror(errno));
        return EXIT_FAILURE;
    }
    int error = 0;
    while (error == 0)
        error = tokens_turn(&tokens);
    return error == ERR_NOT_FOUND ? EXIT_SUCCESS : EXIT_FAILURE;
}
