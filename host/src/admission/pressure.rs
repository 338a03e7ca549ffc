//! Whether memory is so short that new work is sent away: better some requests refused than all of
//! them killed. A thread of its own looks a few times a second; everybody else reads a flag.

use crate::memory::Memory;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often it looks: a guest at full speed fills some hundred MiB meanwhile.
const PERIOD: Duration = Duration::from_millis(200);
/// How far below the threshold the usage must fall before work is taken again, in thousandths.
const RELIEF_PERMILLE: u64 = 40;

/// What was found last.
#[derive(Debug, Default)]
pub struct Pressure {
    high: AtomicBool,
    permille: AtomicU64,
}

impl Pressure {
    /// Whether new work is to be refused.
    pub fn is_high(&self) -> bool {
        self.high.load(Relaxed)
    }

    /// The part of the memory that is taken, in thousandths; 0 where nobody looks.
    pub fn permille(&self) -> u64 {
        self.permille.load(Relaxed)
    }

    /// Takes note of a look; whether it changed what is to be done.
    fn note(&self, permille: u64, threshold_permille: u64) -> bool {
        self.permille.store(permille, Relaxed);
        let high = match self.is_high() {
            true => permille + RELIEF_PERMILLE >= threshold_permille,
            false => permille >= threshold_permille,
        };
        self.high.swap(high, Relaxed) != high
    }
}

/// The thread that looks; dropped, it ends.
#[derive(Debug)]
pub struct PressureWatch {
    running: Option<(Sender<()>, JoinHandle<()>)>,
}

impl PressureWatch {
    /// Looks at `memory` from now on. `percent` of it is what makes the pressure high.
    ///
    /// # Errors
    /// If the system refuses a thread.
    pub fn start(memory: Memory, percent: u32, pressure: Arc<Pressure>) -> io::Result<Self> {
        let (stop, stopped) = channel();
        let threshold = u64::from(percent) * 10;
        let thread = std::thread::Builder::new().name("memory".to_owned()).spawn(move || {
            loop {
                // What cannot be read is no reason to refuse anybody.
                let permille = memory.usage().map_or(0, |usage| usage.permille());
                if pressure.note(permille, threshold) {
                    tell(&pressure, percent);
                }
                if stopped.recv_timeout(PERIOD) != Err(RecvTimeoutError::Timeout) {
                    return;
                }
            }
        })?;
        Ok(Self { running: Some((stop, thread)) })
    }
}

impl Drop for PressureWatch {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.running.take() {
            drop(stop);
            let _ = thread.join();
        }
    }
}

fn tell(pressure: &Pressure, percent: u32) {
    let used_percent = pressure.permille() / 10;
    if pressure.is_high() {
        tracing::warn!(used_percent, limit_percent = percent, "memory is short: new requests are refused");
    } else {
        tracing::info!(used_percent, "memory is free again: requests are taken");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pressure_begins_at_its_threshold_and_ends_well_below_it() {
        let pressure = Pressure::default();
        for (permille, high) in
            [(0, false), (919, false), (920, true), (900, true), (880, true), (879, false), (919, false)]
        {
            let before = pressure.is_high();
            assert_eq!(pressure.note(permille, 920), before != high, "{permille}");
            assert_eq!((pressure.is_high(), pressure.permille()), (high, permille));
        }
    }
}
