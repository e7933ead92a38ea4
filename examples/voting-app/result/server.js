'use strict';
// The page that counts: renders the totals, and streams every change of them
// to the open pages as server-sent events.

const fs = require('node:fs');
const http = require('node:http');
const path = require('node:path');
const { watchTotals } = require('./totals');
const { renderPage } = require('./page');

const PORT = Number(process.env.PORT ?? 3000);
const FILES = {
  '/style.css': 'text/css; charset=utf-8',
  '/live.js': 'text/javascript; charset=utf-8',
  '/icon.svg': 'image/svg+xml',
};

const listeners = new Set();
const totals = watchTotals((now) => {
  for (const response of listeners) send(response, now);
});

function send(response, now) {
  response.write(`data: ${JSON.stringify(now)}\n\n`);
}

function stream(request, response) {
  response.writeHead(200, {
    'content-type': 'text/event-stream',
    'cache-control': 'no-store',
  });
  send(response, totals.now());
  listeners.add(response);
  request.on('close', () => listeners.delete(response));
}

function answer(response, status, type, body) {
  response.writeHead(status, { 'content-type': type, 'cache-control': 'no-cache' });
  response.end(body);
}

const server = http.createServer((request, response) => {
  const { pathname } = new URL(request.url, 'http://result');
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    answer(response, 405, 'text/plain', 'Only GET is answered here.\n');
  } else if (pathname === '/') {
    const voteUrl = `//${hostname(request)}:${process.env.VOTE_PORT ?? 8080}/`;
    answer(response, 200, 'text/html; charset=utf-8', renderPage(totals.now(), voteUrl));
  } else if (pathname === '/events') {
    stream(request, response);
  } else if (pathname === '/totals') {
    answer(response, 200, 'application/json', JSON.stringify(totals.now()));
  } else if (pathname === '/healthz') {
    const { connected } = totals.now();
    answer(response, connected ? 200 : 503, 'text/plain', connected ? 'ok\n' : 'no database\n');
  } else if (pathname in FILES) {
    answer(response, 200, FILES[pathname], fs.readFileSync(path.join(__dirname, 'public', pathname)));
  } else {
    answer(response, 404, 'text/plain', 'There is no such page.\n');
  }
});

function hostname(request) {
  const host = request.headers.host ?? 'localhost';
  return /^[\w.-]+|^\[[\da-fA-F:.]+\]/.exec(host)?.[0] ?? 'localhost';
}

// A comment now and then keeps proxies from closing a quiet stream.
setInterval(() => {
  for (const response of listeners) response.write(': still here\n\n');
}, 30_000).unref();

server.listen(PORT, () => console.log(`result listens on port ${PORT}`));

// As process 1 of a container it has no default action for signals.
for (const signal of ['SIGTERM', 'SIGINT']) {
  process.on(signal, () => process.exit(0));
}
