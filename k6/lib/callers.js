// Who calls: users of their own, each with a package, signed in.
import { sleep } from 'k6';
import http from 'k6/http';
import { BASE, answered, get, must, send } from './api.js';

const PASSWORD = 'the pass phrase of a load test';
const PATIENCE = 60;

// Registers and subscribes so many users; what a script needs of them, for its `setup`. Films are the
// most popular ones of each user's package, at most `films`.
export function callers(count, films = 100) {
  catalogueIsReady();
  const run = Date.now().toString(36);
  const users = [];
  const shelves = {};
  let packages;
  for (let number = 0; number < count; number += 1) {
    const email = `k6-${run}-${number}@example.com`;
    const account = { email, password: PASSWORD, name: `Caller ${number}` };
    must(send('setup', 'POST', '/auth/register', '/auth/register', null, account), 201);
    const user = { email, token: logIn(email, 'setup') };
    packages = packages || must(get('setup', '/packages', '/packages', user.token, true), 200).data;
    user.shelf = packages[number % packages.length].id;
    const subscription = { packageId: user.shelf };
    must(send('setup', 'POST', '/subscriptions', '/subscriptions', user.token, subscription), 201);
    if (!shelves[user.shelf]) {
      const path = `/movies?sort=-popularity&pageSize=${Math.min(films, 100)}`;
      const page = must(get('setup', '/movies', path, user.token, true), 200);
      shelves[user.shelf] = page.data.map((movie) => movie.id);
    }
    users.push(user);
  }
  return { users, shelves };
}

// A new access token; null where it is refused, which is counted as a failed check.
export function logIn(email, kind) {
  const body = { email, password: PASSWORD };
  const response = send(kind, 'POST', '/auth/login', '/auth/login', null, body);
  return answered(response, 200) ? response.json('accessToken') : null;
}

function catalogueIsReady() {
  for (let second = 0; second < PATIENCE; second += 1) {
    const health = http.get(`${BASE}/health`, { tags: { kind: 'setup', name: '/health' } });
    if (health.status === 200 && health.json('catalogue.state') === 'ready') return;
    sleep(1);
  }
  throw new Error('the catalogue is not complete');
}
