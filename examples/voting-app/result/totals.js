'use strict';
const { Client } = require('pg');

const COUNT = 'SELECT choice, count(*)::int AS votes FROM votes GROUP BY choice';
const NO_SUCH_TABLE = '42P01';
const RETRY_MS = 1000;

/**
 * Follows the votes in postgres and calls `changed` with
 * `{ cats, dogs, connected }` whenever these change. The worker's NOTIFY tells
 * when to count again, so nothing polls.
 */
function watchTotals(changed) {
  let totals = { cats: 0, dogs: 0, connected: false };

  function set(next) {
    if (JSON.stringify(next) === JSON.stringify(totals)) return;
    totals = next;
    changed(totals);
  }

  async function count(client) {
    const next = { cats: 0, dogs: 0, connected: true };
    try {
      for (const { choice, votes } of (await client.query(COUNT)).rows) next[choice] = votes;
    } catch (error) {
      // The worker makes the table, and may not have done so yet.
      if (error.code !== NO_SUCH_TABLE) throw error;
    }
    set(next);
  }

  async function follow() {
    // PGHOST, PGUSER, PGPASSWORD and PGDATABASE say where.
    const client = new Client({ keepAlive: true });
    try {
      await new Promise((resolve, reject) => {
        client.on('error', reject);
        client.on('end', () => reject(new Error('the database closed the connection')));
        client.on('notification', () => count(client).catch(reject));
        client
          .connect()
          .then(() => client.query('LISTEN votes'))
          .then(() => count(client))
          .then(() => console.log('following the votes'))
          .catch(reject);
      });
    } catch (error) {
      console.error(`postgres: ${error.message}`);
      set({ ...totals, connected: false });
    }
    await client.end().catch(() => {});
    setTimeout(follow, RETRY_MS);
  }

  follow();
  return { now: () => totals };
}

module.exports = { watchTotals };
