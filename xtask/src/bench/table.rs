//! The results for people who read: a table, and the page around it.

use std::time::Duration;

use super::load::CONNECTIONS;
use super::probe::PATIENCE;
use super::record::{Cell, Finding, Record};
use super::statistics::Latency;

/// What stands for a server that does not answer at all.
pub(super) const NO_ANSWER: &str = "no answer";
/// What stands for one that answers, but takes longer than an answer may.
pub(super) const TOO_SLOW: &str = "> 2 s";
/// What stands for one that refuses.
pub(super) const REFUSED: &str = "refused";

const COLUMNS: [&str; 11] = [
    "server",
    "runaways",
    "one hello",
    "hello p50",
    "p99",
    "failed",
    "health p50",
    "p99",
    "failed",
    "hello/s",
    "kept",
];

/// The table, in Markdown.
pub(super) fn table(record: &Record) -> String {
    let mut lines = vec![row(COLUMNS), "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n".to_owned()];
    lines.extend(record.findings.iter().flat_map(rows));
    lines.concat()
}

/// The page, in Markdown: what was measured, on what, and the table.
pub(super) fn page(record: &Record) -> String {
    let machine = &record.machine;
    let measured = record.findings.iter().filter_map(|finding| finding.outcome.as_ref().ok());
    let mut versions: Vec<_> = measured.map(|measured| measured.version.as_str()).collect();
    versions.dedup();
    let pinned = match record.one_core {
        true => " Server on one core, client on another.",
        false => " Server and client share all cores.",
    };
    let load = machine.load_line();
    format!(
        "# Liveness\n\
         What requests that loop forever cost all others. Written by `cargo xtask bench liveness`.\n\
         \n\
         ![Throughput kept and p99 of hello, for every server and number of runaways](liveness.svg)\n\
         \n\
         {date}, {cpu}, {cores} cores, {kernel}.{pinned}{load}\n\
         {versions}.\n\
         Medians of {rounds} rounds, {seconds} s each for load and for light requests, begun when the\n\
         runaways had been running for {settle} s and one hello had been waited for.\n\
         \n\
         {table}\n\
         - *runaways*: requests for `/spin`; in brackets how many the server had taken, or had left, where\n  \
           these were not all.\n\
         - *one hello*: how long a single request took, waited for up to {patience} s; “{NO_ANSWER}” where that\n  \
           was not enough.\n\
         - *hello*, *health*: a request every 10 ms, each on a new connection. It failed when it was not answered\n  \
           properly within 2 s. A percentile that falls among the failed ones is “{TOO_SLOW}”, “{REFUSED}” where\n  \
           some were answered with an error or cut off, and “{NO_ANSWER}” where nothing at all was answered.\n  \
           `/health` is a native endpoint of wasm-host, and in the peers a path of the handler.\n\
         - *hello/s*: answers per second on {CONNECTIONS} connections; *kept*: as a share of those on\n  \
           the same server just before the first runaway came.\n",
        date = machine.date,
        cpu = machine.cpu,
        cores = machine.cores,
        kernel = machine.kernel,
        versions = versions.join(", "),
        rounds = record.rounds,
        seconds = record.seconds,
        settle = record.settle_seconds,
        patience = PATIENCE.as_secs(),
        table = table(record),
    )
}

fn rows(finding: &Finding) -> Vec<String> {
    let name = finding.server.name();
    match &finding.outcome {
        Err(reason) => {
            let reason = format!("not measured: {reason}");
            vec![row([name, "–", &reason, "", "", "", "", "", "", "", ""])]
        }
        Ok(measured) => {
            let names = std::iter::once(name).chain(std::iter::repeat(""));
            measured.cells.iter().zip(names).map(|(cell, name)| cell_row(name, cell)).collect()
        }
    }
}

fn cell_row(name: &str, cell: &Cell) -> String {
    let median = &cell.median;
    let [before, after] = median.in_flight;
    let runaways = match before.min(after) {
        all if all == cell.runaways => number(cell.runaways as f64),
        some => format!("{} ({})", number(cell.runaways as f64), number(some as f64)),
    };
    let [hello_p50, hello_p99, hello_failed] = latency(cell, &median.hello);
    let first = median.first.map_or_else(|| NO_ANSWER.to_owned(), time);
    let [health_p50, health_p99, health_failed] = latency(cell, &median.health);
    let kept = match cell.runaways {
        0 => "",
        _ => &kept(cell),
    };
    let per_second = number(median.per_second);
    row([
        name,
        &runaways,
        &first,
        &hello_p50,
        &hello_p99,
        &hello_failed,
        &health_p50,
        &health_p99,
        &health_failed,
        &per_second,
        kept,
    ])
}

fn row(columns: [&str; 11]) -> String {
    format!("| {} |\n", columns.join(" | "))
}

fn latency(cell: &Cell, latency: &Latency) -> [String; 3] {
    let shown = |percentile| bounded_time(cell, latency, percentile);
    [shown(latency.p50), shown(latency.p99), percent(latency.failed_share)]
}

/// A percentile of `latency`, as it is shown; where it falls among the failed ones, why they failed.
pub(super) fn bounded_time(cell: &Cell, latency: &Latency, percentile: Option<Duration>) -> String {
    match percentile {
        Some(percentile) => time(percentile),
        None if latency.refused_share > 0.0 => REFUSED.to_owned(),
        None => without_answers(cell).unwrap_or(TOO_SLOW).to_owned(),
    }
}

/// What to say of a cell whose server answered nothing at all, however long it was given.
fn without_answers(cell: &Cell) -> Option<&'static str> {
    let Cell { median, .. } = cell;
    let all_failed = median.hello.failed_share >= 1.0 && median.per_second == 0.0;
    let none_refused = median.hello.refused_share == 0.0;
    (median.first.is_none() && all_failed && none_refused).then_some(NO_ANSWER)
}

/// The share of the throughput that is left, as it is shown.
pub(super) fn kept(cell: &Cell) -> String {
    match (without_answers(cell), cell.kept) {
        (Some(nothing), _) => nothing.to_owned(),
        (None, Some(share)) => percent(share),
        (None, None) => "–".to_owned(),
    }
}

/// A time with three digits, as it is shown.
pub(super) fn time(time: Duration) -> String {
    match time.as_secs_f64() * 1000.0 {
        ms if ms < 9.995 => format!("{ms:.2} ms"),
        ms if ms < 99.95 => format!("{ms:.1} ms"),
        ms if ms < 999.5 => format!("{ms:.0} ms"),
        ms => format!("{:.2} s", ms / 1000.0),
    }
}

/// A share, as it is shown.
pub(super) fn percent(share: f64) -> String {
    match share * 100.0 {
        0.0 => "0 %".to_owned(),
        percent if percent < 9.95 => format!("{percent:.1} %"),
        percent => format!("{percent:.0} %"),
    }
}

/// A whole number, its digits in groups of three.
pub(super) fn number(number: f64) -> String {
    let digits = format!("{number:.0}");
    let grouped = digits.char_indices().flat_map(|(index, digit)| {
        let comma = index > 0 && (digits.len() - index).is_multiple_of(3);
        comma.then_some(',').into_iter().chain([digit])
    });
    grouped.collect()
}

#[cfg(test)]
mod tests {
    use super::super::record::tests::example;
    use super::*;

    #[test]
    fn table_has_a_line_for_every_server_and_number() {
        let expected = "\
            | server | runaways | one hello | hello p50 | p99 | failed | health p50 | p99 | failed | hello/s | kept |\n\
            |---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n\
            | wasm-host | 0 | 1.00 ms | 1.00 ms | 1.00 ms | 0 % | 1.00 ms | 1.00 ms | 0 % | 20,000 |  |\n\
            |  | 8 | 2.00 ms | 2.00 ms | 2.00 ms | 0 % | 2.00 ms | 2.00 ms | 0 % | 19,000 | 95 % |\n\
            | wasmtime serve | 0 | 1.00 ms | 1.00 ms | 1.00 ms | 0 % | 1.00 ms | 1.00 ms | 0 % | 8,000 |  |\n\
            |  | 8 | no answer | no answer | no answer | 100 % | no answer | no answer | 100 % | 0 | no answer |\n\
            | workerd | – | not measured: npm could not install it |  |  |  |  |  |  |  |  |\n";
        assert_eq!(table(&example()), expected);
    }

    #[test]
    fn runaways_that_ended_are_shown() {
        let mut record = example();
        let measured = record.findings[0].outcome.as_mut().expect("measured");
        measured.cells[1].median.in_flight = [8, 5];
        assert!(table(&record).contains("| 8 (5) |"));
    }

    #[test]
    fn slow_server_is_not_called_dead() {
        let mut record = example();
        let measured = record.findings[1].outcome.as_mut().expect("measured");
        measured.cells[1].median.first = Some(Duration::from_secs(3));
        let slow = "|  | 8 | 3.00 s | > 2 s | > 2 s | 100 % | > 2 s | > 2 s | 100 % | 0 | 0 % |";
        assert!(table(&record).contains(slow), "{}", table(&record));
    }

    #[test]
    fn refusing_server_is_not_called_slow() {
        let mut record = example();
        let measured = record.findings[1].outcome.as_mut().expect("measured");
        measured.cells[1].median.hello.refused_share = 0.5;
        let refusing = "|  | 8 | no answer | refused | refused | 100 % | > 2 s | > 2 s | 100 % | 0 | 0 % |";
        assert!(table(&record).contains(refusing), "{}", table(&record));
    }

    #[test]
    fn page_names_machine_and_versions() {
        let page = page(&example());
        assert!(page.contains("\n2026-01-02, Some <CPU>, 2 cores, Linux 1. Server and client"), "{page}");
        assert!(page.contains("\nwasm-host 1, wasmtime 48.\n"), "{page}");
    }

    #[test]
    fn times_keep_three_digits() {
        let shown = |us| time(Duration::from_micros(us));
        let times = [83, 9_994, 9_996, 99_940, 99_960, 999_400, 999_600, 1_999_999].map(shown);
        let expected = ["0.08 ms", "9.99 ms", "10.0 ms", "99.9 ms", "100 ms", "999 ms", "1.00 s", "2.00 s"];
        assert_eq!(times, expected);
    }

    #[test]
    fn numbers_and_shares_are_short() {
        assert_eq!([0.0, 999.4, 1000.0, 1234567.8].map(number), ["0", "999", "1,000", "1,234,568"]);
        assert_eq!([0.0, 0.004, 0.1, 1.07].map(percent), ["0 %", "0.4 %", "10 %", "107 %"]);
    }
}
