//! How values that their owners keep become metrics.

use prometheus::{
    CounterVec, GaugeVec, IntCounterVec, Opts, Registry, core::Collector, proto::MetricFamily,
};

/// One reading of values that their owners keep.
#[derive(Default)]
pub(super) struct Reading(Registry);

impl Reading {
    /// What was put in.
    pub(super) fn gather(&self) -> Vec<MetricFamily> {
        self.0.gather()
    }

    /// A gauge with several labels.
    pub(super) fn labelled(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
        values: &[(&[&str], f64)],
    ) -> Result<(), prometheus::Error> {
        let gauges = GaugeVec::new(Opts::new(name, help), labels)?;
        for (values, number) in values {
            gauges.with_label_values(values).set(*number);
        }
        self.add(gauges)
    }

    /// A gauge with one label.
    pub(super) fn gauge(
        &self,
        name: &str,
        help: &str,
        label: &str,
        values: &[(&str, f64)],
    ) -> Result<(), prometheus::Error> {
        let gauges = GaugeVec::new(Opts::new(name, help), labels(&label))?;
        for (value, number) in values {
            gauges.with_label_values(labels(value)).set(*number);
        }
        self.add(gauges)
    }

    /// A gauge without a label.
    pub(super) fn one(&self, name: &str, help: &str, value: f64) -> Result<(), prometheus::Error> {
        self.gauge(name, help, "", &[("", value)])
    }

    /// A counter with one label, or with none where that is empty.
    pub(super) fn count(
        &self,
        name: &str,
        help: &str,
        label: &str,
        values: &[(&str, u64)],
    ) -> Result<(), prometheus::Error> {
        let counters = IntCounterVec::new(Opts::new(name, help), labels(&label))?;
        for (value, number) in values {
            counters.with_label_values(labels(value)).inc_by(*number);
        }
        self.add(counters)
    }

    /// A counter of seconds with one label.
    pub(super) fn seconds(
        &self,
        name: &str,
        help: &str,
        label: &str,
        values: &[(&str, f64)],
    ) -> Result<(), prometheus::Error> {
        let counters = CounterVec::new(Opts::new(name, help), labels(&label))?;
        for (value, number) in values {
            counters.with_label_values(labels(value)).inc_by(*number);
        }
        self.add(counters)
    }

    fn add(&self, collector: impl Collector + 'static) -> Result<(), prometheus::Error> {
        self.0.register(Box::new(collector))
    }
}

/// One label, or none.
fn labels<'a>(label: &'a &'a str) -> &'a [&'a str] {
    if label.is_empty() { &[] } else { std::slice::from_ref(label) }
}
