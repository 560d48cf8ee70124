/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/trace_diagram.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ARROW 16 /* columns of an arrow */

static long long number_of(const struct tree *entry, const char *key)
{
    return strtoll(tree_text_or(entry, key, "0"), NULL, 10);
}

/* --- heads --- */

static void print_day(struct trace_diagram *diagram, time_t when)
{
    char day[16] = "";
    struct tm local;
    if (localtime_r(&when, &local) != NULL)
        (void)strftime(day, sizeof(day), "%Y-%m-%d", &local);
    if (strcmp(day, diagram->day) == 0)
        return;
    memcpy(diagram->day, day, sizeof(day));
    printf("%s\n", day);
}

static void print_head(struct trace_diagram *diagram, const struct tree *entry)
{
    char path[160];
    uint32_t sa = (uint32_t)number_of(entry, "sa");
    const char *interface = tree_text_or(entry, "interface", "");
    (void)snprintf(path, sizeof(path), "%s%s%s -> %s", tree_text_or(entry, "local", "?"),
                   interface[0] == '\0' ? "" : " on ", interface,
                   tree_text_or(entry, "remote", "?"));
    if (diagram->begun && sa == diagram->sa && strcmp(path, diagram->path) == 0)
        return;
    const char *conn = tree_text_or(entry, "conn", "");
    printf("%s--- ", diagram->colour ? "\033[1m" : "");
    if (sa == 0)
        printf("no IKE SA");
    else
        printf("IKE SA %u", sa);
    if (number_of(entry, "session") != 0)
        printf(" of session %lld", number_of(entry, "session"));
    printf("%s%s  %s%s\n", conn[0] == '\0' ? "" : ", ", conn, path,
           diagram->colour ? "\033[0m" : "");
    diagram->sa = sa;
    memcpy(diagram->path, path, sizeof(path));
}

/* --- lines --- */

static void print_time(struct trace_diagram *diagram, const struct tree *entry)
{
    long long ms = number_of(entry, "time-ms"), us = number_of(entry, "at-us");
    time_t when = (time_t)(ms / 1000);
    char clock[16] = "??:??:??";
    struct tm local;
    if (!diagram->begun)
        diagram->first_us = us;
    if (localtime_r(&when, &local) != NULL)
        (void)strftime(clock, sizeof(clock), "%H:%M:%S", &local);
    printf("%s.%03lld %+9.1f ms  ", clock, ms % 1000, (double)(us - diagram->first_us) / 1000);
}

/* print_arrow - a request is a double line, a response a thin one. */
static void print_arrow(const struct tree *entry)
{
    bool in = strcmp(tree_text_or(entry, "kind", ""), "in") == 0;
    bool response = strcmp(tree_text_or(entry, "type", ""), "response") == 0;
    char line[ARROW + 1];
    memset(line, response ? '-' : '=', ARROW);
    line[ARROW] = '\0';
    line[in ? 0 : ARROW - 1] = in ? '<' : '>';
    printf("%s  ", line);
}

static void print_size(const struct tree *entry)
{
    long long datagrams = number_of(entry, "datagrams");
    printf("  %lld octets", number_of(entry, "octets"));
    if (datagrams > 1)
        printf(" in %lld fragments", datagrams);
}

static bool says(const struct tree *entry, const char *key)
{
    return strcmp(tree_text_or(entry, key, ""), "yes") == 0;
}

static void print_message(const struct trace_diagram *diagram, const struct tree *entry)
{
    const char *payloads = tree_text_or(entry, "payloads", "");
    bool again = says(entry, "again");
    const char *style = again ? "\033[33m" : says(entry, "error") ? "\033[31m" : "";
    print_arrow(entry);
    printf("%s%s %s %lld%s", diagram->colour ? style : "", tree_text_or(entry, "exchange", "?"),
           tree_text_or(entry, "type", "?"), number_of(entry, "message-id"), again ? " again" : "");
    printf("%s", diagram->colour && style[0] != '\0' ? "\033[0m" : "");
    print_size(entry);
    if (payloads[0] != '\0')
        printf("  { %s }", payloads);
    else if (!again)
        printf("  { }");
}

static bool text_is_sound(const struct tree *entry)
{
    for (const struct tree *node = entry->first; node != NULL; node = node->next)
        for (const char *c = tree_value_text(node); *c != '\0'; c++)
            if (!isprint((unsigned char)*c))
                return false;
    return true;
}

void trace_diagram_put(struct trace_diagram *diagram, const struct tree *entry)
{
    if (!text_is_sound(entry)) {
        printf("(an entry with octets that are not printable)\n");
        return;
    }
    print_day(diagram, (time_t)(number_of(entry, "time-ms") / 1000));
    print_head(diagram, entry);
    print_time(diagram, entry);
    diagram->begun = true;
    if (strcmp(tree_text_or(entry, "kind", ""), "ended") == 0)
        printf("%-*s  ended: %s", ARROW, "", tree_text_or(entry, "outcome", "?"));
    else
        print_message(diagram, entry);
    (void)putchar('\n');
    (void)fflush(stdout);
}
