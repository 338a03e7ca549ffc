//! What a connection is busy with: requests in flight, a head on its way, or nothing; and for how long
//! it may go on like that. Costs a request two counters and no timer.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Instant, Sleep};

/// How long a connection without requests may take to close in order before it is dropped.
const CLOSE_TIME_MAX: Duration = Duration::from_secs(5);

/// Shared by a connection's socket, its streams and its [`Patience`].
#[derive(Debug)]
pub(super) struct Activity {
    born: Instant,
    requests: AtomicU32,
    /// Whether there was a request at all.
    used: AtomicBool,
    /// When the last request ended, in microseconds after `born`.
    idle_since: AtomicU64,
    /// When the first byte of a head arrived whose request has not begun, likewise; 0 without one.
    head_since: AtomicU64,
    /// The socket does not take what there is to send.
    blocked: AtomicBool,
    /// The connection ends because its client does not read.
    stalled: AtomicBool,
}

/// One request in flight; held until the last byte of its answer was handed over.
#[derive(Debug)]
pub(super) struct InFlight(Arc<Activity>);

/// What a connection is at.
enum Now {
    Busy,
    Head { since_us: u64 },
    Idle { since_us: u64 },
}

impl Activity {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            born: Instant::now(),
            requests: AtomicU32::new(0),
            used: AtomicBool::new(false),
            idle_since: AtomicU64::new(0),
            head_since: AtomicU64::new(0),
            blocked: AtomicBool::new(false),
            stalled: AtomicBool::new(false),
        })
    }

    /// The client sent something: between requests this is the begin of a head.
    pub(super) fn received(&self) {
        if self.requests.load(Relaxed) == 0 && self.head_since.load(Relaxed) == 0 {
            self.head_since.store(self.now_us().max(1), Relaxed);
        }
    }

    /// The connection is open: its first head is due from now on.
    pub(super) fn await_head(&self) {
        self.head_since.store(self.now_us().max(1), Relaxed);
    }

    /// A head is whole.
    pub(super) fn begin(self: &Arc<Self>) -> InFlight {
        self.requests.fetch_add(1, Relaxed);
        self.used.store(true, Relaxed);
        self.head_since.store(0, Relaxed);
        InFlight(self.clone())
    }

    /// Whether there was a request. Asked beside the connection's own work, in its task.
    pub(super) fn used(&self) -> bool {
        self.used.load(Relaxed)
    }

    /// Whether the socket takes what there is to send.
    pub(super) fn block(&self, blocked: bool) {
        if self.blocked.swap(blocked, Relaxed) && !blocked {
            self.idle_since.store(self.now_us(), Relaxed);
        }
    }

    /// The client does not read, and its connection ends for that.
    pub(super) fn stall(&self) {
        self.stalled.store(true, Relaxed);
    }

    /// Whether the connection ended because its client does not read.
    pub(super) fn stalled(&self) -> bool {
        self.stalled.load(Relaxed)
    }

    fn now_us(&self) -> u64 {
        u64::try_from(self.born.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    fn now(&self) -> Now {
        if self.requests.load(Relaxed) > 0 || self.blocked.load(Relaxed) {
            return Now::Busy;
        }
        match self.head_since.load(Relaxed) {
            0 => Now::Idle { since_us: self.idle_since.load(Relaxed) },
            since_us => Now::Head { since_us },
        }
    }
}

impl InFlight {
    /// Whether the connection ended because its client does not read.
    pub(super) fn stalled(&self) -> bool {
        self.0.stalled()
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.idle_since.store(self.0.now_us(), Relaxed);
        self.0.requests.fetch_sub(1, Relaxed);
    }
}

/// Why a connection has to end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Expired {
    /// A head took too long.
    Head,
    /// There was no request for too long.
    Idle,
}

/// A connection's time limits, to be waited for beside it, in its task.
pub(super) struct Patience {
    activity: Arc<Activity>,
    /// None where a head cannot be told from other bytes: in HTTP/2.
    head: Option<Duration>,
    idle: Duration,
    alarm: Pin<Box<Sleep>>,
}

impl Patience {
    pub(super) fn new(activity: Arc<Activity>, head: Option<Duration>, idle: Duration) -> Self {
        let first = head.map_or(idle, |head| head.min(idle));
        Self { activity, head, idle, alarm: Box::pin(tokio::time::sleep(first)) }
    }

    /// Waits until the connection has to end. Looks anew whenever its task is woken, which it is by
    /// everything that happens to the connection. Cancel safe.
    pub(super) async fn spent(&mut self) -> Expired {
        poll_fn(|cx| self.poll_spent(cx)).await
    }

    /// Waits for the first request, if there was none yet; to be polled after the connection is. Cancel
    /// safe.
    pub(super) async fn used(&self) {
        poll_fn(|_| if self.activity.used() { Poll::Ready(()) } else { Poll::Pending }).await;
    }

    /// From now on an idle connection has only the time to close.
    pub(super) fn closing(&mut self) {
        self.idle = CLOSE_TIME_MAX;
        self.activity.idle_since.store(self.activity.now_us(), Relaxed);
    }

    fn poll_spent(&mut self, cx: &mut Context<'_>) -> Poll<Expired> {
        loop {
            let (due, expired) = self.due();
            if let Some(expired) = expired
                && due <= Instant::now()
            {
                return Poll::Ready(expired);
            }
            // An alarm that is too early is put right when it rings: once in a while, not for every
            // request.
            if self.alarm.deadline() > due {
                self.alarm.as_mut().reset(due);
            }
            ready!(self.alarm.as_mut().poll(cx));
            self.alarm.as_mut().reset(due);
        }
    }

    /// When to look next, and what has expired by then if nothing happens.
    fn due(&self) -> (Instant, Option<Expired>) {
        let at = |since_us, limit| self.activity.born + Duration::from_micros(since_us) + limit;
        match (self.activity.now(), self.head) {
            (Now::Busy, _) => (Instant::now() + self.idle, None),
            (Now::Head { since_us }, Some(head)) => (at(since_us, head), Some(Expired::Head)),
            (Now::Head { .. }, None) => {
                (at(self.activity.idle_since.load(Relaxed), self.idle), Some(Expired::Idle))
            }
            (Now::Idle { since_us }, _) => (at(since_us, self.idle), Some(Expired::Idle)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: Duration = Duration::from_secs(1);
    const IDLE: Duration = Duration::from_secs(10);

    /// Waits for the end and tells when it came.
    async fn end(patience: &mut Patience) -> (Expired, Duration) {
        let began = Instant::now();
        let expired = patience.spent().await;
        (expired, began.elapsed())
    }

    fn about(expected: Duration, took: Duration) {
        assert!((expected..expected + Duration::from_millis(10)).contains(&took), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn silence_ends_after_the_idle_time_and_a_head_after_its_own() {
        let activity = Activity::new();
        let (expired, took) = end(&mut Patience::new(activity.clone(), Some(HEAD), IDLE)).await;
        assert_eq!(expired, Expired::Idle);
        about(IDLE, took);

        let activity = Activity::new();
        activity.received();
        let (expired, took) = end(&mut Patience::new(activity.clone(), Some(HEAD), IDLE)).await;
        assert_eq!(expired, Expired::Head);
        about(HEAD, took);
    }

    #[tokio::test(start_paused = true)]
    async fn drips_do_not_prolong_a_head() {
        let activity = Activity::new();
        let mut patience = Patience::new(activity.clone(), Some(HEAD), IDLE);
        let drip = async {
            loop {
                activity.received();
                tokio::time::sleep(HEAD / 10).await;
            }
        };
        tokio::select! {
            (expired, took) = end(&mut patience) => {
                assert_eq!(expired, Expired::Head);
                about(HEAD, took);
            }
            () = drip => {}
        }
    }

    #[tokio::test(start_paused = true)]
    async fn requests_count_as_long_as_they_last() {
        let activity = Activity::new();
        let mut patience = Patience::new(activity.clone(), Some(HEAD), IDLE);
        let requests = async {
            for _ in 0..3 {
                activity.received();
                let request = activity.begin();
                tokio::time::sleep(3 * IDLE).await;
                // A byte of its body, or of the next head behind it.
                activity.received();
                drop(request);
                tokio::time::sleep(IDLE / 2).await;
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            (expired, took) = end(&mut patience) => {
                assert_eq!(expired, Expired::Idle);
                about(3 * (3 * IDLE + IDLE / 2) + IDLE / 2, took);
            }
            () = requests => {}
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_closing_connection_has_little_time_left() {
        let activity = Activity::new();
        let mut patience = Patience::new(activity.clone(), None, 100 * IDLE);
        activity.received();
        patience.closing();
        let (expired, took) = end(&mut patience).await;
        assert_eq!(expired, Expired::Idle);
        about(CLOSE_TIME_MAX, took);
    }
}
