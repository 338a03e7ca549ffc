//! What the sandboxes may cost against the memory there is: told at every start, with a warning where
//! it is more.

use crate::config::Config;
use crate::memory::Memory;
use bytesize::ByteSize;

/// What all sandboxes may take together, and what there is.
pub(super) struct Budget {
    /// At most: every memory and every stack full.
    pub(super) sandboxes_bytes_max: u64,
    /// None where the system does not tell.
    pub(super) limit_bytes: Option<u64>,
}

impl Budget {
    pub(super) fn of(config: &Config, memory: &Memory) -> Self {
        let sandboxes = u64::from(config.admission.sandboxes_max());
        Self {
            sandboxes_bytes_max: config.limits.sandbox_bytes_max().saturating_mul(sandboxes),
            limit_bytes: memory.limit_bytes(),
        }
    }

    /// What to warn of: guests that all take what they may would not fit.
    pub(super) fn warning(&self, config: &Config) -> Option<String> {
        let limit_bytes = self.limit_bytes.filter(|limit_bytes| *limit_bytes < self.sandboxes_bytes_max)?;
        let then = match config.admission.memory_pressure_percent {
            Some(percent) => format!("past {percent}% new requests are refused"),
            None => "nothing keeps them from it, since `memory-pressure` is `off`".to_owned(),
        };
        Some(format!(
            "{} instances and {} streams may take {} of the {} there are; {then}, and `--instances auto` is \
             what fits",
            config.admission.instances,
            config.admission.streams_max,
            ByteSize(self.sandboxes_bytes_max),
            ByteSize(limit_bytes),
        ))
    }
}
