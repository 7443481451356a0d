/* Talking to others: `number` is a port on the loopback, `path` a socket's name. */
#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/vm_sockets.h>
#include <mqueue.h>
#include <net/ethernet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <resolv.h>
#include <stddef.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "attack.h"

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

static struct sockaddr_in loopback(void) {
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)number),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static int connects(int protocol) {
    struct sockaddr_in there = loopback();
    int made = socket(AF_INET, SOCK_STREAM, protocol);
    return did(made) && did(connect(made, (void *)&there, sizeof there));
}

ATTACK(connects_tcp) { return connects(0); }

ATTACK(connects_mptcp) { return connects(IPPROTO_MPTCP); }

ATTACK(connects_tcp6) {
    struct sockaddr_in6 there = {
        .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)number), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int made = socket(AF_INET6, SOCK_STREAM, 0);
    return did(made) && did(connect(made, (void *)&there, sizeof there));
}

ATTACK(connects_by_sending) {
    struct sockaddr_in there = loopback();
    int made = socket(AF_INET, SOCK_STREAM, 0);
    return did(made) && did(sendto(made, "x", 1, MSG_FASTOPEN, (void *)&there, sizeof there));
}

ATTACK(listens_tcp) {
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int made = socket(AF_INET, SOCK_STREAM, 0);
    return did(made) && did(bind(made, (void *)&here, sizeof here)) && did(listen(made, 1));
}

ATTACK(sends_udp) {
    struct sockaddr_in there = loopback();
    int made = socket(AF_INET, SOCK_DGRAM, 0);
    return did(made) && did(sendto(made, "hostile", 7, 0, (void *)&there, sizeof there));
}

/* `path` beginning with @ is an abstract name */
static int reaches_unix(int type) {
    struct sockaddr_un there = {.sun_family = AF_UNIX};
    size_t length = strlen(path);
    if (length >= sizeof there.sun_path) return 0;
    memcpy(there.sun_path, path, length);
    if (*path == '@') there.sun_path[0] = 0;
    int made = socket(AF_UNIX, type, 0);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
    return did(made) && did(connect(made, (void *)&there, size)) &&
           did(send(made, "hostile", 7, MSG_NOSIGNAL));
}

ATTACK(connects_unix) { return reaches_unix(SOCK_STREAM); }

ATTACK(sends_unix) { return reaches_unix(SOCK_DGRAM); }

ATTACK(listens_abstract) {
    struct sockaddr_un here = {.sun_family = AF_UNIX};
    int made = socket(AF_UNIX, SOCK_STREAM, 0);
    return did(made) && did(bind(made, (void *)&here, sizeof(sa_family_t))) && did(listen(made, 1));
}

ATTACK(asks_netlink) {
    struct {
        struct nlmsghdr head;
        struct rtgenmsg body;
    } ask = {{.nlmsg_len = sizeof ask, .nlmsg_type = RTM_GETLINK,
              .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
             {AF_UNSPEC}};
    char answer[8192];
    int made = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
    return did(made) && did(send(made, &ask, sizeof ask, 0)) &&
           did(recv(made, answer, sizeof answer, 0) - 1);
}

ATTACK(opens_raw) { return did(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP)); }

ATTACK(opens_packet) { return did(socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL))); }

ATTACK(opens_vsock) { return did(socket(AF_VSOCK, SOCK_STREAM, 0)); }

ATTACK(opens_crypto) { return did(socket(AF_ALG, SOCK_SEQPACKET, 0)); }

ATTACK(resolves_localhost) {
    struct addrinfo *found = NULL;
    int failed = getaddrinfo("localhost", NULL, NULL, &found);
    code = failed;
    return !failed && found;
}

/* a question to our own server of names on the loopback, which only listens */
ATTACK(asks_dns) {
    struct __res_state state = {0};
    unsigned char answer[512];
    if (res_ninit(&state)) return 0;
    state.nsaddr_list[0] = loopback();
    state.nscount = 1, state.retrans = 1, state.retry = 1;
    state.options &= ~(RES_DEFNAMES | RES_DNSRCH);
    res_nquery(&state, "hostile.example", ns_c_in, ns_t_a, answer, sizeof answer);
    return 0; /* seen from outside */
}

ATTACK(opens_io_uring) {
    char parameters[120] = {0};
    return did(syscall(SYS_io_uring_setup, 4, parameters));
}

ATTACK(opens_message_queue) {
    char name[64];
    snprintf(name, sizeof name, "/hostile-%d", getpid());
    mqd_t made = mq_open(name, O_CREAT | O_RDWR, 0600, NULL);
    if (made >= 0) mq_unlink(name);
    return did(made);
}

ATTACK(watches_folder) {
    int made = inotify_init1(IN_NONBLOCK);
    return did(made) && did(inotify_add_watch(made, path, IN_ALL_EVENTS));
}

#ifdef __x86_64__
/* socketcall(2) of 32-bit programs */
ATTACK(opens_socket_by_32_bit_call) {
    enum { SOCKET = 359 };
    long made;
    __asm__ volatile("int $0x80"
                     : "=a"(made)
                     : "a"((long)SOCKET), "b"((long)AF_INET), "c"((long)SOCK_STREAM), "d"(0L)
                     : "memory", "r8", "r9", "r10", "r11");
    if (made < 0) errno = (int)-made, made = -1;
    return did(made);
}
#else
ATTACK(opens_socket_by_32_bit_call) { return 0; }
#endif
