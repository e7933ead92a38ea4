/*
 * The worker: takes votes from redis and records them in postgres.
 *
 * A vote is the text "<choice> <voter>". It moves from the list `votes` to
 * `votes:taken` in one step and leaves that only after postgres has committed
 * it, so a vote is recorded at least once whatever dies meanwhile. Recording
 * one twice does no harm: a voter has one row.
 */

#include <hiredis/hiredis.h>
#include <libpq-fe.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char SCHEMA[] =
    "CREATE TABLE IF NOT EXISTS votes ("
    "  voter text PRIMARY KEY,"
    "  choice text NOT NULL CHECK (choice IN ('cats', 'dogs')))";

static const char UPSERT[] =
    "INSERT INTO votes (voter, choice) VALUES ($1, $2)"
    " ON CONFLICT (voter) DO UPDATE SET choice = EXCLUDED.choice";

/* False when the connection is lost or the statement failed. */
static bool run(PGconn *db, const char *sql, int count, const char *const *values)
{
    PGresult *result = PQexecParams(db, sql, count, NULL, values, NULL, NULL, 0);
    ExecStatusType status = PQresultStatus(result);
    bool done = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
    if (!done)
        fprintf(stderr, "postgres: %s", PQerrorMessage(db));
    PQclear(result);
    return done;
}

/* False when the vote has to be tried again on a new connection. */
static bool record_vote(PGconn *db, const char *vote)
{
    const char *space = strchr(vote, ' ');
    if (space == NULL) {
        fprintf(stderr, "dropped a vote without a voter: %s\n", vote);
        return true;
    }
    char choice[16];
    snprintf(choice, sizeof choice, "%.*s", (int)(space - vote), vote);
    const char *voter = space + 1;

    const char *values[] = {voter, choice};
    if (!run(db, UPSERT, 2, values)) {
        /* With a sound connection the vote itself is at fault. */
        return PQstatus(db) == CONNECTION_OK;
    }
    printf("%s votes for %s\n", voter, choice);
    return run(db, "NOTIFY votes", 0, NULL);
}

static bool finish_vote(redisContext *queue, PGconn *db, const char *vote)
{
    if (!record_vote(db, vote))
        return false;
    redisReply *removed = redisCommand(queue, "LREM votes:taken 1 %s", vote);
    freeReplyObject(removed);
    return removed != NULL;
}

/* Runs until one of the two connections is lost. */
static void move_votes(redisContext *queue, PGconn *db)
{
    /* What an earlier run took and did not finish comes first. */
    const char *next = "LINDEX votes:taken 0";
    for (;;) {
        redisReply *reply = redisCommand(queue, next);
        if (reply == NULL || reply->type == REDIS_REPLY_ERROR) {
            fprintf(stderr, "redis: %s\n", reply ? reply->str : queue->errstr);
            freeReplyObject(reply);
            return;
        }
        bool going_on = true;
        if (reply->type == REDIS_REPLY_STRING)
            going_on = finish_vote(queue, db, reply->str);
        else
            next = "BLMOVE votes votes:taken LEFT RIGHT 0";
        freeReplyObject(reply);
        if (!going_on)
            return;
    }
}

static void connect_and_move(const char *redis_host)
{
    redisContext *queue = redisConnect(redis_host, 6379);
    /* libpq reads PGHOST, PGUSER, PGPASSWORD and PGDATABASE. */
    PGconn *db = PQconnectdb("connect_timeout=5 options='-c client_min_messages=warning'");

    if (queue == NULL || queue->err != 0) {
        fprintf(stderr, "redis: %s\n", queue ? queue->errstr : "out of memory");
    } else if (PQstatus(db) != CONNECTION_OK) {
        fprintf(stderr, "postgres: %s", PQerrorMessage(db));
    } else if (run(db, SCHEMA, 0, NULL)) {
        redisEnableKeepAlive(queue);
        puts("ready");
        move_votes(queue, db);
    }

    PQfinish(db);
    redisFree(queue);
}

static void leave(int signal)
{
    (void)signal;
    /* A vote half done is still in votes:taken. */
    _exit(0);
}

int main(void)
{
    /* As process 1 of a container it has no default action for signals. */
    signal(SIGTERM, leave);
    signal(SIGINT, leave);
    setvbuf(stdout, NULL, _IOLBF, 0);

    const char *redis_host = getenv("REDIS_HOST");
    for (;;) {
        connect_and_move(redis_host ? redis_host : "redis");
        sleep(1);
    }
}
