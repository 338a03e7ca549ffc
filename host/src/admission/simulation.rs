//! Many handlers' requests arriving, waiting, leaving, streaming and ending, by seed: the turnstile
//! step by step, and the whole of admission on paused time. A failure prints its seed.

use super::turnstile::{Arrival, Turnstile};
use super::{Admission, HandlerKey, HandlerShare};
use crate::config::AdmissionConfig;
use crate::outcome::Reason;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::rc::Rc;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// SplitMix64: <https://prng.di.unimi.it/splitmix64.c>.
struct Random(u64);

impl Random {
    /// A number below `bound`.
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    fn bounds(&mut self) -> AdmissionConfig {
        let some = |n: u64| NonZeroU32::new(u32::try_from(n).expect("small")).expect("at least one");
        let instances = 1 + self.below(8);
        AdmissionConfig {
            instances: some(instances),
            concurrency: some(1 + self.below(instances)),
            queue_max: u32::try_from(self.below(24)).expect("small"),
            queue_share_percent: [30, 50, 100][self.below(3) as usize],
            queue_timeout: Duration::from_millis(1 + self.below(1000)),
            streams_max: u32::try_from(self.below(4)).expect("small"),
            memory_pressure_percent: None,
            rate_client: None,
            rate_handler: None,
        }
    }
}

/// Who is where, seen from outside.
#[derive(Default)]
struct Seen {
    live: Vec<HandlerKey>,
    streams: usize,
    /// The waiting by handler, in order of arrival.
    waiting: BTreeMap<HandlerKey, Vec<(u64, u64)>>,
    /// Permits given to others in a row while a handler could have had one.
    passed_over: BTreeMap<HandlerKey, usize>,
}

#[test]
fn turnstile_keeps_its_bounds_its_order_and_its_turns() {
    const HANDLERS: u64 = 5;
    for seed in 0..200 {
        let mut random = Random(seed);
        let bounds = random.bounds();
        println!("seed {seed}: {bounds:?}");
        let share = |handler| HandlerShare { handler, concurrency: bounds.concurrency };
        let mut now = Instant::now();
        // More often than not there is room for all.
        let alive_max = 1 + u32::try_from(random.below(16)).expect("small");
        let mut turnstile = Turnstile::new(bounds, alive_max);
        let mut seen = Seen::default();
        for request in 0..1000_u64 {
            now += Duration::from_millis(random.below(40));
            let handler = random.below(HANDLERS);
            let picked = |seen: &Seen, random: &mut Random| {
                let count = seen.live.len() as u64;
                (count > 0).then(|| random.below(count) as usize)
            };
            match random.below(8) {
                0..=3 => match turnstile.arrive(share(handler), now) {
                    Arrival::Admitted => {
                        assert!(seen.waiting.get(&handler).is_none_or(Vec::is_empty), "overtaken");
                        seen.live.push(handler);
                    }
                    Arrival::MayWait { pushed_out } => {
                        if let Some((other, waiter)) = pushed_out {
                            let line = seen.waiting.get_mut(&other).expect("a line");
                            assert_eq!(line.pop().map(|(waiter, _)| waiter), Some(waiter), "the youngest");
                            assert_ne!(other, handler);
                        }
                        let ticket = turnstile.wait(share(handler), request, now);
                        seen.waiting.entry(handler).or_default().push((request, ticket));
                    }
                    Arrival::Refused(Reason::QueueFull) => {
                        let line = seen.waiting.get(&handler).map_or(0, Vec::len);
                        let full = turnstile.queued() == bounds.queue_max as usize;
                        assert!(full || line >= bounds.queue_share(), "refused although there is room");
                    }
                    Arrival::Refused(reason) => assert_eq!(reason, Reason::QueueTimeout),
                },
                4 => {
                    if let Some(line) = seen.waiting.get_mut(&handler).filter(|line| !line.is_empty()) {
                        let (_, ticket) = line.remove(random.below(line.len() as u64) as usize);
                        turnstile.leave(handler, ticket, now);
                        // Again, as after a permit that crossed its path.
                        turnstile.leave(handler, ticket, now);
                    }
                }
                5 | 6 => {
                    if let Some(index) = picked(&seen, &mut random) {
                        turnstile.release(seen.live.swap_remove(index));
                    }
                }
                _ => {
                    if seen.streams > 0 && random.below(2) == 0 {
                        seen.streams -= 1;
                        turnstile.release_stream();
                    } else if let Some(index) = picked(&seen, &mut random) {
                        let room = seen.streams < bounds.streams_max as usize;
                        assert_eq!(turnstile.stream(seen.live[index]), room);
                        if room {
                            seen.live.swap_remove(index);
                            seen.streams += 1;
                        }
                    }
                }
            }
            while let Some((handler, waiter)) = turnstile.next(now) {
                let line = seen.waiting.get_mut(&handler).expect("a line");
                assert_eq!(line.remove(0).0, waiter, "first come, first served");
                seen.live.push(handler);
                for (&other, line) in &seen.waiting {
                    let live = seen.live.iter().filter(|&&live| live == other).count();
                    let could = !line.is_empty() && live < bounds.concurrency.get() as usize;
                    let passed_over = seen.passed_over.entry(other).or_default();
                    *passed_over = if could && other != handler { *passed_over + 1 } else { 0 };
                    assert!(*passed_over <= HANDLERS as usize, "{other} starves");
                }
            }
            turnstile.assert_sound();
            assert_eq!(turnstile.live() as usize, seen.live.len());
            assert_eq!(turnstile.streams() as usize, seen.streams);
            assert_eq!(turnstile.queued(), seen.waiting.values().map(Vec::len).sum::<usize>());
        }
    }
}

#[test]
fn a_handler_that_fills_the_queue_makes_room_for_another() {
    let some = |n| NonZeroU32::new(n).expect("not zero");
    let bounds = AdmissionConfig {
        instances: some(1),
        concurrency: some(2),
        queue_max: 4,
        queue_share_percent: 100,
        queue_timeout: Duration::from_secs(1),
        streams_max: 0,
        memory_pressure_percent: None,
        rate_client: None,
        rate_handler: None,
    };
    let share = |handler| HandlerShare { handler, concurrency: bounds.concurrency };
    let now = Instant::now();
    let mut turnstile = Turnstile::new(bounds, u32::MAX);
    assert_eq!(turnstile.arrive(share(1), now), Arrival::Admitted);
    for waiter in 0..4 {
        assert_eq!(turnstile.arrive(share(1), now), Arrival::MayWait { pushed_out: None });
        turnstile.wait(share(1), waiter, now);
    }
    assert_eq!(turnstile.arrive(share(1), now), Arrival::Refused(Reason::QueueFull));
    for (waiter, pushed_out) in [(4, 3), (5, 2)] {
        assert_eq!(turnstile.arrive(share(2), now), Arrival::MayWait { pushed_out: Some((1, pushed_out)) });
        turnstile.wait(share(2), waiter, now);
    }
    assert_eq!(turnstile.arrive(share(2), now), Arrival::Refused(Reason::QueueFull), "both have as much");
    turnstile.assert_sound();
    let mut last = 1;
    for expected in [(1, 0), (2, 4), (1, 1), (2, 5)] {
        turnstile.release(last);
        assert_eq!(turnstile.next(now), Some(expected), "handlers take turns");
        last = expected.0;
    }
}

/// Runs `work` on paused time, on one thread.
fn simulate(work: impl AsyncFnOnce()) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    tokio::task::LocalSet::new().block_on(&runtime.expect("a runtime"), work());
}

#[test]
fn every_permit_returns_and_nobody_waits_longer_than_allowed() {
    for seed in 0..40 {
        println!("seed {seed}");
        simulate(async || {
            let mut random = Random(seed);
            let bounds = random.bounds();
            let admission = Rc::new(Admission::new(bounds, u32::MAX));
            let waits = Rc::new(RefCell::new(Vec::new()));
            let mut clients = Vec::new();
            for _ in 0..1000 {
                sleep(Duration::from_micros(random.below(20_000))).await;
                let (entrance, waits) = (admission.clone(), waits.clone());
                let handler = random.below(4);
                let patience = Duration::from_millis(random.below(3000));
                let work = Duration::from_millis(random.below(120));
                let streams = random.below(8) == 0;
                clients.push(tokio::task::spawn_local(async move {
                    let began = Instant::now();
                    let Ok(admitted) = timeout(patience, entrance.admit_usual(handler)).await else { return };
                    waits.borrow_mut().push(began.elapsed());
                    let Ok(permit) = admitted else { return };
                    if streams && permit.claim().take() {
                        assert!(permit.claim().take(), "once a stream, a stream");
                    }
                    sleep(work).await;
                }));
                assert!(admission.live() <= bounds.instances.get());
                assert!(admission.streams() <= bounds.streams_max && admission.queued() <= bounds.queue_max);
            }
            for client in clients {
                client.await.expect("no client panics");
            }
            assert_eq!((admission.live(), admission.streams(), admission.queued()), (0, 0, 0));
            let longest = waits.borrow().iter().max().copied().expect("somebody was told");
            assert!(longest <= bounds.queue_timeout, "{longest:?} of {:?}", bounds.queue_timeout);
            let all = (0..bounds.concurrency.get()).map(|_| admission.admit_usual(9));
            for permit in all.collect::<Vec<_>>() {
                std::mem::forget(permit.await.expect("every permit is back"));
            }
        });
    }
}

/// What became of a flood: answers in a second, and the longest waits of those who got in.
struct Flood {
    served_per_s: f64,
    wait_p99: Duration,
    refused_at_once: usize,
    refused_late: usize,
}

/// `arrivals_per_s` requests, 10 ms each, for ten seconds, on eight instances: 800 a second.
async fn flood(arrivals_per_s: u32, handlers: u64) -> Flood {
    const SECONDS: u32 = 10;
    let some = |n| NonZeroU32::new(n).expect("not zero");
    let admission = Rc::new(Admission::new(
        AdmissionConfig {
            instances: some(8),
            concurrency: some(8),
            queue_max: 1024,
            queue_share_percent: 100,
            queue_timeout: Duration::from_secs(1),
            streams_max: 8,
            memory_pressure_percent: None,
            rate_client: None,
            rate_handler: None,
        },
        u32::MAX,
    ));
    let waits = Rc::new(RefCell::new((Vec::new(), BTreeSet::new(), 0, 0)));
    let mut clients = Vec::new();
    let began = Instant::now();
    for arrival in 0..arrivals_per_s * SECONDS {
        let due = began + Duration::from_secs(SECONDS.into()) / (arrivals_per_s * SECONDS) * arrival;
        // The clock of timers has whole milliseconds: those of one come together.
        if due > Instant::now() {
            tokio::time::sleep_until(due).await;
        }
        let (admission, waits) = (admission.clone(), waits.clone());
        clients.push(tokio::task::spawn_local(async move {
            let arrived = Instant::now();
            let admitted = admission.admit_usual(u64::from(arrival) % handlers).await;
            let wait = arrived.elapsed();
            match admitted {
                Ok(_permit) => {
                    sleep(Duration::from_millis(10)).await;
                    let mut waits = waits.borrow_mut();
                    waits.0.push(wait);
                    waits.1.insert(u64::from(arrival) % handlers);
                }
                Err(refusal) => {
                    let seconds = refusal.retry_after_s.expect("a refusal says when to come back");
                    assert!((1..=60).contains(&seconds), "{seconds}");
                    let mut waits = waits.borrow_mut();
                    *(if wait.is_zero() { &mut waits.2 } else { &mut waits.3 }) += 1;
                }
            }
        }));
    }
    for client in clients {
        client.await.expect("no client panics");
    }
    let took = began.elapsed().as_secs_f64();
    let (mut waits, served, refused_at_once, refused_late) =
        Rc::into_inner(waits).expect("all clients are gone").into_inner();
    assert_eq!(served.len() as u64, handlers, "each handler is served");
    waits.sort_unstable();
    let (served_per_s, wait_p99) = (waits.len() as f64 / took, waits[waits.len() * 99 / 100]);
    Flood { served_per_s, wait_p99, refused_at_once, refused_late }
}

#[test]
fn at_ten_times_the_capacity_nine_tenths_of_it_are_served_in_time() {
    for handlers in [1, 7] {
        simulate(async || {
            let flood = flood(8000, handlers).await;
            println!(
                "{handlers} handlers: {:.0}/s of 800/s, wait p99 {:?}, refused {} at once, {} late",
                flood.served_per_s, flood.wait_p99, flood.refused_at_once, flood.refused_late
            );
            assert!(flood.served_per_s >= 720.0);
            assert!(flood.wait_p99 <= Duration::from_millis(1100));
            assert!(flood.refused_late * 20 < flood.refused_at_once, "those without a chance know at once");
        });
    }
}

#[test]
fn below_the_capacity_nobody_is_refused() {
    simulate(async || {
        let flood = flood(760, 3).await;
        assert_eq!((flood.refused_at_once, flood.refused_late), (0, 0));
    });
}
