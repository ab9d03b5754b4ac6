// One request to the service. Each has a tag `kind`, which thresholds are set on, and as its name the
// pattern of its path: names of films and users would be a metric each.
import http from 'k6/http';
import { check } from 'k6';

export const BASE = __ENV.WATCHME_URL || 'http://127.0.0.1:8080';

function params(kind, name, token, more) {
  const headers = {};
  if (token) headers.Authorization = `Bearer ${token}`;
  return Object.assign({ headers, tags: { kind, name }, timeout: '30s' }, more);
}

// GET; the body is not kept unless it is asked for.
export function get(kind, name, path, token, keep) {
  const more = keep ? {} : { responseType: 'none' };
  return http.get(`${BASE}/api/v1${path}`, params(kind, name, token, more));
}

// POST or PUT of JSON, DELETE without a body.
export function send(kind, method, name, path, token, body) {
  const all = params(kind, name, token);
  if (body !== undefined) all.headers['Content-Type'] = 'application/json';
  return http.request(
    method,
    `${BASE}/api/v1${path}`,
    body === undefined ? null : JSON.stringify(body),
    all,
  );
}

// Whether the answer has one of these statuses; counted as a check.
export function answered(response, ...statuses) {
  return check(response, {
    [`${response.request.method} is ${statuses.join(' or ')}`]: (it) => statuses.includes(it.status),
  });
}

// Insists on a status: without it the rest would make no sense.
export function must(response, status) {
  if (response.status !== status) {
    throw new Error(`${response.request.method} ${response.url}: ${response.status} ${response.body}`);
  }
  return response.body ? response.json() : null;
}

// One sample of `/metrics`, by its name with labels.
export function metric(name) {
  const text = http.get(`${BASE}/metrics`, { tags: { kind: 'probe', name: '/metrics' } }).body;
  const line = text.split('\n').find((it) => it.startsWith(`${name} `));
  if (line === undefined) throw new Error(`there is no metric ${name}`);
  return Number(line.slice(name.length + 1));
}
