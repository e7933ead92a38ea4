"""The page that votes: one vote per browser, put on a queue in redis."""

import os
import uuid

from flask import Flask, abort, redirect, render_template, request, url_for
from redis import Redis

CHOICES = {"cats": "Cats", "dogs": "Dogs"}
QUEUE = "votes"
ONE_YEAR = 365 * 24 * 60 * 60

app = Flask(__name__)
queue = Redis(
    host=os.environ.get("REDIS_HOST", "redis"),
    socket_connect_timeout=5,
    socket_timeout=5,
)


@app.get("/")
def ballot():
    """Show both choices, with this browser's own one marked."""
    return render_template(
        "index.html",
        choices=CHOICES,
        chosen=request.cookies.get("choice"),
        result_port=os.environ.get("RESULT_PORT", "8081"),
    )


@app.post("/")
def cast():
    """Queue the vote; a later one of the same browser replaces it."""
    choice = request.form.get("vote")
    if choice not in CHOICES:
        abort(400, "vote must be one of: " + ", ".join(CHOICES))
    voter = voter_of_cookie()
    queue.rpush(QUEUE, f"{choice} {voter}")

    response = redirect(url_for("ballot"), code=303)
    for name, value in (("voter", voter), ("choice", choice)):
        response.set_cookie(
            name, value, max_age=ONE_YEAR, httponly=True, samesite="Lax"
        )
    return response


@app.get("/healthz")
def health():
    """Answer whether a vote could be taken now."""
    queue.ping()
    return "ok\n"


def voter_of_cookie():
    """The browser's own id, or a new one where it sent none that we made."""
    try:
        return uuid.UUID(request.cookies.get("voter", "")).hex
    except ValueError:
        return uuid.uuid4().hex
