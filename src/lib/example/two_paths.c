/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An End User with two interfaces and a Gateway, in one process, without a daemon: one login, a
 * clone, and packets over both paths. Each interface is an address of the loopback network with two
 * UDP sockets. The kernel chooses their ports, so no rights are needed; libikat knows them as 500 and
 * 4500. Build it with: cc two_paths.c $(pkg-config --cflags --libs libikat)
 */
#include <arpa/inet.h>
#include <ikat.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define LOGIN "\n auth = psk\n id = "
static const char gateway_text[] =
    "connections {\n gate {\n pools = inner\n local {" LOGIN "gateway.example\n }\n"
    " multipath = balance\n remote {\n auth = psk\n }\n children {\n net {\n local_ts = "
    "fd20::/64\n }\n }\n }\n}\n"
    "pools {\n inner {\n addrs = fd30::/64\n }\n}\n"
    "secrets {\n ike-both {\n secret = \"use openssl rand -base64 32\"\n }\n}\n";
static const char user_text[] =
    "connections {\n home {\n remote_addrs = 127.0.0.1\n vips = ::\n multipath = balance\n"
    " local {" LOGIN "laptop.example\n }\n remote {" LOGIN "gateway.example\n }\n"
    " paths {\n wlan {\n interface = wlan0\n }\n lte {\n interface = lte0\n }\n }\n"
    " children {\n net {\n remote_ts = fd20::/64\n }\n }\n }\n}\n"
    "secrets {\n ike-both {\n secret = \"use openssl rand -base64 32\"\n }\n}\n";

/* struct door - a UDP socket of an endpoint. */
static struct door {
    struct ikat *owner;
    uint32_t interface;
    struct ikat_address known_as; /* port 500 or 4500 */
    struct sockaddr_in real;
    int fd;
} doors[6];
static unsigned n_doors, n_packets;
static uint32_t session;

static ikat_time now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (ikat_time)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

static void door_open(struct ikat *owner, uint32_t interface, uint8_t host, uint16_t port)
{
    struct door *door = &doors[n_doors++];
    socklen_t len = sizeof(door->real);
    *door = (struct door){owner, interface, {4, {127, 0, 0, host}, port}, {0}, 0};
    door->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    door->real.sin_family = AF_INET;
    memcpy(&door->real.sin_addr, door->known_as.octets, 4);
    if (door->fd < 0 || bind(door->fd, (struct sockaddr *)&door->real, sizeof(door->real)) != 0 ||
        getsockname(door->fd, (struct sockaddr *)&door->real, &len) != 0)
        fail("socket", "127.0.0.0/8 and UDP are needed");
}

static const struct door *door_known(const struct ikat_address *address)
{
    for (unsigned i = 0; i < n_doors; i++)
        if (doors[i].known_as.port == address->port &&
            memcmp(doors[i].known_as.octets, address->octets, sizeof(address->octets)) == 0)
            return &doors[i];
    return NULL;
}

static void take(struct ikat *from, const struct ikat_output *output)
{
    if (output->kind == IKAT_DATAGRAM) {
        const struct door *door = door_known(&output->place.local);
        const struct door *to = door_known(&output->place.remote);
        if (door != NULL && to != NULL && /* one that is lost is repeated */
            sendto(door->fd, output->octets, output->len, 0, (const struct sockaddr *)&to->real,
                   sizeof(to->real)) < 0)
            perror("sendto");
    } else if (output->kind == IKAT_PACKET) {
        n_packets++;
    } else if (output->kind == IKAT_PATH) {
        printf("path %s: %s\n", output->path, output->state);
    } else if (output->kind == IKAT_UP && from == doors[2].owner) {
        session = output->session;
        printf("session %u is up\n", session);
    } else if (output->kind == IKAT_FAILED) {
        fail("login", output->reason);
    }
}

/* receive - all that waits at a door. */
static void receive(struct door *door)
{
    uint8_t octets[65536];
    struct sockaddr_in sender = {0};
    socklen_t len = sizeof(sender);
    ssize_t n =
        recvfrom(door->fd, octets, sizeof(octets), MSG_DONTWAIT, (struct sockaddr *)&sender, &len);
    for (unsigned i = 0; n >= 0 && i < n_doors; i++) {
        const struct ikat_place place = {door->known_as, doors[i].known_as, door->interface};
        if (doors[i].real.sin_port == sender.sin_port &&
            doors[i].real.sin_addr.s_addr == sender.sin_addr.s_addr)
            ikat_receive(door->owner, &place, octets, (size_t)n, now());
    }
}

/* turn - one round of the loop: outputs, then the next input or deadline. */
static void turn(struct ikat *ends[2])
{
    struct pollfd fds[6];
    struct ikat_output output;
    ikat_time at = now() + 100000000;
    for (int i = 0; i < 2; i++) {
        while (ikat_next(ends[i], &output))
            take(ends[i], &output);
        at = ikat_deadline(ends[i]) < at ? ikat_deadline(ends[i]) : at;
    }
    for (unsigned i = 0; i < n_doors; i++)
        fds[i] = (struct pollfd){.fd = doors[i].fd, .events = POLLIN};
    ikat_time wait = at - now();
    poll(fds, n_doors, wait > 0 ? (int)(wait / 1000000) + 1 : 0);
    for (unsigned i = 0; i < n_doors; i++)
        if (fds[i].revents != 0)
            receive(&doors[i]);
    for (int i = 0; i < 2; i++)
        ikat_tick(ends[i], now());
}

int main(void)
{
    const struct ikat_options options = {.allow_loopback = true};
    struct ikat *gateway = ikat_new(&options), *user = ikat_new(&options);
    struct ikat *ends[2] = {gateway, user};
    struct ikat_link links[3] = {
        {.index = 1, .name = "eth0"}, {.index = 2, .name = "wlan0"}, {.index = 3, .name = "lte0"}};
    struct ikat_session info = {0};
    char error[IKAT_TEXT_MAX];
    if (gateway == NULL || user == NULL)
        fail("ikat_new", "no memory");
    for (uint8_t i = 0; i < 3; i++) {
        links[i].v4 = (struct ikat_address){4, {127, 0, 0, (uint8_t)(i + 1)}, 0};
        door_open(i == 0 ? gateway : user, links[i].index, (uint8_t)(i + 1), 500);
        door_open(i == 0 ? gateway : user, links[i].index, (uint8_t)(i + 1), 4500);
    }
    if (ikat_configure(gateway, "gateway", gateway_text, error) != IKAT_OK ||
        ikat_configure(user, "user", user_text, error) != IKAT_OK)
        fail("configuration", error);
    ikat_links_set(gateway, links, 1, now());
    ikat_links_set(user, links + 1, 2, now());
    ikat_up(user, "home", NULL, now());
    while (session == 0 || ikat_session(user, session, &info) != IKAT_OK || info.child_sas < 2)
        turn(ends);
    /* 16 flows: an IPv6 header and 8 octets of UDP, from our inner address to fd20::9 */
    for (uint8_t flow = 1; flow <= 16; flow++) {
        uint8_t packet[48] = {0x60, 0, 0, 0, 0, 8, 17, 64, [24] = 0xfd, 0x20, [39] = 9};
        memcpy(packet + 8, info.addresses[0].octets, 16);
        packet[41] = flow; /* the source port */
        if (ikat_send(user, packet, sizeof(packet), now()) != IKAT_OK)
            fail("ikat_send", "there is no way");
    }
    while (n_packets < 16)
        turn(ends);
    struct ikat_path path;
    for (size_t i = 0; ikat_path(user, i, &path); i++)
        printf("%s carried %llu packets\n", path.name, (unsigned long long)path.packets_out);
    printf("%u login, %u IKE SAs, %u packets arrived\n", info.logins, info.ike_sas, n_packets);
    ikat_free(user);
    ikat_free(gateway);
    return info.logins == 1 && info.ike_sas == 2 ? 0 : 1;
}
