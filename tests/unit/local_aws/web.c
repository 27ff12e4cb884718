/* The app of the container tests: answers with what it was sent, and shows how it was started. */
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void stop(int number) {
    (void)number;
    puts("stopping");
    fflush(stdout);
    _exit(0);
}

static const char *access_to(const char *path) {
    FILE *file = fopen(path, "w");
    return file ? "writable" : "read-only";
}

static void answer(int client, const char *status) {
    char request[65536], head[256];
    ssize_t size = read(client, request, sizeof request);
    if (size < 0) size = 0;
    int length = snprintf(head, sizeof head, "HTTP/1.1 %s\r\nContent-Length: %zd\r\nConnection: close\r\n\r\n", status, size);
    if (write(client, head, length) != length || write(client, request, size) != size) perror("write");
    close(client);
}

int main(int count, char **arguments) {
    const char *port = getenv("PORT"), *mode = getenv("MODE");
    if (mode && !strcmp(mode, "crash")) return 3;
    if (mode && !strcmp(mode, "once")) return 0;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port ? atoi(port) : 3000)};
    if (count > 1 && !strcmp(arguments[1], "check")) {
        char reply[64];
        int asking = socket(AF_INET, SOCK_STREAM, 0);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        if (connect(asking, (struct sockaddr *)&address, sizeof address)) return 1;
        return write(asking, "?", 1) == 1 && read(asking, reply, sizeof reply) > 0 ? 0 : 1;
    }
    signal(SIGTERM, stop);
    printf("user %d, process %d\n", getuid(), getpid());
    printf("root %s, scratch %s\n", access_to("/probe"), access_to("/scratch/probe"));
    fflush(stdout);
    int server = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(server, (struct sockaddr *)&address, sizeof address) || listen(server, 16)) return 1;
    for (;;) answer(accept(server, NULL, NULL), mode && !strcmp(mode, "sick") ? "500 Sick" : "200 OK");
}
