//! Answers of the admin side as people read them: short lines, and columns that stand below each other.

use crate::deploy::VersionId;
use crate::deploy::api::{
    Changed, DefinedBy, HandlerInfo, HandlerList, HandlerState, VersionInfo, VersionList, VersionRole,
};
use bytesize::ByteSize;
use std::fmt::Write as _;
use std::time::{Duration, UNIX_EPOCH};

/// Every handler, a line each.
pub(super) fn handlers(list: &HandlerList) -> String {
    let mut rows = vec![["NAME", "STATE", "VERSION", "CANARY", "GENERATION", "ROUTES"].map(str::to_owned)];
    for handler in &list.handlers {
        let version = match (&handler.active, handler.origin) {
            (Some(version), _) => version.id.short(),
            (None, DefinedBy::Settings) => "(settings)".to_owned(),
            (None, DefinedBy::Deployment) => "-".to_owned(),
        };
        let canary =
            handler.canary.as_ref().map(|canary| format!("{} {}%", canary.version.short(), canary.percent));
        rows.push([
            handler.name.to_string(),
            state(handler.state).to_owned(),
            version,
            canary.unwrap_or_else(|| "-".to_owned()),
            handler.generation.map_or_else(|| "-".to_owned(), |generation| generation.to_string()),
            handler.routes.join(", "),
        ]);
    }
    table(&rows)
}

/// One handler.
pub(super) fn handler(info: &HandlerInfo) -> String {
    let mut text = format!("{}: {}", info.name, state(info.state));
    let mut line = |name: &str, value: &str| {
        let _ = write!(text, "\n  {name:<12}{value}");
    };
    if let Some(reason) = info.paused.as_deref().filter(|reason| !reason.is_empty()) {
        line("paused", reason);
    }
    if let Some(error) = &info.error {
        line("error", error);
    }
    line("routes", &info.routes.join(", "));
    let Some(version) = &info.active else {
        line("defined by", "the host's settings");
        return text;
    };
    line("version", &version.id.to_string());
    line("component", &version.component.to_string());
    line("size", &ByteSize(version.component_bytes).to_string());
    line("deployed", &date(version.deployed_at_ms));
    if let Some(source) = &version.source {
        line("source", source);
    }
    for (name, values) in &version.settings {
        line(name, &values.join(", "));
    }
    if let Some(previous) = &info.previous {
        line("previous", &previous.short());
    }
    if let Some(canary) = &info.canary {
        let tester = canary.tester.as_ref().map_or_else(String::new, |tester| format!(", and to {tester}"));
        let (requests, failures) = (canary.requests, canary.failures);
        let (version, percent) = (canary.version.short(), canary.percent);
        let told = format!("{version} to {percent}%{tester}: {failures} of {requests} requests failed");
        line("canary", &told);
    }
    line("generation", &info.generation.unwrap_or_default().to_string());
    text
}

/// The versions of a handler, a line each.
pub(super) fn versions(list: &VersionList) -> String {
    let mut rows = vec![["VERSION", "ROLE", "DEPLOYED", "SIZE", "SOURCE"].map(str::to_owned)];
    rows.extend(list.versions.iter().map(|version| {
        let VersionInfo { id, role, component_bytes, source, deployed_at_ms, .. } = version;
        [
            id.short(),
            self::role(*role).to_owned(),
            date(*deployed_at_ms),
            ByteSize(*component_bytes).to_string(),
            source.clone().unwrap_or_else(|| "-".to_owned()),
        ]
    }));
    table(&rows)
}

/// What a change came to.
pub(super) fn change(changed: &Changed) -> String {
    let handler = &changed.handler;
    let version = handler.active.as_ref().map_or_else(|| "-".to_owned(), |version| version.id.short());
    let generation = handler.generation.unwrap_or_default();
    let canary = handler.canary.as_ref().map_or_else(String::new, |canary| {
        format!(", and {} gets {}% of the requests", VersionId::short(&canary.version), canary.percent)
    });
    let so = if changed.changed { "" } else { " already" };
    let does = match handler.state {
        HandlerState::Serving => format!("serves version {version} at {}", handler.routes.join(", ")),
        HandlerState::Paused => "is paused".to_owned(),
        HandlerState::Failed => "cannot be served".to_owned(),
    };
    format!("{} {does}{so}{canary} (generation {generation})", handler.name)
}

fn state(state: HandlerState) -> &'static str {
    match state {
        HandlerState::Serving => "serving",
        HandlerState::Paused => "paused",
        HandlerState::Failed => "failed",
    }
}

fn role(role: VersionRole) -> &'static str {
    match role {
        VersionRole::Active => "active",
        VersionRole::Canary => "canary",
        VersionRole::Previous => "previous",
        VersionRole::Kept => "kept",
    }
}

fn date(ms: u64) -> String {
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_millis(ms)).to_string()
}

/// Rows with their columns below each other; the last one may be as long as it likes.
fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: [usize; N] = std::array::from_fn(width);
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_below_each_other() {
        let row = |cells: [&str; 3]| cells.map(str::to_owned);
        let text = table(&[row(["NAME", "B", "C"]), row(["ä", "long one", "x"]), row(["b", "", "y z"])]);
        assert_eq!(text, "NAME  B         C\nä     long one  x\nb               y z");
    }

    #[test]
    fn dates_are_of_this_calendar() {
        assert_eq!(date(0), "1970-01-01T00:00:00Z");
        assert_eq!(date(1_796_000_000_500), "2026-11-30T00:53:20Z");
    }
}
