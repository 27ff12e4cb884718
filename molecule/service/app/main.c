/* An app whose releases fail in the way that the variable MODE names; without it, it answers every request. */
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char *mode = "well";

static int is(const char *name) { return !strcmp(mode, name); }

static void stop(int number) { _exit(number == SIGTERM ? 0 : 1); }

static int crash(void) {
    const char *key = getenv("API_KEY");
    for (int line = 1; line <= 40; line++) printf("line %d\n", line);
    printf("cannot log in with %s\n", key ? key : "nothing");
    return 3;
}

static void eat(void) {
    for (;;) {
        char *block = malloc(1 << 24);
        if (block) memset(block, 1, 1 << 24);
    }
}

static void answer(int client, const char *status) {
    char request[4096], head[128];
    ssize_t size = read(client, request, sizeof request);
    int length = snprintf(head, sizeof head, "HTTP/1.1 %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", status);
    if (size >= 0 && write(client, head, length) != length) perror("write");
    close(client);
}

int main(void) {
    const char *port = getenv("PORT"), *wanted = getenv("MODE");
    if (wanted) mode = wanted;
    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGTERM, stop);
    if (is("crash")) return crash();
    if (is("hungry")) eat();
    int number = (port ? atoi(port) : 3000) + is("deaf"), server = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(number)};
    if (bind(server, (struct sockaddr *)&address, sizeof address) || listen(server, 16)) return 1;
    printf("listening on port %d\n", number);
    for (;;) answer(accept(server, NULL, NULL), is("sick") ? "500 Sick" : is("lost") ? "404 Lost" : "200 OK");
}
