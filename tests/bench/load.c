/* SPDX-License-Identifier: Apache-2.0 */
/* Load for a gateway or the bare sink: WebSocket frames of one 148-byte GPS
 * packet each at a fixed rate over many connections, `frames` to a segment.
 *
 *   load PORT CONNECTIONS PACKETS_PER_S SECONDS FRAMES [acks]
 *
 * With "acks" it speaks motorcade.v1, reads the acks and waits until all is
 * acked. Prints packets sent, seconds, packets/s and the CPU ns a packet cost
 * here. Small on purpose: the peer under test shares the cores with it. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { PACKET_LEN = 148, HEADER_LEN = 8, FRAME_LEN = HEADER_LEN + PACKET_LEN, FRAMES_MAX = 64 };

/* 126 as length code, 148 in two bytes, the mask. */
static const unsigned char header[HEADER_LEN] = {0x81, 0x80 | 126, 0,    PACKET_LEN,
                                                 0x37, 0xfa,       0x21, 0x3d};

struct peer {
    int fd;
    uint64_t sent;
    uint64_t acked;
    unsigned unfinished; /* bytes of its last segment not taken by the kernel */
    char segment[FRAMES_MAX * FRAME_LEN];
    unsigned segment_len;
    char tail[64]; /* of the last read: an ack cut in two */
    unsigned tail_len;
};

static struct peer *peers;
static unsigned peer_count;
static unsigned frames;
static bool wants_acks;
static uint32_t epoch;

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void build_frame(char *out, unsigned vehicle, uint64_t seq)
{
    char packet[PACKET_LEN + 1];
    int len =
        snprintf(packet, sizeof packet,
                 "{\"obuid\":%u,\"epoch\":%u,\"seq\":%llu,\"lat\":%.6f,\"lon\":%.6f,"
                 "\"speed\":%.2f,\"heading\":%.1f,\"fuel\":%u,\"ignition\":true",
                 8000000 + vehicle, epoch, (unsigned long long)seq,
                 37.0 + (double)(seq % 100000) / 1e5, -122.0 - (double)vehicle / 1e6,
                 (double)(seq % 3000) / 100, (double)(seq % 3600) / 10, (unsigned)(seq % 100));
    /* Pad with one string signal to the length that all figures speak of. */
    static const char pad[] = ",\"note\":\"";
    memcpy(packet + len, pad, sizeof pad - 1);
    len += (int)sizeof pad - 1;
    memset(packet + len, 'x', (size_t)(PACKET_LEN - 2 - len));
    packet[PACKET_LEN - 2] = '"';
    packet[PACKET_LEN - 1] = '}';
    memcpy(out, header, HEADER_LEN);
    for (int i = 0; i < PACKET_LEN; i++)
        out[HEADER_LEN + i] = (char)(packet[i] ^ (char)header[4 + (i & 3)]);
}

static void handshake(struct peer *peer, unsigned short port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    peer->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (peer->fd < 0 || connect(peer->fd, (struct sockaddr *)&to, sizeof to) != 0)
        die("connect");
    int one = 1;
    setsockopt(peer->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    char text[512];
    int len = snprintf(text, sizeof text,
                       "GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
                       "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n%s"
                       "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                       wants_acks ? "Sec-WebSocket-Protocol: motorcade.v1\r\n" : "");
    if (write(peer->fd, text, (size_t)len) != len)
        die("handshake");
    ssize_t got = read(peer->fd, text, sizeof text - 1);
    if (got < 12 || memcmp(text, "HTTP/1.1 101", 12) != 0) {
        fprintf(stderr, "no 101 from the server\n");
        exit(1);
    }
    fcntl(peer->fd, F_SETFL, O_NONBLOCK);
}

/* The newest {"ack":n} among what came. */
static void read_acks(struct peer *peer)
{
    char text[65536 + sizeof peer->tail];
    memcpy(text, peer->tail, peer->tail_len);
    ssize_t got = read(peer->fd, text + peer->tail_len, 65536);
    if (got <= 0)
        return;
    size_t len = peer->tail_len + (size_t)got;
    for (size_t i = len; i-- > 6;) {
        if (text[i] != '}')
            continue;
        size_t start = i;
        while (start > 0 && text[start - 1] >= '0' && text[start - 1] <= '9')
            start--;
        if (start < i && start > 0 && text[start - 1] == ':') {
            peer->acked = strtoull(text + start, NULL, 10);
            break;
        }
    }
    peer->tail_len = len < sizeof peer->tail ? (unsigned)len : (unsigned)sizeof peer->tail;
    memmove(peer->tail, text + len - peer->tail_len, peer->tail_len);
}

/* One segment; false when the socket is full (the rest goes out first next time). */
static bool send_segment(struct peer *peer, unsigned vehicle)
{
    if (peer->unfinished == 0) {
        for (unsigned f = 0; f < frames; f++)
            build_frame(peer->segment + f * FRAME_LEN, vehicle, peer->sent + f + 1);
        peer->segment_len = frames * FRAME_LEN;
        peer->unfinished = peer->segment_len;
    }
    ssize_t put = send(peer->fd, peer->segment + peer->segment_len - peer->unfinished,
                       peer->unfinished, MSG_NOSIGNAL);
    if (put < 0 && errno != EAGAIN)
        die("send");
    if (put > 0)
        peer->unfinished -= (unsigned)put;
    if (peer->unfinished > 0)
        return false;
    peer->sent += frames;
    return true;
}

static uint64_t run(double per_s, double seconds)
{
    uint64_t total = 0;
    unsigned next = 0;
    double start = now_s();
    for (double now = start; now - start < seconds; now = now_s()) {
        uint64_t due = (uint64_t)((now - start) * per_s);
        if (total >= due) {
            nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
            continue;
        }
        for (unsigned burst = 0; burst < 256 && total < due; burst++) {
            struct peer *peer = &peers[next];
            if (send_segment(peer, next))
                total += frames;
            if (wants_acks && (peer->sent & 15) == 0)
                read_acks(peer);
            next = (next + 1) % peer_count;
        }
    }
    return total;
}

static bool is_all_acked(void)
{
    bool is_all = true;
    for (unsigned i = 0; i < peer_count; i++) {
        if (peers[i].acked < peers[i].sent)
            read_acks(&peers[i]);
        is_all = is_all && peers[i].acked >= peers[i].sent;
    }
    return is_all;
}

int main(int argc, char **argv)
{
    if (argc < 6) {
        fprintf(stderr, "usage: load PORT CONNECTIONS PACKETS_PER_S SECONDS FRAMES [acks]\n");
        return 2;
    }
    peer_count = (unsigned)atoi(argv[2]);
    frames = (unsigned)atoi(argv[5]);
    wants_acks = argc > 6;
    epoch = (uint32_t)time(NULL);
    if (peer_count == 0 || frames == 0 || frames > FRAMES_MAX)
        return 2;
    struct rlimit files = {peer_count + 64, peer_count + 64};
    setrlimit(RLIMIT_NOFILE, &files);
    peers = calloc(peer_count, sizeof *peers);
    if (peers == NULL)
        die("calloc");
    for (unsigned i = 0; i < peer_count; i++)
        handshake(&peers[i], (unsigned short)atoi(argv[1]));
    double start = now_s();
    uint64_t total = run(atof(argv[3]), atof(argv[4]));
    double seconds = now_s() - start;
    while (wants_acks && now_s() - start < seconds + 30 && !is_all_acked())
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    double cpu_s = (double)used.ru_utime.tv_sec + (double)used.ru_utime.tv_usec / 1e6 +
                   (double)used.ru_stime.tv_sec + (double)used.ru_stime.tv_usec / 1e6;
    printf("sent %llu in %.2f s, %.0f/s, %.0f ns CPU each here%s\n", (unsigned long long)total,
           seconds, (double)total / seconds, cpu_s / (double)total * 1e9,
           !wants_acks      ? ""
           : is_all_acked() ? ", all acked"
                            : ", NOT ALL ACKED");
    return wants_acks && !is_all_acked() ? 1 : 0;
}
