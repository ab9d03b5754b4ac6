// Ten seconds of everything, each answer as it should be: does it work at all?
import { callers } from './lib/callers.js';
import { act } from './lib/evening.js';
import { COMMON, arrivals } from './lib/settings.js';

export const options = Object.assign({}, COMMON, {
  scenarios: { evening: arrivals(30, '10s', { preAllocatedVUs: 10, maxVUs: 40 }) },
  thresholds: {
    checks: ['rate==1'],
    http_req_failed: ['rate==0'],
    // Each of them happened.
    'http_reqs{kind:list}': ['count>0'],
    'http_reqs{kind:details}': ['count>0'],
    'http_reqs{kind:mark}': ['count>0'],
    'http_reqs{kind:report}': ['count>0'],
    'http_reqs{kind:login}': ['count>0'],
  },
});

export const setup = () => callers(5);
export default act;
