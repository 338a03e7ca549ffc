//! Certificates that change twenty times under load, and which versions of TLS are spoken.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use super::host::{Holdings, Hosts};
use super::tls::{Asked, Pair, ask_beside, shows, trust};
use crate::bench::liveness::WARM_UP_TIME;
use crate::bench::process::{ServerProcess, pause};
use crate::bench::scheduler::section::{Promise, Section, Table};
use crate::bench::table::{number, time};

/// How often the certificate changes.
const RELOADS: usize = 20;
/// How long a change may take.
const RELOAD_BOUND: Duration = Duration::from_secs(10);
/// How often it is looked for.
const LOOK_INTERVAL: Duration = Duration::from_millis(5);
/// How long a program may take to find out about versions.
const LOOK_BOUND: Duration = Duration::from_secs(60);
/// The versions of TLS that are tried, and whether they are to be spoken.
const VERSIONS: [(&str, &str, bool); 4] =
    [("1.0", "-tls1", false), ("1.1", "-tls1_1", false), ("1.2", "-tls1_2", true), ("1.3", "-tls1_3", true)];

/// What was measured.
pub(super) struct Round {
    asked: Asked,
    duration: Duration,
    /// How long the slowest change took, from the signal to the first new connection that shows it.
    slowest: Duration,
    /// Versions, and whether they are spoken; none where `openssl` is missing.
    spoken: Vec<(&'static str, Option<bool>)>,
    /// What `sslscan` found enabled; none where it is missing.
    scanned: Option<String>,
    before: Holdings,
    after: Holdings,
}

/// Measures.
///
/// # Errors
///
/// Where the host does not start, or does not take a new certificate.
pub(super) fn measure(hosts: &Hosts) -> Result<Round> {
    let pairs: Vec<_> = (0..=RELOADS).map(|_| Pair::new()).collect::<Result<_>>()?;
    let config = trust(&pairs)?;
    let directory = hosts.directory.join("certificates");
    fs::create_dir_all(&directory).with_context(|| format!("making {}", directory.display()))?;
    write(&directory, &pairs[0])?;
    let server = start(hosts, &directory)?;
    let address = server.address();
    // The load before is not counted: what it leaves open is there before, too.
    ask_beside(address, &config, || {
        pause(WARM_UP_TIME);
        Ok(())
    })?;
    let before = Holdings::at_rest(server.id(), None)?;

    let begun_at = Instant::now();
    let (asked, slowest) = ask_beside(address, &config, || {
        let mut slowest = Duration::ZERO;
        for (count, pair) in pairs.iter().enumerate().skip(1) {
            write(&directory, pair)?;
            let changed_at = Instant::now();
            hang_up(server.id())?;
            while !shows(address, &config, pair) {
                ensure!(changed_at.elapsed() < RELOAD_BOUND, "certificate {count} is not shown");
                pause(LOOK_INTERVAL);
            }
            slowest = slowest.max(changed_at.elapsed());
            pause((hosts.duration / RELOADS as u32).saturating_sub(changed_at.elapsed()));
        }
        Ok(slowest)
    })?;
    let duration = begun_at.elapsed();
    let spoken = VERSIONS.map(|(name, flag, _)| (name, speaks(address, flag))).to_vec();
    let scanned = scan(address);
    let after = Holdings::at_rest(server.id(), Some(before))?;
    Ok(Round { asked, duration, slowest, spoken, scanned, before, after })
}

/// Starts a host that speaks TLS with the pair in `directory`.
fn start(hosts: &Hosts, directory: &Path) -> Result<ServerProcess> {
    let mut command = Command::new(&hosts.program);
    command.arg("serve").arg(&hosts.component).args(["--listen", "127.0.0.1:0"]);
    command.arg("--tls-cert").arg(directory.join("cert.pem"));
    command.arg("--tls-key").arg(directory.join("key.pem"));
    let listens = |address| TcpStream::connect(address).is_ok();
    ServerProcess::start_until(&mut command, &hosts.directory, listens).context("wasm-host does not start")
}

/// Puts `pair` where the host looks for it.
fn write(directory: &Path, pair: &Pair) -> Result<()> {
    for (name, text) in [("key.pem", &pair.key_pem), ("cert.pem", &pair.cert_pem)] {
        fs::write(directory.join(name), text).with_context(|| format!("writing {name}"))?;
    }
    Ok(())
}

/// Tells the process that its files have changed.
fn hang_up(id: u32) -> Result<()> {
    let id = i32::try_from(id).ok().and_then(Pid::from_raw).context("the host has no process")?;
    kill_process(id, Signal::HUP).context("telling the host")
}

/// Whether the host shakes hands in this version alone; none where `openssl` cannot tell.
fn speaks(address: SocketAddr, flag: &str) -> Option<bool> {
    let mut openssl = Command::new("timeout");
    openssl.arg(LOOK_BOUND.as_secs().to_string()).args(["openssl", "s_client", "-connect"]);
    // Old versions are not offered at the level of security that is usual.
    openssl.arg(address.to_string()).args([flag, "-cipher", "ALL:@SECLEVEL=0"]).stdin(Stdio::null());
    let output = openssl.output().ok().filter(|output| output.status.code() != Some(127))?;
    let said = String::from_utf8_lossy(&output.stdout);
    Some(!said.contains("Cipher is (NONE)") && said.contains("Cipher is "))
}

/// The versions that `sslscan` finds enabled.
fn scan(address: SocketAddr) -> Option<String> {
    let mut sslscan = Command::new("timeout");
    sslscan.arg(LOOK_BOUND.as_secs().to_string()).args(["sslscan", "--no-colour"]).arg(address.to_string());
    let output = sslscan.stdin(Stdio::null()).output().ok().filter(|output| output.status.success())?;
    Some(enabled_in(&String::from_utf8_lossy(&output.stdout)))
}

fn enabled_in(scan: &str) -> String {
    let enabled = scan.lines().filter_map(|line| {
        let mut words = line.split_ascii_whitespace();
        let version = words.next().filter(|word| word.starts_with("TLSv") || word.starts_with("SSLv"))?;
        (words.next() == Some("enabled") && words.next().is_none()).then_some(version)
    });
    enabled.collect::<Vec<_>>().join(", ")
}

/// The results.
pub(super) fn section(rounds: &[Round]) -> Section {
    let mut table = Table::new(&[
        "round",
        "reloads",
        "slowest",
        "connections",
        "requests/s",
        "failed",
        "TLS 1.0",
        "1.1",
        "1.2",
        "1.3",
        "sslscan finds",
        "threads, files afterwards (before)",
    ]);
    for (index, round) in rounds.iter().enumerate() {
        let spoken = |version: &str| {
            let found =
                round.spoken.iter().find(|(name, _)| *name == version).and_then(|(_, spoken)| *spoken);
            found.map_or("not tried", |spoken| if spoken { "spoken" } else { "refused" }).to_owned()
        };
        let figures = [
            number(RELOADS as f64),
            time(round.slowest),
            number(round.asked.connections as f64),
            number(round.asked.answered as f64 / round.duration.as_secs_f64()),
            number(round.asked.failures.len() as f64),
            spoken("1.0"),
            spoken("1.1"),
            spoken("1.2"),
            spoken("1.3"),
            round.scanned.clone().unwrap_or_else(|| "not tried".to_owned()),
            format!(
                "{}, {} ({}, {})",
                round.after.threads, round.after.files, round.before.threads, round.before.files
            ),
        ];
        table.round(index, figures);
    }
    let all = |holds: &dyn Fn(&Round) -> bool| rounds.iter().all(holds);
    let is_right = |round: &Round| {
        let found =
            |version: &str| round.spoken.iter().find(|(name, _)| *name == version).map(|found| found.1);
        VERSIONS.iter().all(|(name, _, spoken)| found(name) == Some(Some(*spoken)))
    };
    let promises = vec![
        Promise {
            text: "no request fails while the certificate changes 20 times".to_owned(),
            kept: all(&|round| round.asked.failures.is_empty() && round.asked.answered > 0),
        },
        Promise { text: "TLS 1.2 and 1.3 are spoken, and nothing older".to_owned(), kept: all(&is_right) },
        Promise {
            text: "afterwards threads and files are as before".to_owned(),
            kept: all(&|round| round.after.is_at_most(round.before)),
        },
    ];
    let json = json!({ "rounds": rounds.iter().map(|round| json!({
        "reloads": RELOADS,
        "slowest_ms": round.slowest.as_millis() as u64,
        "connections": round.asked.connections,
        "answered": round.asked.answered,
        "failed": round.asked.failures.len(),
        "first_failure": round.asked.failures.first(),
        "spoken": round.spoken.iter().map(|(name, spoken)| json!({ "tls": name, "spoken": spoken })).collect::<Vec<_>>(),
        "sslscan": round.scanned,
    })).collect::<Vec<_>>() });
    Section { name: "reload", title: "Certificates that change under load", promises, table, json }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enabled_versions_are_found_in_a_scan() {
        let scan = "  SSL/TLS Protocols:\nSSLv2     disabled\nTLSv1.0   disabled\nTLSv1.2   enabled\n\
                    TLSv1.3   enabled\n\nPreferred TLSv1.3  256 bits  X\n";
        assert_eq!(enabled_in(scan), "TLSv1.2, TLSv1.3");
        assert_eq!(enabled_in(""), "");
    }
}
