/* What a stranger's code does inside a compiler, where flags let it in: as a plugin it is loaded. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

int plugin_is_GPL_compatible;

int plugin_init(void *plugin, void *version) {
    (void)plugin, (void)version;
    return 0;
}

static void show(const char *path) {
    char text[4096];
    int file = open(path, O_RDONLY);
    ssize_t size = file < 0 ? 0 : read(file, text, sizeof text);
    for (ssize_t i = 0; i < size; i++)
        if (!text[i]) text[i] = '\n';
    if (size > 0 && write(2, text, (size_t)size) < 0) return;
}

static void create(const char *path) { close(open(path, O_CREAT | O_WRONLY, 0600)); }

static void visit(int port) {
    struct sockaddr_in there = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
    inet_pton(AF_INET, "127.0.0.1", &there.sin_addr);
    connect(socket(AF_INET, SOCK_STREAM, 0), (void *)&there, sizeof there);
}

static void execute(const char *path) {
    char *words[] = {"/bin/sh", "-c", NULL, NULL};
    char command[2048];
    snprintf(command, sizeof command, "touch %s", path);
    words[2] = command;
    if (fork() == 0) execv(words[0], words);
    wait(NULL);
}

/* It outlives whoever started it, if it can. */
static void linger(const char *path) {
    if (fork()) return;
    setsid();
    if (fork()) _exit(0);
    sleep(4);
    create(path);
    _exit(0);
}

__attribute__((constructor)) static void attack(void) {
#ifdef READS
    show(READS);
#elif defined WRITES
    create(WRITES);
#elif defined VISITS
    visit(VISITS);
#elif defined SIGNALS
    kill(SIGNALS, SIGUSR1);
#elif defined UNLOCKS
    chmod(UNLOCKS, 0777);
#elif defined EXECUTES
    execute(EXECUTES);
#elif defined LINGERS
    linger(LINGERS);
#endif
}
