//! The machine that is measured on: what it is, and what is asked of it.

use std::fs;
use std::process::{self, Command};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::command::run;

/// The longest that a question to the system may take.
const LOOK_BOUND: Duration = Duration::from_secs(30);

/// The core that a server gets where it gets only one.
pub(super) const SERVER_CORE: &str = "0";
/// The core of the client then.
const CLIENT_CORE: &str = "1";

/// What the results depend on.
pub(super) struct Machine {
    /// The day of the measurement, in UTC.
    pub(super) date: String,
    /// The model of the processor.
    pub(super) cpu: String,
    /// How many cores there are for all.
    pub(super) cores: usize,
    /// The system and its version.
    pub(super) kernel: String,
    /// How many threads of other programs wanted a core in the minute before, where the system tells.
    /// Cores that others use are missing in every figure.
    pub(super) load: Option<f64>,
}

impl Machine {
    /// Looks at this machine.
    ///
    /// # Errors
    ///
    /// Where the system does not tell.
    pub(super) fn look() -> Result<Self> {
        let ask = |program, arguments: &[&str]| {
            run(Command::new(program).args(arguments), LOOK_BOUND).map(|text| text.trim().to_owned())
        };
        let cpu = match fs::read_to_string("/proc/cpuinfo").ok().as_deref().and_then(cpu_model) {
            Some(model) => model.to_owned(),
            None => ask("uname", &["-m"])?,
        };
        Ok(Self {
            date: ask("date", &["-u", "+%Y-%m-%d"])?,
            cpu,
            cores: thread::available_parallelism().context("counting the cores")?.get(),
            kernel: ask("uname", &["-sr"])?,
            load: fs::read_to_string("/proc/loadavg").ok().as_deref().and_then(load_average),
        })
    }

    /// When and on what, as results begin.
    pub(super) fn line(&self) -> String {
        let Self { date, cpu, cores, kernel, load: _ } = self;
        format!("{date}, {kernel} on {cpu} ({cores} cores)")
    }

    /// How much else there was to do, as a sentence after another; nothing where the system does not tell.
    pub(super) fn load_line(&self) -> String {
        self.load.map_or_else(String::new, |load| format!(" Load average before: {load}."))
    }

    /// A machine for tests of what is written about one.
    #[cfg(test)]
    pub(super) fn example() -> Self {
        Self {
            date: "2026-01-02".to_owned(),
            cpu: "Some <CPU>".to_owned(),
            cores: 2,
            kernel: "Linux 1".to_owned(),
            load: Some(0.25),
        }
    }
}

fn cpu_model(cpuinfo: &str) -> Option<&str> {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"))?;
    line.split_once(':').map(|(_, model)| model.trim())
}

fn load_average(loadavg: &str) -> Option<f64> {
    loadavg.split_whitespace().next()?.parse().ok()
}

/// Allows as many open files as the system lets us have, to us and to all servers that we start.
///
/// # Errors
///
/// Where that is less than `needed`.
pub(super) fn raise_open_files(needed: u64) -> Result<()> {
    let maximum = getrlimit(Resource::Nofile).maximum;
    // Refused on systems that have a lower limit of their own: then the old limit decides.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    let limit = getrlimit(Resource::Nofile).current;
    ensure!(
        limit.is_none_or(|limit| limit >= needed),
        "{needed} open files are needed, and the system allows {}: raise the hard limit, or measure less",
        limit.unwrap_or_default()
    );
    Ok(())
}

/// Moves this process away from the core that servers get.
///
/// # Errors
///
/// Where there is no `taskset`, or no second core.
pub(super) fn pin_client() -> Result<()> {
    confine_client(CLIENT_CORE).context("one core for each needs `taskset` and two cores")
}

/// Lets this process run on all cores again.
///
/// # Errors
///
/// Where there is no `taskset`.
pub(super) fn release_client(cores: usize) -> Result<()> {
    confine_client(&format!("0-{}", cores - 1))
}

fn confine_client(cores: &str) -> Result<()> {
    let mut taskset = Command::new("taskset");
    taskset.args(["--all-tasks", "--cpu-list", "--pid", cores, &process::id().to_string()]);
    run(&mut taskset, LOOK_BOUND)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_model_is_the_first_named() {
        let cpuinfo =
            "processor\t: 0\nmodel\t\t: 2\nmodel name\t: Some CPU @ 3.0: fast\nmodel name\t: other\n";
        assert_eq!(cpu_model(cpuinfo), Some("Some CPU @ 3.0: fast"));
        assert_eq!(cpu_model("processor : 0\n"), None);
    }

    #[test]
    fn load_is_that_of_the_last_minute() {
        assert_eq!(load_average("0.52 1.58 2.59 1/597 1234\n"), Some(0.52));
        assert_eq!(load_average(""), None);
    }
}
