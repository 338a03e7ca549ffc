//! Who may go in and who is next: the counts, the lines and the turns, without threads or clocks of
//! its own. Every call takes a time that does not grow with the line, but for a place taken from
//! another handler's line, which looks at each line once.

use super::pace::Pace;
use super::{HandlerKey, HandlerShare};
use crate::config::AdmissionConfig;
use crate::outcome::Reason;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;
use tokio::time::Instant;

/// A shorter line is never refused for its pace: it is gone before the pace is known.
const PACED_LINE_MIN: usize = 8;

/// Numbers the waiting in order of arrival.
pub(super) type Ticket = u64;

/// One handler's live requests and those that wait.
#[derive(Debug)]
struct Line<W> {
    live: u32,
    /// How many may live at once, as who came last was told.
    concurrency: u32,
    waiting: BTreeMap<Ticket, W>,
    /// Has a place in the ring, which may have outlived its waiting.
    in_ring: bool,
    pace: Pace,
}

/// What a request is told on arrival.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Arrival<W> {
    /// It has its permit.
    Admitted,
    /// It may wait, by [`Turnstile::wait`]. Another handler's waiting request lost its place to it.
    MayWait {
        /// Who lost its place, to be told so.
        pushed_out: Option<(HandlerKey, W)>,
    },
    /// It is sent away.
    Refused(Reason),
}

/// Counts permits and keeps the lines for them. `W` stands for one who waits.
#[derive(Debug)]
pub(super) struct Turnstile<W> {
    bounds: AdmissionConfig,
    /// Sandboxes that may be alive, streams among them; may be fewer than the bounds add up to.
    alive_max: u32,
    live: u32,
    streams: u32,
    queued: usize,
    /// Handlers with anything live or waiting: one without leaves nothing behind.
    lines: HashMap<HandlerKey, Line<W>>,
    /// Handlers that may have a turn, the next one in front; none is in it twice.
    ring: VecDeque<HandlerKey>,
    tickets: Ticket,
}

impl<W> Turnstile<W> {
    pub(super) fn new(bounds: AdmissionConfig, alive_max: u32) -> Self {
        Self {
            bounds,
            alive_max,
            live: 0,
            streams: 0,
            queued: 0,
            lines: HashMap::new(),
            ring: VecDeque::new(),
            tickets: 0,
        }
    }

    /// Instances held by requests that are not streams.
    pub(super) fn live(&self) -> u32 {
        self.live
    }

    /// Responses that stream.
    pub(super) fn streams(&self) -> u32 {
        self.streams
    }

    /// Requests that wait.
    pub(super) fn queued(&self) -> usize {
        self.queued
    }

    /// How long a request of `handler` would have to wait now, if its line's pace is known.
    pub(super) fn wait_of(&self, handler: HandlerKey) -> Option<Duration> {
        let line = self.lines.get(&handler)?;
        line.pace.time_for(line.waiting.len() + 1)
    }

    /// Lets a request of a handler in, or tells it what to do instead.
    pub(super) fn arrive(&mut self, share: HandlerShare, now: Instant) -> Arrival<W> {
        let room = self.has_room();
        let (queue_share, queue_timeout) = (self.bounds.queue_share(), self.bounds.queue_timeout);
        let handler = share.handler;
        let line = self.line(share, now);
        // Free permits are never left to those who wait, so there is nobody to be overtaken.
        if room && line.live < line.concurrency {
            line.live += 1;
            self.live += 1;
            return Arrival::Admitted;
        }
        let length = line.waiting.len();
        line.pace.pass(now, length > 0);
        let arrival = if length >= queue_share {
            Arrival::Refused(Reason::QueueFull)
        } else if line.too_long_for(queue_timeout) {
            Arrival::Refused(Reason::QueueTimeout)
        } else if self.queued < self.bounds.queue_max as usize {
            Arrival::MayWait { pushed_out: None }
        } else {
            match self.push_out(length) {
                None => Arrival::Refused(Reason::QueueFull),
                pushed_out => Arrival::MayWait { pushed_out },
            }
        };
        self.tidy(handler);
        arrival
    }

    /// Puts a request that may wait at the end of its handler's line.
    pub(super) fn wait(&mut self, share: HandlerShare, waiter: W, now: Instant) -> Ticket {
        let ticket = self.tickets;
        self.tickets += 1;
        let line = self.line(share, now);
        line.pace.pass(now, !line.waiting.is_empty());
        line.waiting.insert(ticket, waiter);
        self.queued += 1;
        self.enlist(share.handler);
        ticket
    }

    /// Takes a request out of the line, unless it has left it already.
    pub(super) fn leave(&mut self, handler: HandlerKey, ticket: Ticket, now: Instant) {
        let Some(line) = self.lines.get_mut(&handler) else { return };
        line.pace.pass(now, !line.waiting.is_empty());
        if line.waiting.remove(&ticket).is_some() {
            self.queued -= 1;
        }
        self.tidy(handler);
    }

    /// Gives the next permit to whoever's turn it is; to be called after every change until there is
    /// none to give.
    pub(super) fn next(&mut self, now: Instant) -> Option<(HandlerKey, W)> {
        while self.has_room() {
            let handler = self.ring.pop_front()?;
            let Some(line) = self.lines.get_mut(&handler) else { continue };
            line.in_ring = false;
            line.pace.pass(now, !line.waiting.is_empty());
            if line.live < line.concurrency
                && let Some((_, waiter)) = line.waiting.pop_first()
            {
                line.live += 1;
                line.pace.step();
                self.live += 1;
                self.queued -= 1;
                self.enlist(handler);
                return Some((handler, waiter));
            }
            self.tidy(handler);
        }
        None
    }

    /// Takes back the permit of a request that is no stream.
    pub(super) fn release(&mut self, handler: HandlerKey) {
        self.live -= 1;
        if let Some(line) = self.lines.get_mut(&handler) {
            line.live -= 1;
        }
        self.enlist(handler);
        self.tidy(handler);
    }

    /// Makes a live request a stream, if there is room for one more: what it held is free.
    pub(super) fn stream(&mut self, handler: HandlerKey) -> bool {
        if self.streams >= self.bounds.streams_max {
            return false;
        }
        self.streams += 1;
        self.release(handler);
        true
    }

    /// Takes back the permit of a stream.
    pub(super) fn release_stream(&mut self) {
        self.streams -= 1;
    }

    fn line(&mut self, share: HandlerShare, now: Instant) -> &mut Line<W> {
        let line = self.lines.entry(share.handler).or_insert_with(|| Line::new(now));
        line.concurrency = share.concurrency.get();
        line
    }

    fn has_room(&self) -> bool {
        self.live < self.bounds.instances.get() && self.live + self.streams < self.alive_max
    }

    /// Gives a handler with waiting requests a place in the ring, unless it has one or is at its own
    /// limit.
    fn enlist(&mut self, handler: HandlerKey) {
        if let Some(line) = self.lines.get_mut(&handler)
            && !line.in_ring
            && !line.waiting.is_empty()
            && line.live < line.concurrency
        {
            line.in_ring = true;
            self.ring.push_back(handler);
        }
    }

    /// Forgets a handler that has nothing here.
    fn tidy(&mut self, handler: HandlerKey) {
        if self.lines.get(&handler).is_some_and(Line::is_idle) {
            self.lines.remove(&handler);
        }
    }

    /// Takes the youngest of the longest line out, where that stays at least as long as a line of
    /// `length` becomes: so no handler can keep the others out of the queue.
    fn push_out(&mut self, length: usize) -> Option<(HandlerKey, W)> {
        let longest = self.lines.iter_mut().max_by_key(|(_, line)| line.waiting.len());
        let (&handler, line) = longest.filter(|(_, line)| line.waiting.len() > length + 1)?;
        let (_, waiter) = line.waiting.pop_last()?;
        self.queued -= 1;
        Some((handler, waiter))
    }
}

impl<W> Line<W> {
    fn new(now: Instant) -> Self {
        Self { live: 0, concurrency: 0, waiting: BTreeMap::new(), in_ring: false, pace: Pace::new(now) }
    }

    fn is_idle(&self) -> bool {
        self.live == 0 && self.waiting.is_empty() && !self.in_ring
    }

    /// Whether one more could not be served within `patience`, by a quarter at least: to refuse
    /// somebody who could have been served is worse than to let somebody wait for nothing.
    fn too_long_for(&self, patience: Duration) -> bool {
        let length = self.waiting.len();
        length >= PACED_LINE_MIN
            && self.pace.time_for(length + 1).is_some_and(|wait| wait > patience + patience / 4)
    }
}

#[cfg(test)]
impl<W> Turnstile<W> {
    /// What must hold between any two calls.
    pub(super) fn assert_sound(&self) {
        let bounds = &self.bounds;
        assert!(self.live <= bounds.instances.get() && self.streams <= bounds.streams_max);
        assert!(self.live + self.streams <= self.alive_max);
        assert!(self.queued <= bounds.queue_max as usize);
        assert_eq!(self.live, self.lines.values().map(|line| line.live).sum::<u32>());
        assert_eq!(self.queued, self.lines.values().map(|line| line.waiting.len()).sum::<usize>());
        assert_eq!(self.ring.len(), self.lines.values().filter(|line| line.in_ring).count());
        for (handler, line) in &self.lines {
            assert!(line.live <= line.concurrency, "{handler}");
            assert!(line.waiting.len() <= bounds.queue_share(), "{handler}");
            assert!(!line.is_idle(), "{handler} was left behind");
            let may_go_in = !line.waiting.is_empty() && line.live < line.concurrency;
            assert!(!may_go_in || line.in_ring, "{handler} waits for a turn that never comes");
            assert_eq!(self.ring.iter().filter(|&key| key == handler).count(), usize::from(line.in_ring));
        }
    }
}
