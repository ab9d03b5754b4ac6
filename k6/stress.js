// Up to the knee and beyond: ten seconds at each of several rates, each twice the one before, up to
// RATE (8,000). At the end a table says at which the answers stopped keeping up. What has to hold at
// any rate: whoever is answered is answered soon, whoever is not gets 503 with Retry-After, and after
// five seconds of peace all is as before.
import http from 'k6/http';
import { check } from 'k6';
import { Counter, Rate, Trend } from 'k6/metrics';
import exec from 'k6/execution';
import { BASE } from './lib/api.js';
import { callers } from './lib/callers.js';
import { COMMON, RATE, arrivals } from './lib/settings.js';

const STEP = 10;
const PEACE = 5;
const rates = [];
for (let rate = 250; rate <= (RATE || 8000); rate *= 2) rates.push(rate);
const steps = rates.map((rate) => `at_${rate}`);

const scenarios = {};
rates.forEach((rate, number) => {
  scenarios[steps[number]] = arrivals(rate, `${STEP}s`, {
    startTime: `${number * STEP}s`,
    preAllocatedVUs: 100,
    maxVUs: 400,
    gracefulStop: '5s',
  });
});
scenarios.after = arrivals(100, '10s', {
  // The last step's acts may end that much later.
  startTime: `${rates.length * STEP + 5 + PEACE}s`,
});

const taken = new Counter('answers_2xx');
const refused = new Counter('answers_503');
const unexpected = new Rate('answers_unexpected');
const latency = new Trend('latency_2xx', true);

const thresholds = {
  answers_unexpected: ['rate==0'],
  latency_2xx: ['p(99)<500'],
  'answers_503{scenario:after}': ['count==0'],
  'latency_2xx{scenario:after}': ['p(99)<100'],
  'dropped_iterations{scenario:after}': ['count==0'],
};
// Without a bound; only metrics with thresholds are in the summary by scenario.
steps.forEach((step) => {
  thresholds[`answers_2xx{scenario:${step}}`] = ['count>=0'];
  thresholds[`answers_503{scenario:${step}}`] = ['count>=0'];
  thresholds[`latency_2xx{scenario:${step}}`] = ['p(95)>=0'];
});

export const options = Object.assign({}, COMMON, { scenarios, thresholds });

export const setup = () => callers(20, 50);

// What the hot paths are: lists and details, with a mark now and then.
export default function (data) {
  const user = data.users[exec.vu.idInTest % data.users.length];
  const films = data.shelves[user.shelf];
  const film = films[Math.floor(Math.random() * films.length)];
  const chance = Math.random();
  const params = { headers: { Authorization: `Bearer ${user.token}` }, timeout: '10s' };
  let response;
  if (chance < 0.1) {
    response = http.put(`${BASE}/api/v1/watched/${film}`, null, named(params, '/watched/{movieId}'));
  } else if (chance < 0.55) {
    response = http.get(`${BASE}/api/v1/movies/${film}`, named(params, '/movies/{id}'));
  } else {
    response = http.get(`${BASE}/api/v1/movies`, named(params, '/movies'));
  }
  const well = response.status >= 200 && response.status < 300;
  const told = response.status === 503 && response.headers['Retry-After'] !== undefined;
  taken.add(well ? 1 : 0);
  refused.add(told ? 1 : 0);
  unexpected.add(!well && !told);
  if (well) latency.add(response.timings.duration);
  check(response, { 'answered or told when to come back': () => well || told });
}

function named(params, name) {
  return Object.assign({ tags: { name } }, params);
}

export function handleSummary(data) {
  const value = (metric, step, of) => data.metrics[`${metric}{scenario:${step}}`].values[of];
  let knee = 'none up to here';
  const rows = steps.map((step, number) => {
    const answers = value('answers_2xx', step, 'count') / STEP;
    const refusals = value('answers_503', step, 'count') / STEP;
    const p95 = value('latency_2xx', step, 'p(95)') || 0;
    if (knee === 'none up to here' && answers < 0.95 * rates[number]) knee = `${rates[number]}/s`;
    const cells = [rates[number], answers.toFixed(0), refusals.toFixed(0), p95.toFixed(1)];
    return cells.map((cell) => String(cell).padStart(12)).join('');
  });
  const head = ['offered/s', 'answered/s', 'refused/s', 'p95 ms'].map((it) => it.padStart(12)).join('');
  const broken = Object.entries(data.metrics).flatMap(([name, metric]) =>
    Object.entries(metric.thresholds || {})
      .filter(([, threshold]) => !threshold.ok)
      .map(([bound]) => `${name}: not ${bound}`),
  );
  const p99 = data.metrics.latency_2xx.values['p(99)'];
  const lines = [head, ...rows, `knee: ${knee}; p99 of what was answered: ${p99.toFixed(1)} ms`, ...broken];
  return { stdout: `${lines.join('\n')}\n` };
}
