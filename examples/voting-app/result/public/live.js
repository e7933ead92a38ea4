'use strict';
// Runs in the browser, where it keeps the page current, and in the server,
// which renders the same words and numbers with these two functions.

/** Whole percent of all votes; none where nobody has voted. */
function share(name, { cats, dogs }) {
  if (cats + dogs === 0) return 0;
  const percent = Math.round((100 * cats) / (cats + dogs));
  return name === 'cats' ? percent : 100 - percent;
}

function summary({ cats, dogs }) {
  const total = cats + dogs;
  if (total === 0) return 'Nobody has voted yet.';
  const count = total === 1 ? '1 vote' : `${total} votes`;
  if (cats === dogs) return `${count}: a draw.`;
  return `${count}: ${cats > dogs ? 'cats' : 'dogs'} lead.`;
}

function show(totals) {
  const one = (attribute) => document.querySelector(`[${attribute}]`);
  for (const name of ['cats', 'dogs']) {
    const percent = share(name, totals);
    one(`data-percent="${name}"`).textContent = `${percent}%`;
    one(`data-bar="${name}"`).style.width = `${percent}%`;
    one(`data-votes="${name}"`).textContent = totals[name];
  }
  one('data-summary').textContent = summary(totals);
  state(totals.connected, 'Waiting for the database');
}

function state(live, otherwise) {
  document.querySelector('[data-live]').dataset.live = live;
  document.querySelector('[data-state]').textContent = live ? 'Live' : otherwise;
}

if (typeof document === 'undefined') {
  module.exports = { share, summary };
} else {
  const events = new EventSource('/events');
  events.onmessage = (event) => show(JSON.parse(event.data));
  // The browser tries again by itself.
  events.onerror = () => state(false, 'Connecting');
}
