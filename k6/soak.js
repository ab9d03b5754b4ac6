// RATE acts a second (200) for DURATION (15m, at most 55m): does anything grow? After the first fifth
// the service's memory may rise by less than 1 MB a minute, and its descriptors not at all; the last
// fifth is as fast as the others.
import exec from 'k6/execution';
import { Trend } from 'k6/metrics';
import { metric } from './lib/api.js';
import { callers } from './lib/callers.js';
import { act } from './lib/evening.js';
import { COMMON, DURATION, FELT, RATE, arrivals } from './lib/settings.js';

const duration = DURATION || '15m';
const LOOK = 10;
// Descriptors are those of connections too, of which there may be a few more at any moment.
const FEW = 50;

const growth = new Trend('memory_growth_mb_per_minute');
const descriptors = new Trend('descriptors_gained');

export const options = Object.assign({}, COMMON, {
  scenarios: {
    evening: arrivals(RATE || 200, duration, { exec: 'evening' }),
    watcher: {
      executor: 'constant-arrival-rate',
      exec: 'watch',
      rate: 1,
      timeUnit: `${LOOK}s`,
      duration,
      // One, which remembers what it saw.
      preAllocatedVUs: 1,
      maxVUs: 1,
    },
  },
  thresholds: Object.assign({}, FELT, {
    checks: ['rate>0.999'],
    http_req_failed: ['rate<0.001'],
    dropped_iterations: ['count<100'],
    'http_req_duration{phase:end}': ['p(99)<500'],
    'http_req_duration{phase:begin}': ['p(99)<500'],
    memory_growth_mb_per_minute: ['med<1'],
    descriptors_gained: [`med<${FEW}`],
  }),
});

export const setup = () => callers(50);

export function evening(data) {
  const progress = exec.scenario.progress;
  if (progress > 0.2 && progress < 0.4) exec.vu.metrics.tags.phase = 'begin';
  else if (progress > 0.8) exec.vu.metrics.tags.phase = 'end';
  else delete exec.vu.metrics.tags.phase;
  act(data);
}

let first;

export function watch() {
  if (exec.scenario.progress < 0.2) return;
  const now = {
    minutes: Date.now() / 60000,
    memory: metric('process_resident_memory_bytes') / 1e6,
    descriptors: metric('process_open_fds'),
  };
  first = first || now;
  const minutes = now.minutes - first.minutes;
  // Over less than the half of what is watched a moment's peak would count as a trend.
  if (exec.scenario.progress > 0.6) {
    growth.add((now.memory - first.memory) / minutes);
    descriptors.add(now.descriptors - first.descriptors);
  }
}
