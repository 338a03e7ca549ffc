//! The results for programs and for people. A run of some parts takes the place of these parts' results
//! and leaves the others, so each part says when and on what it was measured.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use crate::bench::machine::Machine;
use crate::bench::record::machine_json;
use crate::bench::scheduler::section::{Promise, Section};
use crate::report;

/// What every part of a run has in common.
pub(super) struct Run<'a> {
    pub(super) machine: &'a Machine,
    /// The name and version of the host.
    pub(super) version: &'a str,
    pub(super) rounds: u8,
    /// How long a crowd was there.
    pub(super) seconds: u8,
}

/// Writes `overload.md` and `overload.json`, with these `sections` in place of those of the same name.
///
/// # Errors
///
/// Where results that are there cannot be understood, or none can be written.
pub(super) fn write(out: &Path, run: &Run<'_>, sections: &[Section], order: &[&str]) -> Result<()> {
    fs::create_dir_all(out).with_context(|| format!("making {}", out.display()))?;
    let path = out.join("overload.json");
    let mut all: Map<String, Value> = match fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes).with_context(|| format!("reading {}", path.display()))?,
        Err(_) => Map::new(),
    };
    for section in sections {
        all.insert(section.name.to_owned(), value(run, section));
    }
    fs::write(&path, format!("{:#}\n", Value::Object(all.clone())))
        .with_context(|| format!("writing {}", path.display()))?;
    let path = out.join("overload.md");
    fs::write(&path, markdown(&all, order)).with_context(|| format!("writing {}", path.display()))?;
    report::note("written", &out.join("overload.{md,json}").display().to_string());
    Ok(())
}

fn value(run: &Run<'_>, section: &Section) -> Value {
    let promise = |promise: &Promise| json!({ "promise": promise.text, "kept": promise.kept });
    json!({
        "date": run.machine.date,
        "machine": machine_json(run.machine),
        "version": run.version,
        "rounds": run.rounds,
        "seconds": run.seconds,
        "promises": section.promises.iter().map(promise).collect::<Vec<_>>(),
        "figures": section.json,
        "markdown": section.markdown(),
    })
}

fn markdown(all: &Map<String, Value>, order: &[&str]) -> String {
    let mut page =
        "# Overload\nWhat the front door promises to crowds, measured. Written by `cargo xtask bench \
                    overload`.\nServer and client share all cores but where a table says otherwise.\n"
            .to_owned();
    for value in order.iter().filter_map(|name| all.get(*name)) {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let machine = &value["machine"];
        page.push_str(&format!(
            "\n{}\n\n{}, {}, {} cores, {}, {}. {} s a measurement. Load average before: {}.\n",
            text(&value["markdown"]).trim_end(),
            text(&value["date"]),
            text(&machine["cpu"]),
            machine["cores"],
            text(&machine["kernel"]),
            text(&value["version"]),
            value["seconds"],
            machine["load_before"],
        ));
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_come_in_their_order_with_what_they_were_measured_on() {
        let part = |title: &str| {
            json!({
                "date": "2026-01-02",
                "machine": { "cpu": "Some CPU", "cores": 2, "kernel": "Linux 1", "load_before": 0.25 },
                "version": "wasm-host 1",
                "seconds": 30,
                "markdown": format!("## {title}\n| a |\n|---|\n\n- kept: it holds\n"),
            })
        };
        let all = Map::from_iter([("a".to_owned(), part("A")), ("b".to_owned(), part("B"))]);
        let page = markdown(&all, &["b", "missing", "a"]);
        assert!(page.find("## B") < page.find("## A"), "{page}");
        let end = "- kept: it holds\n2026-01-02, Some CPU, 2 cores, Linux 1, wasm-host 1. 30 s a measurement. \
                   Load average before: 0.25.\n";
        assert!(page.ends_with(&end.replacen('\n', "\n\n", 1)), "{page}");
    }
}
