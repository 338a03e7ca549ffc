//! What there is to say about compiling, which begins before there is a log: kept until then, and logged as it
//! happens from then on.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Reports that are kept for the log at most; a start of a thousand handlers has no more.
const KEPT_MAX: usize = 4096;
/// A compilation that takes less is not worth a line.
const WORTH_TELLING: Duration = Duration::from_secs(1);

/// One thing worth a line.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Report {
    /// A component was compiled, in this time and into so many bytes.
    Compiled(String, Duration, usize),
    /// A cached file was not loaded, and why.
    Rejected(String, PathBuf, String),
    /// Code could not be kept, and why.
    Unkept(String, String),
}

/// The reports.
#[derive(Debug)]
pub(super) struct Reports(Mutex<Option<Vec<Report>>>);

impl Reports {
    /// Keeps what is reported until the log is there.
    pub(super) fn new() -> Self {
        Self(Mutex::new(Some(Vec::new())))
    }

    /// Logs it, or keeps it for the log.
    pub(super) fn report(&self, report: Report) {
        if let Report::Compiled(_, took, _) = report
            && took < WORTH_TELLING
        {
            return;
        }
        match &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(kept) if kept.len() < KEPT_MAX => kept.push(report),
            Some(_) => {}
            None => report.log(),
        }
    }

    /// Whether the log is not there yet.
    pub(super) fn kept(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// The log is there: what was kept, and everything from now on, goes to it.
    pub(super) fn log(&self) {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        kept.into_iter().flatten().for_each(|report| report.log());
    }
}

impl Report {
    fn log(&self) {
        match self {
            Self::Compiled(handler, took, bytes) => {
                let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
                tracing::info!(handler, ms, bytes, "compiled");
            }
            Self::Rejected(handler, file, why) => tracing::warn!(
                handler,
                reason = "aot_rejected",
                file = %file.display(),
                why,
                "compiled code in the cache is not loaded: the component is compiled anew"
            ),
            Self::Unkept(handler, why) => tracing::warn!(handler, why, "compiled code is not kept"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_reported_early_is_kept_and_no_more_than_a_bound() {
        let reports = Reports::new();
        let quick = Report::Compiled("a".into(), Duration::from_millis(999), 1);
        let slow = Report::Compiled("a".into(), Duration::from_secs(1), 1);
        reports.report(quick);
        for _ in 0..KEPT_MAX + 1 {
            reports.report(slow.clone());
        }
        assert_eq!(reports.0.lock().expect("reports").as_ref().map(Vec::len), Some(KEPT_MAX));
        assert!(reports.kept());
        reports.log();
        assert!(!reports.kept());
    }
}
