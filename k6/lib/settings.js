// What every script tells k6.

export const RATE = Number(__ENV.RATE || 0);
export const DURATION = __ENV.DURATION;

// Acts at a rate that does not wait for the answers: a slow service meets a queue, as in life.
export function arrivals(rate, duration, more) {
  return Object.assign(
    {
      executor: 'constant-arrival-rate',
      rate,
      timeUnit: '1s',
      duration,
      preAllocatedVUs: 50,
      maxVUs: 200,
      gracefulStop: '10s',
    },
    more,
  );
}

// Bounds on what callers feel, in milliseconds; k6 shares the cores with the service here.
export const FELT = {
  'http_req_duration{kind:list}': ['p(95)<100', 'p(99)<250'],
  'http_req_duration{kind:details}': ['p(95)<100', 'p(99)<250'],
  'http_req_duration{kind:mark}': ['p(95)<150', 'p(99)<400'],
  'http_req_duration{kind:report}': ['p(95)<200', 'p(99)<400'],
  'http_req_duration{kind:login}': ['p(95)<1000', 'p(99)<2000'],
};

export const COMMON = {
  setupTimeout: '180s',
  summaryTrendStats: ['min', 'med', 'avg', 'p(95)', 'p(99)', 'max'],
};
