//! One turn of one server in one scenario: a fresh server is started, asked, measured and ended.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use super::alone::Alone;
use super::crowd::Crowd;
use super::footprint;
use super::results::{Figure, Quantity};
use super::scenario::{Method, Occupied, Scenario};
use super::server::Server;
use crate::bench::process::ServerProcess;
use crate::bench::setup::Setup;
use crate::bench::statistics::{Latency, median_number};

/// How often a server is started in a turn that measures starts.
const STARTS: usize = 5;

/// A turn.
pub(super) struct Turn<'a> {
    pub(super) scenario: Scenario,
    pub(super) server: Server,
    pub(super) program: &'a Path,
    /// How long the server is measured.
    pub(super) duration: Duration,
}

impl Turn<'_> {
    /// Takes it.
    ///
    /// # Errors
    ///
    /// Where the server does not start, answers something else than what was asked for, or cannot be measured.
    pub(super) fn take(&self, setup: &Setup) -> Result<Vec<Figure>> {
        let start = || self.start(setup, &[]);
        let Self { scenario, duration, .. } = *self;
        let request = scenario.request();
        let warm_up = self.server.warm_up_time();
        match scenario.method() {
            Method::Crowd { connections } => {
                let server = start()?;
                let address = server.address();
                self.check(&server)?;
                let crowd = Crowd { address, request: &request, connections, warm_up, duration };
                let answers = crowd.ask()?;
                let mut figures = vec![Figure { quantity: Quantity::PerSecond, value: answers.per_second }];
                figures.extend(latency(&answers.latency));
                figures.push(Figure { quantity: Quantity::Failed, value: answers.failed as f64 });
                let client_percent = answers.client_share * 100.0;
                figures.push(Figure { quantity: Quantity::ClientPercent, value: client_percent });
                Ok(figures)
            }
            Method::Alone { new_connections } => {
                let server = start()?;
                self.check(&server)?;
                let alone = Alone { address: server.address(), request: &request, new_connections };
                alone.ask(warm_up)?;
                let (times, failed) = alone.ask(duration)?;
                let mut figures = latency(&times).to_vec();
                figures.push(Figure { quantity: Quantity::Failed, value: failed as f64 });
                Ok(figures)
            }
            Method::Start => {
                let mut times_ms = Vec::with_capacity(STARTS);
                for _ in 0..STARTS {
                    times_ms.push(start()?.start_time().as_secs_f64() * 1000.0);
                }
                let value = median_number(times_ms).unwrap_or(f64::INFINITY);
                Ok(vec![Figure { quantity: Quantity::StartMs, value }])
            }
            Method::Memory(occupied) => {
                let server = start()?;
                let kib = match occupied {
                    Occupied::Idle => footprint::of_idle(&server)?,
                    Occupied::Running => footprint::of_running(&server, &request)?,
                    Occupied::Waiting => footprint::of_waiting(&server, &request)?,
                };
                Ok(vec![Figure { quantity: Quantity::Kib, value: kib }])
            }
        }
    }

    /// Has the server compile what it serves, if it keeps that. One that has just compiled is slow at first,
    /// and what is measured is how fast servers serve.
    ///
    /// # Errors
    ///
    /// Where it does not start.
    pub(super) fn prepare(&self, setup: &Setup) -> Result<()> {
        self.start(setup, self.server.settings_to_prepare()).map(drop)
    }

    fn start(&self, setup: &Setup, settings: &[&str]) -> Result<ServerProcess> {
        let mut command = self.server.command(self.program, setup, self.scenario);
        command.args(settings);
        ServerProcess::start(&mut command, &setup.work).context("it does not start")
    }

    /// Makes sure that the server does what the scenario is about.
    fn check(&self, server: &ServerProcess) -> Result<()> {
        let request = self.scenario.request();
        let alone = Alone { address: server.address(), request: &request, new_connections: true };
        let is_answer = |beginning: &[u8], body_bytes| self.scenario.is_answer(beginning, body_bytes);
        alone.check(is_answer).context("it does not answer what was asked for")
    }
}

fn latency(latency: &Latency) -> [Figure; 2] {
    let ms = |time: Option<Duration>| time.map_or(f64::INFINITY, |time| time.as_secs_f64() * 1000.0);
    [
        Figure { quantity: Quantity::P50Ms, value: ms(latency.p50) },
        Figure { quantity: Quantity::P99Ms, value: ms(latency.p99) },
    ]
}
