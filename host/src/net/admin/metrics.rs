//! `/admin/metrics`: the host in numbers, as OpenMetrics text, which Prometheus reads.
//! <https://github.com/prometheus/OpenMetrics/blob/main/specification/OpenMetrics.md>
//!
//! Everything is counted elsewhere, in atomics; a scrape reads them once. Labels are handlers, reasons
//! and classes, and nothing that a client or a guest can choose.

use super::whole;
use crate::handlers::Deployed;
use crate::net::answer::AnswerBody;
use crate::net::service::Host;
use crate::telemetry::HandlerStats;
use http::Response;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, EncodeMetric, MetricEncoder, text,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What the host is, in numbers, now.
pub(super) fn answer(host: &Host, uptime: Duration) -> Response<AnswerBody> {
    let mut registry = Registry::with_prefix("wasm_host");
    registry.register_collector(Box::new(Snapshot::of(host, uptime)));
    let mut text = String::new();
    text::encode(&mut text, &registry).expect("a string takes everything");
    whole(OPEN_METRICS, text)
}

/// The counters of every handler, and of nobody's requests where that is somebody else.
fn handlers(host: &Host) -> Vec<Row> {
    let served = host.catalog.now();
    let row = |it: &Arc<Deployed>| Row {
        name: it.name.shared(),
        stats: it.handler.stats().clone(),
        made: it.handler.instances_made(),
        waiting: it.handler.instances_waiting(),
    };
    let mut all: Vec<_> = served.handlers().iter().map(row).collect();
    let (nobody, stats) = served.nobody();
    if !all.iter().any(|row| Arc::ptr_eq(&row.stats, stats)) {
        all.push(Row { name: nobody.clone(), stats: stats.clone(), made: 0, waiting: 0 });
    }
    all
}

/// One handler in numbers.
#[derive(Debug)]
struct Row {
    name: Arc<str>,
    stats: Arc<HandlerStats>,
    made: u64,
    waiting: u64,
}

/// The numbers of one moment.
#[derive(Debug)]
struct Snapshot {
    handlers: Vec<Row>,
    instances: u32,
    instances_max: u32,
    queued: u32,
    jobs: [(&'static str, u64); 3],
    threads_alive: bool,
    ticker_healthy: bool,
    draining: bool,
    uptime: Duration,
}

impl Snapshot {
    fn of(host: &Host, uptime: Duration) -> Self {
        Self {
            handlers: handlers(host),
            instances: host.admission.live(),
            instances_max: host.admission.instances_max(),
            queued: host.admission.queued(),
            jobs: host.executor.count_jobs(),
            threads_alive: host.executor.threads_alive(),
            ticker_healthy: host.executor.ticker_healthy(),
            draining: host.drain.draining(),
            uptime,
        }
    }

    fn handlers(&self, out: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let mut family = describe(out, "requests", COUNTER, "Requests that ended, by how")?;
        for Row { name: handler, stats, .. } in &self.handlers {
            for (reason, count) in stats.requests() {
                counter(&mut family, &[("handler", &**handler), ("reason", reason)], count)?;
            }
        }
        let help = "Guests that were ended after their answer, by why";
        let mut family = describe(out, "ended_after_answer", COUNTER, help)?;
        for Row { name: handler, stats, .. } in &self.handlers {
            for (reason, count) in stats.after_answer() {
                counter(&mut family, &[("handler", &**handler), ("reason", reason)], count)?;
            }
        }
        let help = "Polls that kept their thread for more than ten slices of CPU time";
        let mut family = describe(out, "long_polls", COUNTER, help)?;
        for Row { name: handler, stats, .. } in &self.handlers {
            counter(&mut family, &[("handler", &**handler)], stats.long_polls())?;
        }
        let mut family = describe(out, "longest_poll", SECONDS, "CPU time of the longest of the long polls")?;
        for Row { name: handler, stats, .. } in &self.handlers {
            gauge(&mut family, &[("handler", &**handler)], stats.longest_poll().as_secs_f64())?;
        }
        let mut family = describe(out, "instances_made", COUNTER, "Instances made, ahead or for a request")?;
        for Row { name: handler, made, .. } in &self.handlers {
            counter(&mut family, &[("handler", &**handler)], *made)?;
        }
        let mut family = describe(out, "instances_waiting", GAUGE, "Instances that wait for a request")?;
        for Row { name: handler, waiting, .. } in &self.handlers {
            gauge(&mut family, &[("handler", &**handler)], *waiting)?;
        }
        let mut family = describe(out, "cpu", SECONDS_IN_ALL, "CPU time inside guests")?;
        for Row { name: handler, stats, .. } in &self.handlers {
            counter(&mut family, &[("handler", &**handler)], stats.cpu().as_secs_f64())?;
        }
        Ok(())
    }

    fn host(&self, out: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let mut family = describe(out, "jobs", GAUGE, "Live jobs, by the class of threads that polls them")?;
        for (class, count) in self.jobs {
            gauge(&mut family, &[("class", class)], count)?;
        }
        for (name, help, value) in [
            ("instances", "Instances alive", f64::from(self.instances)),
            ("instances_max", "Instances that may be alive at once", f64::from(self.instances_max)),
            ("queued_requests", "Requests that wait for an instance", f64::from(self.queued)),
            ("threads_alive", "1 if no executor thread is missing", f64::from(self.threads_alive)),
            ("ticker_healthy", "1 if guests are preempted on time", f64::from(self.ticker_healthy)),
            ("draining", "1 once new requests are refused", f64::from(self.draining)),
        ] {
            ConstGauge::new(value).encode(describe(out, name, GAUGE, help)?)?;
        }
        let uptime = describe(out, "uptime", SECONDS, "How long the host has been up")?;
        ConstGauge::new(self.uptime.as_secs_f64()).encode(uptime)?;
        let build = out.encode_descriptor("build", "What was built", None, MetricType::Info)?;
        Info::new([("version", env!("CARGO_PKG_VERSION"))]).encode(build)
    }
}

impl Collector for Snapshot {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.handlers(&mut encoder)?;
        self.host(&mut encoder)
    }
}

/// What a family counts, and in which unit.
type Kind = (MetricType, Option<&'static Unit>);

const COUNTER: Kind = (MetricType::Counter, None);
const GAUGE: Kind = (MetricType::Gauge, None);
const SECONDS: Kind = (MetricType::Gauge, Some(&Unit::Seconds));
const SECONDS_IN_ALL: Kind = (MetricType::Counter, Some(&Unit::Seconds));

fn describe<'a>(
    out: &'a mut DescriptorEncoder<'_>,
    name: &'a str,
    (metric_type, unit): Kind,
    help: &str,
) -> Result<MetricEncoder<'a>, fmt::Error> {
    out.encode_descriptor(name, help, unit, metric_type)
}

fn counter(
    family: &mut MetricEncoder<'_>,
    labels: &[(&str, &str)],
    value: impl EncodeCounterValue,
) -> fmt::Result {
    ConstCounter::new(value).encode(family.encode_family(&labels)?)
}

fn gauge(
    family: &mut MetricEncoder<'_>,
    labels: &[(&str, &str)],
    value: impl EncodeGaugeValue,
) -> fmt::Result {
    ConstGauge::new(value).encode(family.encode_family(&labels)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_units_are_as_the_format_asks_and_labels_are_escaped() {
        let stats = Arc::new(HandlerStats::new(Duration::from_millis(1)));
        let mut registry = Registry::with_prefix("wasm_host");
        registry.register_collector(Box::new(Snapshot {
            handlers: vec![Row { name: "a\"b\\c\nd".into(), stats, made: 5, waiting: 2 }],
            instances: 1,
            instances_max: 2,
            queued: 3,
            jobs: [("fresh", 1), ("busy", 0), ("hog", 7)],
            threads_alive: true,
            ticker_healthy: false,
            draining: false,
            uptime: Duration::from_millis(1500),
        }));
        let mut text = String::new();
        text::encode(&mut text, &registry).expect("a string takes everything");
        for line in [
            r#"wasm_host_requests_total{handler="a\"b\\c\nd",reason="ok"} 0"#,
            "# TYPE wasm_host_longest_poll_seconds gauge",
            "# UNIT wasm_host_cpu_seconds seconds",
            r#"wasm_host_cpu_seconds_total{handler="a\"b\\c\nd"} 0.0"#,
            r#"wasm_host_jobs{class="hog"} 7"#,
            "wasm_host_instances 1.0",
            r#"wasm_host_instances_made_total{handler="a\"b\\c\nd"} 5"#,
            r#"wasm_host_instances_waiting{handler="a\"b\\c\nd"} 2"#,
            "wasm_host_ticker_healthy 0.0",
            "wasm_host_uptime_seconds 1.5",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        assert!(text.contains("wasm_host_build_info{version=") && text.ends_with("# EOF\n"), "{text}");
    }
}
