/* A volume plugin of the engine: a volume is a folder below /volumes.
 *
 * It speaks the volume driver protocol on /run/docker/plugins/folders.sock: each request is a POST
 * with a JSON object, of which only "Name" matters here. One connection is served at a time
 * and closed after its answer, which the engine allows. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define SOCKET "/run/docker/plugins/folders.sock"
#define ROOT "/volumes/"
#define LONGEST 16384

static int is_name(const char *name) {
    return *name && *name != '.' && strlen(name) < 128 && !strpbrk(name, "/\"\\");
}

/* Reads a whole request into text; its body, or NULL. */
static char *request(int client, char *text) {
    size_t length = 0;
    for (;;) {
        ssize_t count = read(client, text + length, LONGEST - 1 - length);
        if (count <= 0)
            return NULL;
        length += (size_t)count;
        text[length] = 0;
        char *body = strstr(text, "\r\n\r\n");
        if (!body)
            continue;
        body += 4;
        char *field = strcasestr(text, "\r\ncontent-length:");
        size_t wanted = field && field < body ? strtoul(field + 17, NULL, 10) : 0;
        if ((size_t)(text + length - body) >= wanted)
            return body;
    }
}

static void answer(int client, const char *format, ...) {
    char body[LONGEST], head[256];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(body, sizeof body, format, arguments);
    va_end(arguments);
    if (length < 0 || (size_t)length >= sizeof body)
        return;
    int head_length = snprintf(head, sizeof head,
                               "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                               "Connection: close\r\nContent-Length: %d\r\n\r\n",
                               length);
    if (write(client, head, (size_t)head_length) < 0 || write(client, body, (size_t)length) < 0)
        perror("an answer was not taken");
}

static void list(int client) {
    char names[LONGEST - 64] = "";
    DIR *folder = opendir(ROOT);
    struct dirent *entry;
    while (folder && (entry = readdir(folder))) {
        if (!is_name(entry->d_name))
            continue;
        size_t length = strlen(names);
        snprintf(names + length, sizeof names - length, "%s{\"Name\":\"%s\",\"Mountpoint\":\"" ROOT "%s\"}",
                 length ? "," : "", entry->d_name, entry->d_name);
    }
    if (folder)
        closedir(folder);
    answer(client, "{\"Volumes\":[%s]}", names);
}

static void serve(int client) {
    char text[LONGEST], name[128] = "", path[256];
    char *body = request(client, text);
    if (!body)
        return;
    char *found = strstr(body, "\"Name\":\"");
    if (found)
        sscanf(found, "\"Name\":\"%127[^\"]", name);
    snprintf(path, sizeof path, ROOT "%s", name);
    struct stat status;
    int exists = is_name(name) && stat(path, &status) == 0;

    if (!strncmp(text, "POST /Plugin.Activate ", 22))
        answer(client, "{\"Implements\":[\"VolumeDriver\"]}");
    else if (strncmp(text, "POST /VolumeDriver.", 19))
        answer(client, "{\"Err\":\"unknown request\"}");
    else if (!strncmp(text + 19, "Capabilities ", 13))
        answer(client, "{\"Capabilities\":{\"Scope\":\"local\"}}");
    else if (!strncmp(text + 19, "List ", 5))
        list(client);
    else if (!strncmp(text + 19, "Create ", 7)) {
        if (is_name(name) && (mkdir(path, 0755) == 0 || errno == EEXIST))
            answer(client, "{}");
        else
            answer(client, "{\"Err\":\"the volume cannot be made\"}");
    } else if (!exists)
        answer(client, "{\"Err\":\"no such volume\"}");
    else if (!strncmp(text + 19, "Get ", 4))
        answer(client, "{\"Volume\":{\"Name\":\"%s\",\"Mountpoint\":\"%s\"}}", name, path);
    else if (!strncmp(text + 19, "Remove ", 7))
        answer(client, rmdir(path) ? "{\"Err\":\"the volume is not empty\"}" : "{}");
    else
        /* Mount, Unmount, Path */
        answer(client, "{\"Mountpoint\":\"%s\"}", path);
}

int main(void) {
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = SOCKET};
    signal(SIGPIPE, SIG_IGN);
    unlink(SOCKET);
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 16)) {
        perror(SOCKET);
        return 1;
    }
    for (;;) {
        int client = accept(listener, NULL, NULL);
        if (client < 0)
            continue;
        serve(client);
        close(client);
    }
}
