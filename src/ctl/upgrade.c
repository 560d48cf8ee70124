/* SPDX-License-Identifier: Apache-2.0 */
/* `ikat upgrade`: ikatd replaces its running program by the installed one. */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "ctl/commands.h"

#define DECISION_MS  30000 /* long: the installed program reads the configuration first */
#define LEAVE_MS     15000 /* patience until the engine has ended */
#define SERVE_TRIES  300   /* requests until the next engine answers */
#define TRY_PAUSE_NS 100000000L
#define EXIT_RESTART 3

static struct tree *ask(struct client *client, const char *command, int timeout_ms)
{
    struct vici_writer w;
    vici_begin(&w, VICI_CMD_REQUEST, command);
    return client_request(client, &w, NULL, NULL, timeout_ms);
}

/* begin - asks for the upgrade. false: the daemon does not replace its processes, and *ret_code is
 * the exit status. */
static bool begin(struct client *client, int *ret_code)
{
    struct tree *answers = ask(client, "version", CLIENT_ANSWER_MS);
    struct tree *response = answers == NULL ? NULL : ask(client, "upgrade", DECISION_MS);
    bool agreed = strcmp(tree_text_or(response, "success", "no"), "yes") == 0;
    const char *note = tree_text(response, "note");
    *ret_code = response != NULL && agreed ? 0 : 1;
    if (response == NULL)
        (void)ctl_complain("the daemon did not answer; see its log");
    else if (!agreed)
        (void)ctl_complain(tree_text_or(response, "errmsg", "no reason given"));
    else if (note != NULL)
        printf("%s\n", note);
    if (tree_text(response, "restart") != NULL)
        *ret_code = EXIT_RESTART;
    tree_free(answers);
    bool goes = response != NULL && agreed && note == NULL;
    tree_free(response);
    return goes;
}

/* ended - waits for the end of the engine, which closes the connection. */
static bool ended(struct client *client)
{
    struct pollfd wait = {.fd = client_descriptor(client), .events = POLLIN};
    return poll(&wait, 1, LEAVE_MS) == 1;
}

/* outcome_ask - asks the next engine which program it runs. false: it does not answer yet. */
static bool outcome_ask(const struct ctl_options *options, char ret_outcome[16])
{
    char error[512];
    struct client *client = client_open(options->socket, error);
    struct tree *response = client == NULL ? NULL : ask(client, "get-upgrade", CLIENT_ANSWER_MS);
    bool answered = response != NULL;
    if (answered)
        (void)snprintf(ret_outcome, 16, "%s", tree_text_or(response, "outcome", "none"));
    tree_free(response);
    client_close(client);
    return answered;
}

static int outcome_wait(const struct ctl_options *options)
{
    char outcome[16] = "";
    for (int i = 0; i < SERVE_TRIES && !outcome_ask(options, outcome); i++)
        (void)nanosleep(&(struct timespec){.tv_nsec = TRY_PAUSE_NS}, NULL);
    if (strcmp(outcome, "new") == 0) {
        printf("the installed program runs\n");
        return 0;
    }
    return ctl_complain(strcmp(outcome, "old") == 0
                            ? "the installed program did not come up, and the one before runs "
                              "again; see the log"
                            : "the daemon did not come up; see its log");
}

int command_upgrade(const struct ctl_options *options, char **arguments, int n)
{
    struct client *client = ctl_connect(options);
    int code = 1;
    (void)arguments, (void)n;
    if (client != NULL && begin(client, &code))
        code = ended(client) ? outcome_wait(options)
                             : ctl_complain("the engine did not end; see the log");
    client_close(client);
    return code;
}
