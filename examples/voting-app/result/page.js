'use strict';
const { share, summary } = require('./public/live.js');

const CHOICES = { cats: 'Cats', dogs: 'Dogs' };

function bar(name, totals) {
  const percent = share(name, totals);
  return `
      <li class="${name}">
        <div class="row">
          <span class="label">${CHOICES[name]}</span>
          <span class="percent" data-percent="${name}">${percent}%</span>
        </div>
        <div class="track" aria-hidden="true"><div class="fill" data-bar="${name}" style="width: ${percent}%"></div></div>
        <p class="votes">Votes: <span data-votes="${name}">${totals[name]}</span></p>
      </li>`;
}

/** The whole page; it is complete without its script, which keeps it current. */
function renderPage(totals, voteUrl) {
  return `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="color-scheme" content="light dark">
    <title>Cats or dogs: the result</title>
    <link rel="icon" href="/icon.svg" type="image/svg+xml">
    <link rel="stylesheet" href="/style.css">
    <script src="/live.js" defer></script>
  </head>
  <body>
    <main>
      <header>
        <h1>The result</h1>
        <p class="live" data-live="${totals.connected}"><span class="dot"></span> <span data-state>${totals.connected ? 'Live' : 'Waiting for the database'}</span></p>
      </header>
      <ul>${Object.keys(CHOICES).map((name) => bar(name, totals)).join('')}
      </ul>
      <p class="summary" role="status" data-summary>${summary(totals)}</p>
      <p><a href="${voteUrl}">Vote</a></p>
    </main>
  </body>
</html>
`;
}

module.exports = { renderPage };
