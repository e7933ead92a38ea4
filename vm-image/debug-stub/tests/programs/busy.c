/* A program with four threads that are never idle, which forks now and then and counts what
   it has done: `busy [FILE]` writes the sum to FILE about ten times a second. */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static atomic_long sum;
static volatile sig_atomic_t signals;
volatile long watched;
volatile double halves[4] = {0.5, 1.5, 2.5, 3.5};

static void count(int signal)
{
    (void)signal;
    signals++;
}

__attribute__((noinline)) long step(long number, const char *name)
{
    long next = number + 1;
    if (name[0] == 'w')
        atomic_fetch_add(&sum, 1);
    return next;
}

/* Called by no thread that counts. */
__attribute__((noinline)) void never(void)
{
    watched = -1;
}

static void *work(void *name)
{
    long number = 0;
    for (;;) {
        number = step(number, name);
        if (number % 1000 == 0)
            watched = number;
    }
    return NULL;
}

static void *brief(void *name)
{
    return name;
}

int main(int count_of_arguments, char **arguments)
{
    signal(SIGUSR1, count);
    if (count_of_arguments > 2)
        never();
    char *names[] = {"worker-a", "worker-b", "worker-c"};
    pthread_t threads[3];
    for (int i = 0; i < 3; i++) {
        pthread_create(&threads[i], NULL, work, names[i]);
        pthread_setname_np(threads[i], names[i]);
    }
    for (int round = 0;; round++) {
        struct timespec pause = {0, 100 * 1000 * 1000};
        nanosleep(&pause, NULL);
        pthread_t thread;
        pthread_create(&thread, NULL, brief, NULL);
        pthread_join(thread, NULL);
        pid_t child = fork();
        if (child == 0)
            _exit(step(6, "child") == 7 ? 0 : 1);
        int status;
        waitpid(child, &status, 0);
        if (status != 0)
            abort();
        /* Not every container has a shell. */
        if (system(NULL) != 0 && system("exit 3") >> 8 != 3)
            abort();
        if (count_of_arguments > 1) {
            char name[4096];
            snprintf(name, sizeof name, "%s.new", arguments[1]);
            FILE *file = fopen(name, "w");
            fprintf(file, "%ld %d\n", (long)sum, (int)signals);
            fclose(file);
            rename(name, arguments[1]);
        }
    }
}
