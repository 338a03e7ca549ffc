//! The results for people and for programs: the sections one below the other, and what they were
//! measured on.

use serde_json::{Map, Value, json};

use super::section::{Promise, Section};
use crate::bench::machine::Machine;
use crate::bench::record::machine_json;

/// All that a run has found, and under which conditions.
pub(super) struct Page {
    pub(super) machine: Machine,
    /// The name and version of the host.
    pub(super) version: String,
    pub(super) rounds: u64,
    /// How long the load lasted where nothing else decided it.
    pub(super) seconds: u64,
    /// How long runaways were killed.
    pub(super) kill_seconds: u64,
    /// The CPU time that each of them had.
    pub(super) cpu_ms: u64,
    pub(super) sections: Vec<Section>,
}

impl Page {
    /// The tables alone.
    pub(super) fn tables(&self) -> String {
        self.sections.iter().map(Section::markdown).collect::<Vec<_>>().join("\n")
    }

    /// Everything, in Markdown.
    pub(super) fn markdown(&self) -> String {
        let Machine { date, cpu, cores, kernel, load: _ } = &self.machine;
        let load = self.machine.load_line();
        let Self { version, rounds, seconds, kill_seconds, cpu_ms, .. } = self;
        format!(
            "# Scheduler\n\
             What the scheduler promises, measured. Written by `cargo xtask bench scheduler`.\n\
             \n\
             {date}, {cpu}, {cores} cores, {kernel}. Server and client share all cores.{load}\n\
             {version}; {rounds} rounds, hellos alone for {seconds} s, runaways with {cpu_ms} ms of CPU time each\n\
             for {kill_seconds} s.\n\
             \n\
             {}",
            self.tables()
        )
    }

    /// Everything, for programs. Times that are `null` are those of requests that were not answered.
    pub(super) fn json(&self) -> String {
        let promise = |promise: &Promise| json!({ "promise": promise.text, "kept": promise.kept });
        let section = |section: &Section| {
            let promises: Vec<_> = section.promises.iter().map(promise).collect();
            (section.name.to_owned(), json!({ "promises": promises, "figures": section.json }))
        };
        let sections: Map<String, Value> = self.sections.iter().map(section).collect();
        let value = json!({
            "date": self.machine.date,
            "machine": machine_json(&self.machine),
            "version": self.version,
            "rounds": self.rounds,
            "seconds": self.seconds,
            "kill_seconds": self.kill_seconds,
            "cpu_ms": self.cpu_ms,
            "sections": sections,
        });
        format!("{value:#}\n")
    }
}

#[cfg(test)]
mod tests {
    use super::super::section::Table;
    use super::*;

    fn example() -> Page {
        let mut table = Table::new(&["round", "time"]);
        table.median(["1 ms".to_owned()]);
        let promises = vec![Promise { text: "ends soon".to_owned(), kept: false }];
        let section =
            Section { name: "equal", title: "Equal ones", promises, table, json: json!({ "rounds": [7] }) };
        Page {
            machine: Machine::example(),
            version: "wasm-host 1".to_owned(),
            rounds: 3,
            seconds: 4,
            kill_seconds: 60,
            cpu_ms: 3,
            sections: vec![section],
        }
    }

    #[test]
    fn page_says_on_what_and_how_it_was_measured() {
        let page = example().markdown();
        assert!(page.contains("\n2026-01-02, Some <CPU>, 2 cores, Linux 1. Server"), "{page}");
        assert!(
            page.contains("Load average before: 0.25.\nwasm-host 1; 3 rounds, hellos alone for 4 s"),
            "{page}"
        );
        assert!(page.ends_with("| median | 1 ms |\n\n- **not kept**: ends soon\n"), "{page}");
    }

    #[test]
    fn json_has_verdicts_beside_figures() {
        let value: Value = serde_json::from_str(&example().json()).expect("json");
        let equal = &value["sections"]["equal"];
        assert_eq!(equal["promises"][0], json!({ "promise": "ends soon", "kept": false }));
        assert_eq!((&equal["figures"]["rounds"][0], &value["cpu_ms"]), (&json!(7), &json!(3)));
    }
}
