// A real evening: RATE acts a second (200) for DURATION (1m).
import { callers } from './lib/callers.js';
import { act } from './lib/evening.js';
import { COMMON, DURATION, FELT, RATE, arrivals } from './lib/settings.js';

export const options = Object.assign({}, COMMON, {
  scenarios: { evening: arrivals(RATE || 200, DURATION || '1m') },
  thresholds: Object.assign({}, FELT, {
    checks: ['rate>0.999'],
    http_req_failed: ['rate<0.001'],
    // Acts that nobody was free for: then the rate was not what it says.
    dropped_iterations: ['count<10'],
  }),
});

export const setup = () => callers(50);
export default act;
