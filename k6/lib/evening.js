// The mix of an evening: 70 % lists and details, 15 % marks, 10 % reports, 5 % logins.
import exec from 'k6/execution';
import { answered, get, send } from './api.js';
import { logIn } from './callers.js';

const SORTS = ['-popularity', '-rating', 'title', '-releaseDate'];
const WORDS = ['star', 'love', 'the man', 'night', 'world', 'dead'];

const any = (list) => list[Math.floor(Math.random() * list.length)];
const upTo = (number) => 1 + Math.floor(Math.random() * number);

function list(user) {
  const path = `/movies?sort=${any(SORTS)}&pageNumber=${upTo(5)}`;
  answered(get('list', '/movies', path, user.token), 200);
}

function popular(user) {
  answered(get('list', '/movies/popular', `/movies/popular?pageNumber=${upTo(3)}`, user.token), 200);
}

function trending(user) {
  answered(get('list', '/movies/trending', '/movies/trending', user.token), 200);
}

function search(user) {
  const path = `/movies/search?query=${encodeURIComponent(any(WORDS))}`;
  answered(get('list', '/movies/search', path, user.token), 200);
}

function browse(user) {
  const path = any(['/packages', '/genres', '/entitlements', '/watched']);
  answered(get('list', path, path, user.token), 200);
}

function details(user, films) {
  answered(get('details', '/movies/{id}', `/movies/${any(films)}`, user.token), 200);
}

function mark(user, films) {
  const path = `/watched/${any(films)}`;
  answered(send('mark', 'PUT', '/watched/{movieId}', path, user.token, {}), 200, 201);
}

function unmark(user, films) {
  const path = `/watched/${any(films)}`;
  answered(send('mark', 'DELETE', '/watched/{movieId}', path, user.token), 204);
}

function report(user) {
  answered(get('report', '/reports/me', '/reports/me', user.token), 200);
}

// The new token counts from now on, so that a long run does not outlive its tokens.
function login(user) {
  user.token = logIn(user.email, 'login') || user.token;
}

// In percent.
const MIX = [
  [25, list],
  [9, popular],
  [4, trending],
  [4, search],
  [3, browse],
  [25, details],
  [12, mark],
  [3, unmark],
  [10, report],
  [5, login],
];

// This virtual user's account, for as long as it lives.
let user;

// One act of the mix, by one of the callers of `setup`.
export function act(data) {
  user = user || Object.assign({}, data.users[exec.vu.idInTest % data.users.length]);
  let chance = Math.random() * 100;
  const [, chosen] = MIX.find(([share]) => (chance -= share) < 0) || MIX[0];
  chosen(user, data.shelves[user.shelf]);
}
