//! `/admin/jobs`: what runs, waits and burns, most CPU time first, and how to end one of them.

use super::{Refusal, empty, whole};
use crate::executor::{Executor, LiveJob};
use crate::net::answer::AnswerBody;
use crate::outcome::{Outcome, Reason};
use http::{Response, StatusCode};
use schemars::JsonSchema;
use serde::Serialize;
use std::cmp::Reverse;
use std::net::IpAddr;
use std::time::Duration;

/// Jobs that one answer tells of, unless `limit` asks for another number.
const LIMIT_USUAL: usize = 1000;
const LIMIT_MAX: usize = 10_000;
/// Jobs that are written before the thread's other tasks have a turn.
const BATCH: usize = 128;

/// The live jobs as JSON. Others have a turn between the parts of it: this is an I/O thread.
pub(super) async fn list(executor: &Executor, query: Option<&str>) -> Result<Response<AnswerBody>, Refusal> {
    let limit = limit(query).ok_or(Reason::BadRequest)?;
    // With the CPU time of one moment: an order of values that move would be none.
    let mut jobs: Vec<(Reverse<u64>, LiveJob)> = Vec::new();
    for part in executor.live_jobs() {
        jobs.extend(part.into_iter().map(|job| (Reverse(job.exchange().cpu_ns()), job)));
        tokio::task::yield_now().await;
    }
    let total = jobs.len();
    let key = |(cpu, job): &(Reverse<u64>, LiveJob)| (*cpu, job.number());
    if limit < total {
        jobs.select_nth_unstable_by_key(limit, key);
        jobs.truncate(limit);
    }
    jobs.sort_unstable_by_key(key);
    let mut text = format!("{{\"total\":{total},\"jobs\":[");
    for (place, batch) in jobs.chunks(BATCH).enumerate() {
        let told: Vec<String> =
            batch.iter().map(|(Reverse(cpu_ns), job)| json(&tell(job, *cpu_ns))).collect();
        text += if place == 0 { "" } else { "," };
        text += &told.join(",");
        tokio::task::yield_now().await;
    }
    Ok(whole("application/json", text + "]}\n"))
}

/// Ends one job.
pub(super) fn kill(executor: &Executor, id: &str, client: IpAddr) -> Result<Response<AnswerBody>, Reason> {
    // A sign or a space is no part of an id.
    let digits = id.bytes().all(|byte| byte.is_ascii_digit());
    let number = id.parse().ok().filter(|_| digits).ok_or(Reason::BadRequest)?;
    let job = executor.kill(number).ok_or(Reason::NoSuchJob)?;
    let head = &job.exchange().head;
    tracing::warn!(%client, action = "kill", job = number, handler = &*head.handler, request_id = %head.id, "killed");
    Ok(empty(StatusCode::NO_CONTENT))
}

/// The live jobs, as far as the answer tells of them.
#[derive(JsonSchema)]
#[allow(dead_code, reason = "written part by part, and there for its schema")]
pub(super) struct JobList {
    /// How many there are.
    total: usize,
    /// Most CPU time first.
    jobs: Vec<JobInfo<'static>>,
}

/// One live job.
#[derive(JsonSchema, Serialize)]
struct JobInfo<'a> {
    /// By which it is killed.
    id: u64,
    handler: &'a str,
    request_id: String,
    method: &'a str,
    path: &'a str,
    age_ms: f64,
    cpu_ms: f64,
    longest_poll_ms: f64,
    /// Of the threads that poll it.
    class: &'static str,
    state: &'static str,
    memory_bytes: u64,
    memory_peak_bytes: u64,
    time_left_ms: f64,
    /// Set once the request has its outcome: the guest is about to go, or goes on after its answer.
    outcome: Option<&'static str>,
}

fn tell(job: &LiveJob, cpu_ns: u64) -> JobInfo<'_> {
    let exchange = job.exchange();
    let outcome = exchange.outcome().map(|outcome| match outcome {
        Outcome::Answered => "ok",
        Outcome::Failed(reason) => reason.label(),
    });
    JobInfo {
        id: job.number(),
        handler: &exchange.head.handler,
        request_id: exchange.head.id.to_string(),
        method: exchange.head.method.as_str(),
        path: &exchange.head.path,
        age_ms: millis(exchange.age()),
        cpu_ms: millis(Duration::from_nanos(cpu_ns)),
        longest_poll_ms: millis(exchange.longest_poll()),
        class: job.class(),
        state: job.state().label(),
        memory_bytes: exchange.memory_bytes(),
        memory_peak_bytes: exchange.memory_peak_bytes(),
        time_left_ms: millis(job.time_left()),
        outcome,
    }
}

fn json(job: &JobInfo<'_>) -> String {
    serde_json::to_string(job).expect("a job: text keys, and plain values")
}

/// The number that `limit=N` asks for; none if it is not one, or past the bound.
fn limit(query: Option<&str>) -> Option<usize> {
    let given = query.unwrap_or_default().split('&').find_map(|pair| pair.strip_prefix("limit="));
    given.map_or(Some(LIMIT_USUAL), |text| text.parse().ok().filter(|limit| *limit <= LIMIT_MAX))
}

/// Milliseconds with three decimals.
fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limit_holds_on_both_sides() {
        for (query, expected) in [
            (None, Some(1000)),
            (Some(""), Some(1000)),
            (Some("x=1"), Some(1000)),
            (Some("limit=0"), Some(0)),
            (Some("x=1&limit=10000"), Some(10_000)),
            (Some("limit=10001"), None),
            (Some("limit=-1"), None),
            (Some("limit="), None),
        ] {
            assert_eq!(limit(query), expected, "{query:?}");
        }
    }
}
