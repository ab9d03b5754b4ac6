// CONNECTIONS (10,000) callers hold a connection each and ask for something every ten seconds, for a
// minute: 1,000 requests a second. No connection is lost, answers stay fast, memory stays small. k6
// itself wants 2 GB for it, and both sides as many descriptors as there are connections.
import exec from 'k6/execution';
import { sleep } from 'k6';
import { Counter, Trend } from 'k6/metrics';
import { answered, get, metric } from './lib/api.js';
import { callers } from './lib/callers.js';
import { COMMON } from './lib/settings.js';

const CONNECTIONS = Number(__ENV.CONNECTIONS || 10000);
const THINK = 10;
const CONNECT = 40;
const HOLD = 60;

const opened = new Counter('connections_opened');
const lost = new Counter('connections_lost');
const memory = new Trend('service_memory_mb');

export const options = Object.assign({}, COMMON, {
  scenarios: {
    callers: {
      executor: 'ramping-vus',
      startVUs: 0,
      stages: [
        { duration: `${CONNECT}s`, target: CONNECTIONS },
        { duration: `${HOLD}s`, target: CONNECTIONS },
      ],
      gracefulStop: '0s',
      gracefulRampDown: '0s',
      exec: 'caller',
    },
    watcher: {
      executor: 'constant-arrival-rate',
      rate: 1,
      timeUnit: '5s',
      duration: `${CONNECT + HOLD}s`,
      preAllocatedVUs: 1,
      exec: 'watch',
    },
  },
  thresholds: {
    checks: ['rate==1'],
    http_req_failed: ['rate==0'],
    connections_opened: [`count>=${CONNECTIONS}`],
    connections_lost: ['count==0'],
    'http_req_duration{phase:held}': ['p(95)<5'],
    service_memory_mb: ['max<200'],
  },
});

// Every one of the many callers is handed a copy of it: a small one.
export const setup = () => callers(3, 20);

let asked = false;

export function caller(data) {
  const user = data.users[exec.vu.idInTest % data.users.length];
  const films = data.shelves[user.shelf];
  const elapsed = (Date.now() - exec.scenario.startTime) / 1000;
  if (elapsed > CONNECT + THINK) exec.vu.metrics.tags.phase = 'held';
  const response = get('details', '/movies/{id}', `/movies/${films[exec.vu.idInTest % films.length]}`, user.token);
  answered(response, 200);
  // A caller that had a connection and makes another one has lost the first.
  if (response.timings.connecting > 0) (asked ? lost : opened).add(1);
  asked = true;
  sleep(THINK);
}

export function watch() {
  memory.add(metric('process_resident_memory_bytes') / 1e6);
}
