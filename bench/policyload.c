/*
 * policyload.c - load generator for the Postfix SMTP access policy delegation protocol
 *
 * Build:   gcc -O2 -Wall -o bin/policyload policyload.c -lm
 *
 * What it does: opens N persistent connections to a policy server and keeps exactly ONE request
 * outstanding on each (as N smtpd(8) processes do), reads "action=...\n\n", sends the next.
 * Single thread, epoll, TCP_NODELAY. Requests carry the whole RCPT-stage attribute set in the order
 * that Postfix 3.7.11 sends (taken from a dump of a real smtpd).
 *
 * Usage:   policyload -a ADDR [options]
 *   -a ADDR     127.0.0.1:10023 | [::1]:10023 | unix:/path/to/socket   (loopback or unix only)
 *   -m MODE     new    every request is a triplet never seen before (ids B, B+1, ...)  -> defer
 *               known  ids 0..K-1 of the seed, uniformly at random (or in order with -O) -> pass once
 *                      they have been seen and the delay is over (prefill with -m known -O -n K)
 *               mix    zipf(-z) over the ids 0..K-1, and a fraction -f of brand-new ids (B, B+1, ...)
 *   -c N        connections (default 10)
 *   -n N        requests in all (default 100000); the run ends at -n or -t, whichever first
 *   -t SEC      time limit (default 30)
 *   -w N        warm-up requests not counted (default 0; same ids stream)
 *   -K N        size of the known set (default 10000)
 *   -O          known: in order, each id once per round, instead of random
 *   -z S        zipf exponent for mix (default 1.0)
 *   -f F        mix: fraction of brand-new triplets (default 0.2)
 *   -B N        first id for new triplets (default 1000000000; use another for each run on one DB)
 *   -C N        number of distinct client hosts (default 50000); each has an address, PTR name, HELO
 *   -D N        number of recipient mailboxes (default 2000)
 *   -s SEED     seed (default 1); a triplet is a pure function of (seed, id)
 *   -S STATE    protocol_state (default RCPT)
 *   -U N        N>0: requests are authenticated, sasl_username out of N users (default 0: none)
 *   -R N        close and reopen a connection after N requests on it (default 0: never)
 *   -l LABEL    label echoed in the output
 *   -j          one JSON object on stdout instead of text
 *   -p          print one sample request and exit
 *   -d          print the known set (ids 0..K-1) as TSV client_address, client_name, sender, recipient and exit
 *               (to prefill a product's database without sending requests)
 *
 * Output: req/s over the counted part, mean/p50/p90/p99/p99.9/max latency in microseconds, the number of each
 * action (first word of the reply, upper case; 4xx/5xx codes as such), connection errors.
 * Exit status 0, or 1 when nothing was answered.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { M_NEW, M_KNOWN, M_MIX };
static int mode = M_NEW, nconn = 10, ordered, json, reconn, sasl_users;
static uint64_t nreq = 100000, warm, K = 10000, base = 1000000000ull, nclients = 50000, nrcpt = 2000, seed = 1;
static double tlimit = 30, zs = 1.0, fnew = 0.2;
static const char *addr, *state = "RCPT", *label = "", *modename = "new";

static uint64_t sm(uint64_t x)
{
    x += 0x9e3779b97f4a7c15ull;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
    return x ^ (x >> 31);
}
static uint64_t rs;
static uint64_t rnd(void) { return sm(rs++); }
static double rndf(void) { return (rnd() >> 11) * (1.0 / 9007199254740992.0); }

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000ull + t.tv_nsec;
}

/* rejection-inversion zipf sampler (Hoermann & Derflinger), ranks 1..K */
static double z_hx0, z_hn, z_s;
static double H(double x) { return fabs(1 - zs) < 1e-9 ? log(x) : (pow(x, 1 - zs) - 1) / (1 - zs); }
static double Hinv(double x) { return fabs(1 - zs) < 1e-9 ? exp(x) : pow(1 + x * (1 - zs), 1 / (1 - zs)); }
static void zinit(void)
{
    z_hx0 = H(1.5) - 1;
    z_hn = H(K + 0.5);
    z_s = 2 - Hinv(H(2.5) - pow(2, -zs));
}
static uint64_t zipf(void)
{
    for (;;) {
        double u = z_hn + rndf() * (z_hx0 - z_hn), x = Hinv(u), k = floor(x + 0.5);
        if (k < 1) k = 1; else if (k > K) k = K;
        if (k - x <= z_s || u >= H(k + 0.5) - pow(k, -zs)) return (uint64_t)k - 1;
    }
}

static const char *tld[] = { "com", "net", "org", "de", "example", "ru", "co.uk", "fr", "info", "com.br" };
static char *letters(char *p, uint64_t v, int min)   /* base-20 consonant/vowel letters, no digits */
{
    static const char a[] = "bcdfghklmnprstvwaeiou";
    int i = 0;
    do { *p++ = a[v % 21]; v /= 21; i++; } while (v || i < min);
    return p;
}

/* writes the request for triplet id; n is the running number of the request (for instance= / port) */
static int build(char *b, uint64_t id, uint64_t n)
{
    uint64_t h = sm(seed * 0x1000003ull + id), cl = h % nclients, hc = sm(seed ^ (cl + 77)), d = (hc >> 7) % (nclients / 4 + 1);
    uint64_t hd = sm(seed * 31 + d);
    unsigned o1 = 11 + (hc % 200), o2 = (hc >> 8) & 255, o3 = (hc >> 16) & 255, o4 = 1 + ((hc >> 24) % 254);
    if (o1 == 127) o1 = 128;
    char dom[64], loc[64], *e;
    e = letters(dom, hd >> 20, 6); if (e - dom > 12) e = dom + 12;
    sprintf(e, ".%s", tld[hd % 10]);
    e = letters(loc, id * 21 + 1, 4); *e = 0;
    unsigned port = 1025 + (n * 7919) % 64000;
    char user[64] = "", meth[16] = "", sasl_sender[1] = "";
    if (sasl_users) { sprintf(user, "user%u@example.org", (unsigned)(h % sasl_users)); strcpy(meth, "PLAIN"); }
    return sprintf(b,
        "request=smtpd_access_policy\n"
        "protocol_state=%s\n"
        "protocol_name=ESMTP\n"
        "client_address=%u.%u.%u.%u\n"
        "client_name=mail%u.%s\n"
        "client_port=%u\n"
        "reverse_client_name=mail%u.%s\n"
        "server_address=192.0.2.25\n"
        "server_port=25\n"
        "helo_name=mail%u.%s\n"
        "sender=%s@%s\n"
        "recipient=user%u@example.org\n"
        "recipient_count=0\n"
        "queue_id=\n"
        "instance=%x.%08x.%x.0\n"
        "size=%u\n"
        "etrn_domain=\n"
        "stress=\n"
        "sasl_method=%s\n"
        "sasl_username=%s\n"
        "sasl_sender=%s\n"
        "ccert_subject=\n"
        "ccert_issuer=\n"
        "ccert_fingerprint=\n"
        "ccert_pubkey_fingerprint=\n"
        "encryption_protocol=TLSv1.3\n"
        "encryption_cipher=TLS_AES_256_GCM_SHA384\n"
        "encryption_keysize=256\n"
        "policy_context=\n"
        "\n",
        state, o1, o2, o3, o4, (unsigned)(hc % 9), dom, port, (unsigned)(hc % 9), dom,
        (unsigned)(hc % 9), dom, loc, dom, (unsigned)((h >> 33) % nrcpt),
        (unsigned)getpid(), (unsigned)time(NULL), (unsigned)n, /* of one mail: never again, as with smtpd(8) */
        (unsigned)(2000 + (h >> 40) % 60000), meth, user, sasl_sender);
}

struct conn { int fd, got; uint64_t t0, cnt; unsigned wlen, woff; char in[2048]; char out[2048]; };

static int dial(void)
{
    int fd;
    if (!strncmp(addr, "unix:", 5)) {
        struct sockaddr_un u = { .sun_family = AF_UNIX };
        strncpy(u.sun_path, addr + 5, sizeof u.sun_path - 1);
        fd = socket(AF_UNIX, SOCK_STREAM, 0);
        for (int i = 0; connect(fd, (void *)&u, sizeof u); i++) {
            if (errno != EAGAIN || i > 2000) { close(fd); return -1; }
            usleep(1000);
        }
    } else {
        char h[64]; const char *c = strrchr(addr, ':');
        if (!c) { fprintf(stderr, "bad address\n"); exit(2); }
        snprintf(h, sizeof h, "%.*s", (int)(c - addr), addr);
        int one = 1;
        if (h[0] == '[') {
            struct sockaddr_in6 s = { .sin6_family = AF_INET6, .sin6_port = htons(atoi(c + 1)) };
            h[strlen(h) - 1] = 0;
            if (strcmp(h + 1, "::1")) { fprintf(stderr, "loopback only\n"); exit(2); }
            inet_pton(AF_INET6, h + 1, &s.sin6_addr);
            fd = socket(AF_INET6, SOCK_STREAM, 0);
            if (connect(fd, (void *)&s, sizeof s)) { close(fd); return -1; }
        } else {
            struct sockaddr_in s = { .sin_family = AF_INET, .sin_port = htons(atoi(c + 1)) };
            if (strncmp(h, "127.", 4)) { fprintf(stderr, "loopback only\n"); exit(2); }
            inet_pton(AF_INET, h, &s.sin_addr);
            fd = socket(AF_INET, SOCK_STREAM, 0);
            if (connect(fd, (void *)&s, sizeof s)) { close(fd); return -1; }
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    }
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

static struct { char name[32]; uint64_t n; } act[64];
static int nact;
static void count(const char *s, int len)
{
    char w[32]; int i = 0;
    if (len > 7 && !memcmp(s, "action=", 7)) { s += 7; len -= 7; } else { s = "MALFORMED"; len = 9; }
    while (i < len && i < 31 && !isspace((unsigned char)s[i])) { w[i] = toupper((unsigned char)s[i]); i++; }
    w[i] = 0;
    for (i = 0; i < nact; i++) if (!strcmp(act[i].name, w)) { act[i].n++; return; }
    if (nact < 64) { strcpy(act[nact].name, w); act[nact++].n = 1; }
}

static uint64_t sent, newid, seqid;
static uint64_t next_id(void)
{
    switch (mode) {
    case M_NEW: return newid++;
    case M_KNOWN: return ordered ? seqid++ % K : rnd() % K;
    default: return rndf() < fnew ? newid++ : zipf();
    }
}

static int ep;
static int send_next(struct conn *c)
{
    c->wlen = build(c->out, next_id(), sent++);
    c->woff = 0; c->got = 0;
    c->t0 = now_ns();
    ssize_t r = write(c->fd, c->out, c->wlen);
    if (r < 0) { if (errno != EAGAIN) return -1; r = 0; }
    c->woff = r;
    if (c->woff < c->wlen) {
        struct epoll_event e = { .events = EPOLLIN | EPOLLOUT, .data.ptr = c };
        epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &e);
    }
    return 0;
}

static int cmp(const void *a, const void *b)
{
    uint32_t x = *(uint32_t *)a, y = *(uint32_t *)b;
    return x < y ? -1 : x > y;
}

int main(int ac, char **av)
{
    int o, sample = 0;
    while ((o = getopt(ac, av, "a:m:c:n:t:w:K:Oz:f:B:C:D:s:S:U:R:l:jpd")) != -1)
        switch (o) {
        case 'a': addr = optarg; break;
        case 'm': modename = optarg; mode = !strcmp(optarg, "new") ? M_NEW : !strcmp(optarg, "known") ? M_KNOWN : !strcmp(optarg, "mix") ? M_MIX : -1;
                  if (mode < 0) { fprintf(stderr, "mode: new|known|mix\n"); return 2; } break;
        case 'c': nconn = atoi(optarg); break;
        case 'n': nreq = strtoull(optarg, 0, 10); break;
        case 't': tlimit = atof(optarg); break;
        case 'w': warm = strtoull(optarg, 0, 10); break;
        case 'K': K = strtoull(optarg, 0, 10); break;
        case 'O': ordered = 1; break;
        case 'z': zs = atof(optarg); break;
        case 'f': fnew = atof(optarg); break;
        case 'B': base = strtoull(optarg, 0, 10); break;
        case 'C': nclients = strtoull(optarg, 0, 10); break;
        case 'D': nrcpt = strtoull(optarg, 0, 10); break;
        case 's': seed = strtoull(optarg, 0, 10); break;
        case 'S': state = optarg; break;
        case 'U': sasl_users = atoi(optarg); break;
        case 'R': reconn = atoi(optarg); break;
        case 'l': label = optarg; break;
        case 'j': json = 1; break;
        case 'p': sample = 1; break;
        case 'd': sample = 2; break;
        default: fprintf(stderr, "see the head of policyload.c for the usage\n"); return 2;
        }
    newid = base; rs = sm(seed * 7919 + 13) + base; zinit();
    if (sample == 2) {
        for (uint64_t i = 0; i < K; i++) {
            static const char *f[] = { "\nclient_address=", "\nclient_name=", "\nsender=", "\nrecipient=" };
            char b[2048];
            build(b, i, 1);
            for (int j = 0; j < 4; j++) {
                char *p = strstr(b, f[j]) + strlen(f[j]);
                printf("%.*s%c", (int)strcspn(p, "\n"), p, j == 3 ? '\n' : '\t');
            }
        }
        return 0;
    }
    if (sample) { char b[2048]; int n = build(b, mode == M_NEW ? base : 0, 1); fwrite(b, 1, n, stdout); fprintf(stderr, "%d bytes\n", n); return 0; }
    if (!addr) { fprintf(stderr, "need -a ADDR\n"); return 2; }
    signal(SIGPIPE, SIG_IGN);

    uint64_t total = nreq + warm, done = 0, errs = 0;
    uint32_t *lat = malloc(sizeof *lat * (nreq ? nreq : 1));
    uint64_t nlat = 0;
    double sum = 0;
    struct conn *cs = calloc(nconn, sizeof *cs);
    ep = epoll_create1(0);
    for (int i = 0; i < nconn; i++) {
        cs[i].fd = dial();
        if (cs[i].fd < 0) { perror("connect"); return 1; }
        struct epoll_event e = { .events = EPOLLIN, .data.ptr = &cs[i] };
        epoll_ctl(ep, EPOLL_CTL_ADD, cs[i].fd, &e);
    }
    uint64_t tb = now_ns(), t0 = warm ? 0 : tb, tend = tb, deadline = tb + (uint64_t)(tlimit * 1e9);
    for (int i = 0; i < nconn && sent < total; i++) if (send_next(&cs[i])) { perror("write"); return 1; }
    struct epoll_event ev[256];
    int stop = 0, live = nconn;
    while (done < total && !stop && live > 0) {
        int k = epoll_wait(ep, ev, 256, 200);
        uint64_t t = now_ns();
        if (t > deadline) break;
        for (int i = 0; i < k; i++) {
            struct conn *c = ev[i].data.ptr;
            int bad = 0;
            if ((ev[i].events & EPOLLOUT) && c->woff < c->wlen) {
                ssize_t r = write(c->fd, c->out + c->woff, c->wlen - c->woff);
                if (r > 0) c->woff += r;
                if (c->woff == c->wlen) { struct epoll_event e = { .events = EPOLLIN, .data.ptr = c }; epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &e); }
            }
            if (ev[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
                ssize_t r = read(c->fd, c->in + c->got, sizeof c->in - c->got - 1);
                if (r > 0) {
                    c->got += r; c->in[c->got] = 0;
                    char *q = strstr(c->in, "\n\n");
                    if (q) {
                        t = now_ns();
                        done++; c->cnt++;
                        if (done > warm) {
                            uint64_t l = t - c->t0;
                            if (nlat < nreq) lat[nlat++] = l > 4294967295ull ? 4294967295u : (uint32_t)l;
                            sum += l;
                            count(c->in, q - c->in);
                            tend = t;
                        } else if (done == warm) t0 = t;
                        if (sent < total) {
                            if (reconn && c->cnt % reconn == 0) {
                                close(c->fd);
                                if ((c->fd = dial()) < 0) { errs++; live--; continue; }
                                struct epoll_event e = { .events = EPOLLIN, .data.ptr = c };
                                epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &e);
                            }
                            if (send_next(c)) bad = 1;
                        }
                    } else if (c->got >= (int)sizeof c->in - 1) bad = 1;
                } else if (r == 0 || errno != EAGAIN) bad = 1;
            }
            if (bad) {       /* the request is lost; count it and go on with a new connection */
                errs++; close(c->fd);
                if (errs > 1000 || (c->fd = dial()) < 0) { live--; continue; }
                struct epoll_event e = { .events = EPOLLIN, .data.ptr = c };
                epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &e);
                if (send_next(c)) { live--; }
            }
        }
    }
    double secs = nlat ? (tend - t0) / 1e9 : 0;
    qsort(lat, nlat, sizeof *lat, cmp);
#define P(p) (nlat ? lat[(uint64_t)((nlat - 1) * (p))] / 1e3 : 0)
    double rps = secs > 0 ? nlat / secs : 0;
    if (json) {
        printf("{\"label\":\"%s\",\"mode\":\"%s\",\"conns\":%d,\"n\":%llu,\"secs\":%.4f,\"rps\":%.1f,\"mean_us\":%.1f,\"p50_us\":%.1f,\"p90_us\":%.1f,\"p99_us\":%.1f,\"p999_us\":%.1f,\"max_us\":%.1f,\"errors\":%llu,\"actions\":{",
            label, modename, nconn, (unsigned long long)nlat, secs, rps, nlat ? sum / nlat / 1e3 : 0, P(.5), P(.9), P(.99), P(.999), P(1.0), (unsigned long long)errs);
        for (int i = 0; i < nact; i++) printf("%s\"%s\":%llu", i ? "," : "", act[i].name, (unsigned long long)act[i].n);
        printf("}}\n");
    } else {
        printf("%s%s%s c=%d n=%llu %.3fs  %.0f req/s  us: mean %.0f p50 %.0f p90 %.0f p99 %.0f p99.9 %.0f max %.0f  errors %llu ",
            label, *label ? " " : "", modename, nconn, (unsigned long long)nlat, secs, rps, nlat ? sum / nlat / 1e3 : 0, P(.5), P(.9), P(.99), P(.999), P(1.0), (unsigned long long)errs);
        for (int i = 0; i < nact; i++) printf(" %s=%llu", act[i].name, (unsigned long long)act[i].n);
        printf("\n");
    }
    return nlat ? 0 : 1;
}
